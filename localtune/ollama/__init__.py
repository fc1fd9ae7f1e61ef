"""Ollama: its API, its store of models, and Modelfiles."""
