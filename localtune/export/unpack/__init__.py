"""A GGUF -> a folder of transformers' format: what families.py declares, the other way round."""
