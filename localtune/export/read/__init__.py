"""A base and an adapter as they lie on the disk, read in blocks of rows."""
