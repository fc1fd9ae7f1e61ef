"""Base and adapter -> the master, one BF16 GGUF from which every level is quantized."""
