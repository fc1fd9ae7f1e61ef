"""This machine: threads, processes, and what work takes. Knows no stage."""
