"""Google's exceptions, as ours: one clear line, and what to do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from wherry.errors import DeployError, NotSignedIn, Unreachable

__all__ = ["SIGN_IN", "mapped"]

SIGN_IN = "gcloud auth application-default login, or GOOGLE_APPLICATION_CREDENTIALS=FILE of a service account"
_HINTS = {
    403: "ask for the role that the message names, or check --project; an API that is off is turned on by "
         "gcloud services enable run.googleapis.com artifactregistry.googleapis.com secretmanager.googleapis.com",
    404: "check --project and --region",
    429: "a quota: wait, or ask for more at https://console.cloud.google.com/iam-admin/quotas",
}  # fmt: skip


@contextmanager
def mapped(what: str) -> Iterator[None]:
    """Raises: NotSignedIn, DeployError, Unreachable; a NotFound of Google's goes on to who knows what it means."""
    import requests
    from google.api_core import exceptions
    from google.auth import exceptions as auth

    try:
        yield
    except (auth.DefaultCredentialsError, auth.RefreshError, exceptions.Unauthorized) as fault:
        raise NotSignedIn(f"can't {what}: not signed in to Google: {_first(fault)}", hint=SIGN_IN) from None
    except OSError as fault:
        # The file of GOOGLE_APPLICATION_CREDENTIALS; requests' own faults are OSErrors too
        if isinstance(fault, requests.exceptions.RequestException):
            raise Unreachable(f"can't {what}: {_first(fault)}") from None
        raise NotSignedIn(f"can't {what}: {fault.strerror}: {fault.filename}", hint=SIGN_IN) from None
    except (auth.TransportError, requests.exceptions.RequestException) as fault:
        raise Unreachable(f"can't {what}: {_first(fault)}") from None
    except exceptions.RetryError as fault:
        raise _refused(what, fault.cause or fault) from None
    except exceptions.GoogleAPICallError as fault:
        raise _refused(what, fault) from None


def _refused(what: str, fault: Any) -> DeployError:
    status = int(getattr(fault, "code", 0) or 0)
    message = getattr(fault, "message", "") or str(fault)
    return DeployError(f"can't {what}: {_first(message)}", hint=_HINTS.get(status), status=status,
                       platform_code=_word(fault), retryable=status in (429, 503))  # fmt: skip


def _word(fault: Any) -> str:
    return str(getattr(fault, "reason", "") or type(fault).__name__)


def _first(fault: object) -> str:
    """The first line, without what an HTTP library says of its own insides."""
    if isinstance(fault, Exception) and fault.args and isinstance(fault.args[0], str):
        # google.auth's have what they came of as a second one
        fault = fault.args[0]
    lines = str(fault).strip().splitlines() or [type(fault).__name__]
    return lines[0][:400]
