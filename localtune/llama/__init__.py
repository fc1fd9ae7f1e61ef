"""llama.cpp: answers, lessons, levels. It runs in processes of its own."""
