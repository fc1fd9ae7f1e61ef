"""Texts -> passages, each said once."""
