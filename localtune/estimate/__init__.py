"""What `localtune plan` knows and measures: this machine, stages in small, advice."""
