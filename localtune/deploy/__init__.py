"""What is done with a build: serve, install in Ollama, push, talk."""
