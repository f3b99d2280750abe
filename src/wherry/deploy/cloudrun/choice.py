"""The target's own options, parsed."""

from __future__ import annotations

from dataclasses import dataclass

from wherry.deploy.target import Chosen

__all__ = ["Choice"]


@dataclass(frozen=True, slots=True)
class Choice:
    """Empty strings stand for what was not given. `is_private`: only who may invoke it by IAM gets an answer."""

    project: str = ""
    region: str = ""
    repository: str = ""
    service_account: str = ""
    timeout_s: int = 300
    is_private: bool = False
    is_internal: bool = False
    keeps_cpu: bool = False

    @classmethod
    def parse(cls, options: Chosen) -> Choice:
        timeout = options.number("request-timeout")
        return cls(
            options.text("project"), options.text("region"), options.text("repository"),
            options.text("service-account"), 300 if timeout is None else timeout, options.on("private"),
            options.on("internal"), options.on("cpu-always"),
        )  # fmt: skip
