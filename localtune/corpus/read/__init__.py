"""Files -> text as Markdown."""
