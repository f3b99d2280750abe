"""CI files: lint, build with a cache that travels, verify, push by digest, deploy with approval. Pure: text out."""
