"""The options of every stage: declared, read from flags and localtune.toml, checked."""
