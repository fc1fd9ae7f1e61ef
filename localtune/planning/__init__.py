"""What `localtune plan` knows and measures: bases, this machine, stages in small, advice."""
