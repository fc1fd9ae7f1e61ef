"""Passages to lessons and an exam: passages.jsonl -> exam.jsonl, lessons.jsonl."""
