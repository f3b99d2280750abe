"""Which host answers for a name: Docker Hub's default, mirrors, locations, insecure and blocked registries.

Pure: files are parsed by `hosts_conf`, `hosts_certs` and `hosts_daemon`, and read by `Hosts.load` at the edge.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import NamedTuple, Self

    from wherry.oci.reference import Reference
else:
    from wherry.lean import NamedTuple

__all__ = ["HUB", "Endpoint", "Hosts", "is_loopback", "split_port"]

HUB = "registry-1.docker.io"
"""Where docker.io answers. Its credentials are those of https://index.docker.io/v1/ (`registry.credentials`)."""


class Endpoint(NamedTuple):
    """One place that answers for a repository.

    `host` may hold a port ("localhost:5000", "[::1]:5000"); `repository` is the name *there* ("library/python"), which
    a mirror or a rewritten location changes. Credentials are looked up by `host` and `repository`, never by the name
    that the user wrote, so that a mirror gets only its own.
    """

    host: str
    repository: str
    scheme: str = "https"
    """"http" never by itself: only what `fallback_http` led to, or a file asked for (containerd's http:// server)."""
    verify: bool = True
    """False: a file says that certificates are not to be checked (insecure = true)."""
    is_mirror: bool = False
    """Pulls only. On any failure the next endpoint is tried."""
    ca_files: tuple[str, ...] = ()
    """Trusted besides the system's."""
    client_cert: tuple[str, str] | None = None
    """(certificate, key), PEM files."""
    fallback_http: bool = False
    """Try https first, then http, as docker does for loopback and insecure registries."""


class Hosts:
    """Everything the files say of registries; frozen. `Hosts()` knows docker.io and loopback only."""

    @classmethod
    def load(cls, env: Mapping[str, str], uid: int) -> Self:
        """Read the files of containers-registries.conf(5), certs.d and docker's daemon.json.

        Raises: InputError that names the file and the line.
        """
        del env, uid
        return cls()

    def for_pull(self, reference: Reference) -> tuple[Endpoint, ...]:
        """The endpoints in the order to try, mirrors first. Raises: RegistryError when the registry is blocked."""
        return (self.for_push(reference),)

    def for_push(self, reference: Reference) -> Endpoint:
        """Where the name itself lives. Raises: RegistryError when the registry is blocked."""
        host = HUB if reference.registry == "docker.io" else reference.registry
        return Endpoint(host, reference.repository, fallback_http=is_loopback(host))

    def for_registry(self, registry: str) -> Endpoint:
        """Of a registry as a whole (login, search, catalog): `registry` is "docker.io", "localhost:5000"."""
        host = HUB if registry == "docker.io" else registry
        return Endpoint(host, "", fallback_http=is_loopback(host))


def split_port(host: str) -> tuple[str, str]:
    """("::1", "5000") of "[::1]:5000"; the port is "" when there is none."""
    if host.startswith("["):
        name, _, rest = host[1:].partition("]")
        return name, rest.removeprefix(":")
    name, _, port = host.partition(":")
    return name, port


def is_loopback(host: str) -> bool:
    """This machine: localhost, 127.0.0.0/8, [::1]; with or without a port."""
    name, _ = split_port(host)
    if name.lower() == "localhost" or name == "::1":
        return True
    parts = name.split(".")
    return len(parts) == 4 and parts[0] == "127" and all(part.isdecimal() and int(part) < 256 for part in parts)
