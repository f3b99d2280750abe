"""Kubernetes: a Deployment with what belongs to it. `documents`, `validate`, `planning` and `rollout` are pure."""

from __future__ import annotations

from wherry.deploy.kubernetes.target import KubernetesTarget

__all__ = ["KubernetesTarget"]
