"""Where things are, and what the user chose: frozen, made once at the edge, passed down."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import NamedTuple
else:
    from wherry.lean import NamedTuple

__all__ = ["Paths", "Settings"]


class Paths(NamedTuple):
    """The folders wherry owns. `root` holds what must last; `run` what a reboot may take (sockets, runc state)."""

    root: str
    run: str

    @classmethod
    def for_user(cls, env: Mapping[str, str], uid: int, root: str | None = None) -> Paths:
        """System folders for uid 0, XDG folders for others. `root` (--root, WHERRY_ROOT) moves everything.

        Another root gets its own short `run` folder, since a unix socket's path holds 107 bytes at most.
        """
        if root:
            tag = _tag(root, 10)
            base = "/run" if uid == 0 else env.get("XDG_RUNTIME_DIR") or f"/tmp/wherry-{uid}"
            return cls(root, f"{base}/wherry-{tag}")
        if uid == 0:
            return cls("/var/lib/wherry", "/run/wherry")
        data = env.get("XDG_DATA_HOME") or env.get("HOME", "/") + "/.local/share"
        run = env.get("XDG_RUNTIME_DIR") or f"/tmp/wherry-{uid}"
        return cls(f"{data}/wherry", f"{run}/wherry")

    @property
    def database(self) -> str:
        return f"{self.root}/state.db"

    @property
    def blobs(self) -> str:
        return f"{self.root}/blobs"

    @property
    def layers(self) -> str:
        """One folder per layer, named by the hex of its DiffID, with its tree in `fs`."""
        return f"{self.root}/layers"

    @property
    def containers(self) -> str:
        """One folder per container, named by its whole id."""
        return f"{self.root}/containers"

    @property
    def volumes(self) -> str:
        return f"{self.root}/volumes"

    @property
    def models(self) -> str:
        """One folder per mounted model, named by the hex of its manifest's digest, and what is still on its way."""
        return f"{self.root}/models"

    @property
    def cache(self) -> str:
        """Cache mounts of RUN steps."""
        return f"{self.root}/cache"

    @property
    def events(self) -> str:
        return f"{self.root}/events"

    @property
    def tmp(self) -> str:
        """Work in progress, on the same file system as `root`; each entry belongs to one live process."""
        return f"{self.root}/tmp"

    @property
    def tag(self) -> str:
        """Empty for the default root, else a short hash: names the network objects of this root apart from others'."""
        return "" if self.root == "/var/lib/wherry" else _tag(self.root, 6)


def _tag(text: str, length: int) -> str:
    try:
        # hashlib loads OpenSSL: 4 ms for one short text
        from _sha2 import sha256  # type: ignore[import-not-found,unused-ignore]
    except ImportError:
        from hashlib import sha256

    digest: str = sha256(text.encode()).hexdigest()
    return digest[:length]


class Settings(NamedTuple):
    """`env` is the caller's environment, frozen: what `-e NAME` copies, and where proxies and CAs are named."""

    paths: Paths
    env: Mapping[str, str]
    uid: int
    cwd: str
    jobs: int = 4
    runtime: str = ""
    """Empty tries runc, then crun."""
