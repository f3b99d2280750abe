"""The checker of the build cache: random builds with it and without (docs/dev/soundness.md)."""
