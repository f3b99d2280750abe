"""The target's own options, parsed."""

from __future__ import annotations

from dataclasses import dataclass

from wherry.deploy.target import Chosen

__all__ = ["LOG_DAYS", "Choice"]

LOG_DAYS = (1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653)
"""What CloudWatch Logs can keep: PutRetentionPolicy's list."""


@dataclass(frozen=True, slots=True)
class Choice:
    """Empty strings stand for what was not given."""

    region: str = ""
    profile: str = ""
    vpc: str = ""
    subnets: tuple[str, ...] = ()
    certificate: str = ""
    domain: str = ""
    task_role: str = ""
    log_days: int = 14
    is_express: bool = False
    is_internal: bool = False
    is_private: bool = False
    is_writable: bool = False

    @classmethod
    def parse(cls, options: Chosen) -> Choice:
        days = options.number("log-days")
        return cls(
            options.text("region"), options.text("profile"), options.text("vpc"), options.all("subnet"),
            options.text("certificate"), options.text("domain"), options.text("task-role"),
            14 if days is None else days, options.on("express"), options.on("internal"), options.on("private"),
            options.on("writable"),
        )  # fmt: skip
