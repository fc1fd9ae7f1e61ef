"""The bases that a build can start from: the catalogue, how one is fetched, `tiny`."""
