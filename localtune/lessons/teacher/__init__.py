"""Lessons and exam written by a model: the base itself, a GGUF file, or a server."""
