"""Lessons and a base to an adapter: base/ + lessons.jsonl -> adapter/, metrics.jsonl."""

from localtune.nothing_fetched import keep_from_fetching

keep_from_fetching()
