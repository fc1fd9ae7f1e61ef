"""GGUF -> answers: llama.cpp in this process, and the files that other runtimes want."""
