"""Pseudonyms in place of private values."""
