"""A base's tokenizer -> the tokenizer's part of a GGUF."""
