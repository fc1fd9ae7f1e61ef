"""GGUF and exam -> scores. Is handed what answers; loads no GGUF itself."""
