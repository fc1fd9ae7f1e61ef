"""`python -m localtune` is `localtune`."""

from localtune.cli.main import main

main()
