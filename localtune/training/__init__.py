"""Lessons and a base to an adapter: base/ + lessons.jsonl -> adapter/, metrics.jsonl."""
