"""A registry: the OCI distribution spec 1.1 over one OCI image layout on disk (docs/registry-server.md)."""
