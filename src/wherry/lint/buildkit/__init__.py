"""BuildKit's checks, by their names."""
