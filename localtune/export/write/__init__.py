"""Weights and metadata -> the files of a model."""
