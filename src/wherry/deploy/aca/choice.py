"""The target's own options, parsed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from wherry.deploy.target import Chosen

__all__ = ["Choice"]


@dataclass(frozen=True, slots=True)
class Choice:
    """Empty strings stand for what was not given. `registry` is HOST or HOST/PREFIX. `identity` and `environment` may
    be a name or an id. `profile` is a workload profile of the environment.
    """

    subscription: str = ""
    group: str = ""
    location: str = ""
    environment: str = ""
    registry: str = ""
    identity: str = ""
    profile: str = ""
    is_internal: bool = False
    allows_http: bool = False

    @classmethod
    def parse(cls, options: Chosen) -> Choice:
        return cls(
            options.text("subscription"), options.text("resource-group"), options.text("location"),
            options.text("environment"), options.text("registry"), options.text("identity"),
            options.text("workload-profile"), options.on("internal"), options.on("allow-http"),
        )  # fmt: skip

    def over(self, env: Mapping[str, str]) -> Choice:
        """With az's own defaults for what was not given."""
        return replace(self, group=self.group or env.get("AZURE_DEFAULTS_GROUP", ""),
                       location=self.location or env.get("AZURE_DEFAULTS_LOCATION", ""))  # fmt: skip
