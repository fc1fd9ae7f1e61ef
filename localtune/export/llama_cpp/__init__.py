"""llama.cpp's own converter, for what the exporter doesn't know."""
