"""`engine.registries`: the registry client of one command, with the hosts and credentials of its user.

Nothing is read before it is used: a command that asks no registry pays nothing for them.
"""

from __future__ import annotations

from functools import cached_property

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wherry.host import Host
    from wherry.registry.client import Client
    from wherry.registry.credentials import Credentials
    from wherry.registry.hosts import Hosts
    from wherry.settings import Settings

__all__ = ["Registries"]


class Registries:
    """Files are read once, at the first use; connections live until `close` (which `Engine.close` calls)."""

    def __init__(self, settings: Settings, host: Host, notices: list[str] | None = None) -> None:
        """`notices` gets what is wrong with credentials, and does not stop a command."""
        self._settings = settings
        self._host = host
        self._notices = notices

    @cached_property
    def hosts(self) -> Hosts:
        """Raises: InputError for a file that says nonsense."""
        from wherry.registry.hosts import Hosts

        return Hosts.load(self._settings.env, self._settings.uid)

    @cached_property
    def credentials(self) -> Credentials:
        """A file or a helper that can't be read is a notice, and one is anonymous, as with docker.

        Raises: InputError, as `hosts`.
        """
        from wherry.registry.credentials import Credentials

        settings = self._settings
        home = settings.env.get("HOME", "")
        return Credentials.load(
            settings.env, home, host=self._host, uid=settings.uid, helpers=self.hosts.credential_helpers,
            notices=self._notices,
        )  # fmt: skip

    @cached_property
    def client(self) -> Client:
        """Raises: InputError for a proxy's URL that is none."""
        from wherry.registry.client import Client
        from wherry.registry.proxies import Proxies
        from wherry.registry.tls import TlsSettings
        from wherry.registry.transport import Transport

        env = self._settings.env
        return Client(Transport(TlsSettings.from_env(env), Proxies.from_env(env)), self.credentials)

    def close(self) -> None:
        """Idempotent."""
        if "client" in self.__dict__:
            self.client.close()
            del self.__dict__["client"]
