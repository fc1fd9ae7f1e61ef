"""A build: its stages, in order, and the steps that call the rooms of the package."""
