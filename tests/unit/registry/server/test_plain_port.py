"""What is not HTTP at all, sent to the plain port."""

from __future__ import annotations

import socket
import ssl
from pathlib import Path

import pytest

from tests.unit.registry.server.test_pages import Site


def test_a_tls_client_on_the_plain_port_is_told_at_once(tmp_path: Path) -> None:
    site = Site(tmp_path)
    try:
        context = ssl.create_default_context()
        # Not a timeout, which would be another OSError
        with socket.create_connection(("127.0.0.1", site.server.address[1]), 5) as sock, pytest.raises(ssl.SSLError):
            context.wrap_socket(sock, server_hostname="localhost")
    finally:
        site.close()
