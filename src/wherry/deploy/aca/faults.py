"""Azure's exceptions, as ours: one clear line, and what to do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from wherry.errors import DeployError, NotSignedIn, Unreachable

__all__ = ["SIGN_IN", "mapped", "refusal"]

SIGN_IN = "az login, or AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET of a service principal"
_HINTS = {
    400: "",
    403: "ask for Contributor on the resource group, and Role Based Access Control Administrator to let the app pull "
         "(or give --identity, of one that may)",
    404: "check --subscription and --resource-group",
    429: "Azure throttles: wait, and do the same again",
}  # fmt: skip
_QUOTA = "a quota: https://aka.ms/azurequotas, another --location, or an --environment that is there"


@contextmanager
def mapped(what: str) -> Iterator[None]:
    """Raises: NotSignedIn, DeployError, Unreachable; a ResourceNotFoundError goes on to who knows what it means."""
    import requests
    from azure.core import exceptions

    try:
        yield
    except exceptions.ResourceNotFoundError:
        raise
    except exceptions.ClientAuthenticationError as fault:
        raise NotSignedIn(f"can't {what}: not signed in to Azure: {_first(fault)}", hint=SIGN_IN) from None
    except exceptions.HttpResponseError as fault:
        raise _of_response(what, fault) from None
    except (exceptions.AzureError, requests.exceptions.RequestException) as fault:
        raise Unreachable(f"can't {what}: {_first(fault)}") from None


def _of_response(what: str, fault: Any) -> DeployError:
    error = getattr(fault, "error", None)
    code, message = str(getattr(error, "code", "") or ""), getattr(error, "message", "") or fault
    return refusal(what, int(fault.status_code or 0), code, str(message))


def refusal(what: str, status: int, code: str, message: str) -> DeployError:
    """Of an answer, or of an operation that failed later on (`status` 0)."""
    if status == 401:
        return NotSignedIn(f"can't {what}: {code or 'the login is not taken'}: {_first(message)}", hint=SIGN_IN,
                           status=401, platform_code=code)  # fmt: skip
    hint = _QUOTA if "Quota" in code or code.endswith("Exceeded") else _HINTS.get(status, "")
    return DeployError(f"can't {what}: {_first(message)}", hint=hint or None, status=status, platform_code=code,
                       retryable=status in (429, 503))  # fmt: skip


def _first(fault: object) -> str:
    """The first line: what follows is of the library's own insides."""
    lines = [line.strip() for line in str(fault).strip().splitlines() if line.strip()]
    return (lines or [type(fault).__name__])[0][:400]
