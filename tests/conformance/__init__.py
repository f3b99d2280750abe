"""The distribution spec's checks as tests of our own, run against every registry that is at hand.

Spec: https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md
"""
