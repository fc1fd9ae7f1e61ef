"""Private values in a text."""
