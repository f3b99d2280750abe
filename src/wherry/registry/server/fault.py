"""What the registry refuses, as the spec says it.

Spec: https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#error-codes
"""

from __future__ import annotations

import json
from collections.abc import Sequence

__all__ = ["Fault", "error_body"]


class Fault(Exception):
    """One answer that is not a success: `code` is one of the spec's, the message may be shown to anybody."""

    def __init__(
        self, status: int, code: str, message: str, *, headers: Sequence[tuple[str, str]] = (), detail: object = None
    ) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message
        self.headers, self.detail = tuple(headers), detail


def error_body(code: str, message: str, detail: object = None) -> bytes:
    error: dict[str, object] = {"code": code, "message": message}
    if detail is not None:
        error["detail"] = detail
    return json.dumps({"errors": [error]}, separators=(",", ":")).encode()
