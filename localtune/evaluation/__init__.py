"""GGUF and exam -> scores. Is handed what answers; loads no GGUF itself."""

from localtune.nothing_fetched import keep_from_fetching

keep_from_fetching()
