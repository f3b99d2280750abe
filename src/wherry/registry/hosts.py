"""Which host answers for a name: Docker Hub's default, mirrors, locations, insecure and blocked registries.

Pure but for `Hosts.load`: `hosts_files` reads what `hosts_conf`, `hosts_certs` and `hosts_daemon` understand.
"""

from __future__ import annotations

from wherry.errors import RegistryError
from wherry.oci.reference import DEFAULT_REGISTRY, Reference

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import NamedTuple, Self

    from wherry.registry.hosts_certs import Certificates
    from wherry.registry.hosts_conf import Conf, Rule
    from wherry.registry.hosts_daemon import Daemon
else:
    from wherry.lean import NamedTuple

__all__ = ["HUB", "Endpoint", "Hosts", "is_host", "is_loopback", "split_port"]

HUB = "registry-1.docker.io"
"""Where docker.io answers. Its credentials are those of https://index.docker.io/v1/ (`registry.credentials`)."""
_HUB_NAMES = ("docker.io", "index.docker.io", HUB)


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

    def __init__(
        self,
        conf: Conf | None = None,
        daemon: Daemon | None = None,
        certificates: Callable[[Sequence[str]], Certificates] | None = None,
    ) -> None:
        """`certificates` finds those of a host, given the names under which it may have a folder."""
        self._conf, self._daemon, self._certificates = conf, daemon, certificates
        self._known: dict[str, Certificates] = {}

    @classmethod
    def load(cls, env: Mapping[str, str], uid: int, *, etc: str = "/etc") -> Self:
        """Read the files of containers-registries.conf(5) and docker's daemon.json; certs.d when a host needs it.

        Raises: InputError that names the file and the line.
        """
        from wherry.registry import hosts_certs, hosts_files

        folders = hosts_files.certificate_folders(env, etc)
        return cls(
            hosts_files.read_conf(env, etc),
            hosts_files.read_daemon(env, uid, etc),
            lambda names: hosts_certs.find(folders, names, hosts_files.entries),
        )

    def for_pull(self, reference: Reference) -> tuple[Endpoint, ...]:
        """The endpoints in the order to try, mirrors first. Raises: RegistryError when the registry is blocked,
        InputError for half a pair of certificates.

        A short name for which a file has an alias is the alias's name here; it keeps its own in the store.
        """
        reference = self._meant(reference)
        rule = self._rule(reference)
        found = []
        if rule is not None:
            found = [
                self._endpoint(_moved(reference, rule, mirror.location), insecure=mirror.insecure, is_mirror=True)
                for mirror in rule.mirrors
                if mirror.serves(reference)
            ]
        if reference.registry == DEFAULT_REGISTRY and self._daemon is not None:
            for scheme, host in self._daemon.mirrors:
                mirror = self._endpoint((host, reference.repository), insecure=False, is_mirror=True)
                found.append(mirror._replace(scheme=scheme))
        return (*found, self._own(reference, rule))

    def for_push(self, reference: Reference) -> Endpoint:
        """Where the name itself lives. Raises: RegistryError when the registry is blocked, InputError."""
        return self._own(reference, self._rule(reference))

    def for_registry(self, registry: str) -> Endpoint:
        """Of a registry as a whole (login, search, catalog): `registry` is "docker.io", "localhost:5000".

        Raises: InputError.
        """
        rule = self._conf.rule_for(registry) if self._conf is not None else None
        return self._endpoint((registry, ""), insecure=rule is not None and rule.insecure)

    @property
    def credential_helpers(self) -> tuple[str, ...]:
        """Of registries.conf, for `Credentials.load`."""
        return self._conf.credential_helpers if self._conf is not None else ()

    def _meant(self, reference: Reference) -> Reference:
        """With an alias of the files in its place: `fedora` and docker.io/library/fedora are one name, as in docker."""
        if self._conf is None or reference.registry != DEFAULT_REGISTRY:
            return reference
        whole = self._conf.aliases.get(reference.familiar_name)
        if whole is None:
            return reference
        meant = Reference.parse(whole, default_tag="")
        return meant._replace(tag=reference.tag or meant.tag, digest=reference.digest or meant.digest)

    def _rule(self, reference: Reference) -> Rule | None:
        rule = self._conf.rule_for(str(reference)) if self._conf is not None else None
        if rule is not None and rule.blocked:
            raise RegistryError(
                f"{reference.familiar}: registry {rule.prefix} is blocked by {rule.path}",
                hint="remove blocked = true there, or take the image from another registry",
            )
        return rule

    def _own(self, reference: Reference, rule: Rule | None) -> Endpoint:
        if rule is None:
            return self._endpoint((reference.registry, reference.repository), insecure=False)
        return self._endpoint(_moved(reference, rule, rule.location), insecure=rule.insecure)

    def _endpoint(self, place: tuple[str, str], *, insecure: bool, is_mirror: bool = False) -> Endpoint:
        registry, repository = place
        host = HUB if registry in _HUB_NAMES else registry
        insecure = insecure or (self._daemon is not None and self._daemon.is_insecure(host))
        found = self._certificates_of(host)
        return Endpoint(
            host,
            repository,
            verify=not insecure,
            is_mirror=is_mirror,
            ca_files=found.ca_files if found else (),
            client_cert=found.client_cert if found else None,
            fallback_http=insecure or is_loopback(host),
        )

    def _certificates_of(self, host: str) -> Certificates | None:
        if self._certificates is None:
            return None
        if host not in self._known:
            self._known[host] = self._certificates([host, DEFAULT_REGISTRY] if host == HUB else [host])
        return self._known[host]


def _moved(reference: Reference, rule: Rule, location: str) -> tuple[str, str]:
    """(host, repository) with what the rule's prefix covers replaced by `location`."""
    name = f"{reference.registry}/{reference.repository}"
    if location:
        name = location + name[rule.match(name) if rule.match(name) >= 0 else len(name) :]
    host, _, repository = name.partition("/")
    # A location may be "docker.io/user", and official images have their folder there
    if host in _HUB_NAMES and "/" not in repository:
        repository = f"library/{repository}"
    return host, repository


def is_host(text: str) -> bool:
    """Whether it has the form of host[:port]: also the name of a folder, so never "..", never with a slash."""
    letters = "abcdefghijklmnopqrstuvwxyz0123456789"
    return (
        set(text) <= set(letters + "-._:[]")
        and (text[:1] in set(letters) or text.startswith("["))
        and ".." not in text
        and len(text) <= 255 + 6
    )


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
