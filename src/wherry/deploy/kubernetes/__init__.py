"""Kubernetes: a Deployment with what belongs to it, as documents. `documents` and `validate` are pure."""
