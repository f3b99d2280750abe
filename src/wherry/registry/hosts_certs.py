"""certs.d: the certificates to trust and to show, a folder for each host.

Spec: https://github.com/containers/image/blob/v5.34.0/docs/containers-certs.d.5.md
"""

from __future__ import annotations

from wherry.errors import InputError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import NamedTuple
else:
    from wherry.lean import NamedTuple

__all__ = ["Certificates", "find"]


class Certificates(NamedTuple):
    """Paths: *.crt are authorities; *.cert with the *.key of the same name is shown to the host, the first pair."""

    ca_files: tuple[str, ...] = ()
    client_cert: tuple[str, str] | None = None


def find(folders: Sequence[str], hosts: Sequence[str], entries: Callable[[str], Sequence[str] | None]) -> Certificates:
    """The first of FOLDER/HOST that exists counts, alone. `entries` lists a folder; None when it is not there.

    Raises: InputError for half a pair.
    """
    for folder in folders:
        for host in hosts:
            names = entries(f"{folder}/{host}")
            if names is not None:
                return _of(f"{folder}/{host}", sorted(names))
    return Certificates()


def _of(folder: str, names: Sequence[str]) -> Certificates:
    known = set(names)
    pairs = []
    for name in names:
        if name.endswith(".cert"):
            key = name.removesuffix(".cert") + ".key"
            if key not in known:
                raise InputError(f"a client certificate without its key {key}", where=f"{folder}/{name}")
            pairs.append((f"{folder}/{name}", f"{folder}/{key}"))
        elif name.endswith(".key") and name.removesuffix(".key") + ".cert" not in known:
            certificate = name.removesuffix(".key") + ".cert"
            raise InputError(
                f"a key without its client certificate {certificate}",
                where=f"{folder}/{name}",
                hint="certificates to trust end in .crt, those to show in .cert",
            )
    return Certificates(
        tuple(f"{folder}/{name}" for name in names if name.endswith(".crt")), pairs[0] if pairs else None
    )
