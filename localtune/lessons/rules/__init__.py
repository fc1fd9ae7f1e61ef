"""Lessons and exam by rules of English: for the built-in `tiny` base."""
