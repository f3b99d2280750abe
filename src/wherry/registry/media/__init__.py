"""What `wherry copy` reads and writes: OCI image layouts, docker's archives, skopeo's folders.

Each medium is an Origin, a Sink or both. A `registry.client.Repository` is used as it is.
"""
