"""What is no content, or not safe to train on, taken out of a text."""
