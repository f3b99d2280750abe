"""Azure Container Apps: one app, its image in a registry of Azure's or any other, its secrets in the app's own store.

Pure: `choice`, `names`, `place`, `validate`, `app`, `arm`, `changes`, `look`. With Azure at the border of
`azure.Azure`: `session`, `around`, `destroying`, `logs`; `sdk` is the real border. Read with azure-mgmt-appcontainers
5.1 (API 2026-07-01).
"""

from wherry.deploy.aca.target import AcaTarget

__all__ = ["AcaTarget"]
