"""`python -m localtune` is `localtune`."""

from localtune.cli import main

main()
