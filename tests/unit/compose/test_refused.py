"""Keys that would only seem to work are refused, with the reason."""

from __future__ import annotations

import pytest

from wherry.compose.model import Service
from wherry.compose.model_parts import CredentialSpec
from wherry.compose.run_limits import limits
from wherry.errors import Unsupported


def test_there_is_no_socket_of_an_api_to_give() -> None:
    with pytest.raises(Unsupported, match="use_api_socket: there is no daemon"):
        limits(Service(name="web", use_api_socket=True), [])


def test_credentials_of_windows_are_refused() -> None:
    with pytest.raises(Unsupported, match=r"credential_spec: .* Windows"):
        limits(Service(name="web", credential_spec=CredentialSpec(file="x.json")), [])
