"""Google Cloud Run: one service, its image in Artifact Registry, its secrets in Secret Manager.

Pure: `choice`, `validate`, `service`, `knative`, `changes`. With Google at the border of `gcp.Gcp`: `session`; `sdk` is
the real border. Read with google-cloud-run 0.16 and the v2 API.
"""

from wherry.deploy.cloudrun.target import CloudRunTarget

__all__ = ["CloudRunTarget"]
