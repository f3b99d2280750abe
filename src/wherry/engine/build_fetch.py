"""Contexts that come from elsewhere: a git repository by the host's git, a tar over http by our own transport."""

from __future__ import annotations

import os

from wherry.errors import InputError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from wherry.build.named_context import GitSource
    from wherry.cancel import Cancel
    from wherry.engine import Engine
    from wherry.host import Host
    from wherry.registry.transport_response import Response

__all__ = ["fetch_git", "fetch_tar"]

_PATIENCE_S = 600.0
_PIECE = 1 << 20
# Whatever the repository holds, nothing of it runs here
_SAFE = (
    "-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false", "-c", "protocol.ext.allow=never",
    "-c", "protocol.file.allow=never", "-c", "advice.detachedHead=false", "-c", "init.defaultBranch=main",
)  # fmt: skip


def fetch_git(host: Host, source: GitSource, folder: str, env: Mapping[str, str]) -> str:
    """Check `source` out into the empty `folder`; the path of what was asked for. The user's own git settings and
    keys count. Raises: InputError, HostError (no git, or one that does not end).
    """

    def git(*argv: str) -> bytes:
        return _git(host, source.url, argv, folder, env)

    git("init", "-q")
    wanted = source.ref or "HEAD"
    try:
        git("fetch", "-q", "--depth", "1", "--no-tags", "--", source.url, wanted)
        git("checkout", "-q", "FETCH_HEAD")
    except InputError:
        # Not every server gives a commit by its name, or a part of the history
        git("fetch", "-q", "--tags", "--", source.url, "+refs/heads/*:refs/remotes/origin/*")
        git("checkout", "-q", "--detach", _found(git, wanted, source))
    if source.submodules and os.path.exists(f"{folder}/.gitmodules"):
        git("submodule", "update", "-q", "--init", "--recursive", "--depth", "1")
    if not source.keep_git_dir:
        from wherry.fs.remove import remove_tree

        remove_tree(f"{folder}/.git")
    return _inside(folder, source)


def _found(git: _Git, wanted: str, source: GitSource) -> str:
    for candidate in (wanted, f"origin/{wanted.removeprefix('refs/heads/')}", f"refs/tags/{wanted}"):
        try:
            return git("rev-parse", "--verify", "-q", f"{candidate}^{{commit}}").decode().strip()
        except InputError:
            continue
    raise InputError(f"{source.url} has no {wanted}", hint="give a branch, a tag or a whole commit: URL#REF:FOLDER")


def _git(host: Host, url: str, argv: tuple[str, ...], folder: str, env: Mapping[str, str]) -> bytes:
    from wherry.host import Command

    quiet = {"GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C", "GIT_ASKPASS": "true", "SSH_ASKPASS": "true"}
    kept = {key: value for key, value in env.items() if not key.startswith("GIT_")}
    done = host.run(Command(["git", *_SAFE, "-C", folder, *argv], env={**kept, **quiet}, timeout_s=_PATIENCE_S))
    if done.status:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        raise InputError(f"failed to fetch {url}: {said[-1] if said else f'git ended with {done.status}'}")
    return done.stdout


def _inside(folder: str, source: GitSource) -> str:
    path = os.path.realpath(f"{folder}/{source.subdir}")
    if path != folder and not path.startswith(f"{folder}/"):
        raise InputError(f"{source.subdir} leads out of the repository {source.url}")
    if not os.path.isdir(path):
        raise InputError(f"{source.url} has no folder {source.subdir}")
    return path


def fetch_tar(engine: Engine, text: str, folder: str, cancel: Cancel) -> None:
    """Unpack the tar, compressed or not, at the address `text` into `folder`. Raises: InputError, Unreachable,
    RegistryError, HostileArchive, Cancelled, OSError.
    """
    from wherry.build.stdin import Replay, looks_like_tar
    from wherry.registry.transport import Request
    from wherry.registry.transport_url import Url

    request = Request("GET", Url.parse(text), {"Accept": "*/*"})
    with engine.registries.client.transport.fetch(request, cancel) as response:
        if response.status != 200:
            raise InputError(f"failed to fetch {text}: the answer is {response.status}", hint="see --build-context")
        stream = Replay(_Body(response, cancel))
        if not looks_like_tar(stream):
            raise InputError(
                f"{text} is no tar archive", hint="a context is a folder: give a .tar, .tar.gz or .tar.zst"
            )
        stream.extract(folder)


class _Body:
    def __init__(self, response: Response, cancel: Cancel) -> None:
        self._response, self._cancel = response, cancel

    def read(self, size: int) -> bytes:
        """Up to `size` bytes; b"" at the end."""
        self._cancel.check()
        buffer = memoryview(bytearray(min(size, _PIECE)))
        return bytes(buffer[: self._response.readinto(buffer)])


if TYPE_CHECKING:
    from typing import Protocol

    class _Git(Protocol):
        def __call__(self, *argv: str) -> bytes: ...
