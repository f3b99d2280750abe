"""Registries for tests: Debian's docker-registry as it is, and a small one that plays the quirks of the large ones."""
