"""What one machine can't do, all of it at once. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator

from wherry.deploy.application import Application
from wherry.deploy.compose_ssh.choice import Choice
from wherry.deploy.target import Problem

__all__ = ["notes", "problems"]

_REGISTRY = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?(?::\d{1,5})?(?:/[a-z0-9][a-z0-9._/-]*)?")


def problems(app: Application, choice: Choice) -> list[Problem]:
    """In the order in which one reads the command line."""
    return [*_options(choice), *_scaling(app), *_secrets(app)]


def _options(choice: Choice) -> Iterator[Problem]:
    if not choice.host:
        yield Problem("host", "no machine is named", "--host [USER@]HOST[:PORT], as ssh takes it")
    elif choice.address is None:
        yield Problem("host", f"{choice.host[:80]!r} is no [USER@]HOST[:PORT]", "as --host deploy@gpu1.example.com")
    if choice.engine not in {"", "wherry", "docker"}:
        yield Problem("engine", f"{choice.engine[:40]!r} is neither wherry nor docker")
    if choice.where_published is None:
        yield Problem("publish", f"{choice.publish[:80]!r} is no [IP:]PORT", "as --publish 127.0.0.1:8080")
    if choice.registry and not _REGISTRY.fullmatch(choice.registry):
        yield Problem("registry", f"{choice.registry[:80]!r} is neither HOST nor HOST/PREFIX")


def _scaling(app: Application) -> Iterator[Problem]:
    if app.max_instances > 1:
        yield Problem("max", f"a machine runs one instance, which has the port; not {app.max_instances}",
                      "leave --min and --max out, or deploy to kubernetes")  # fmt: skip
    if app.min_instances == 0:
        yield Problem("min", "a container is not stopped while nobody asks", "--min 1")


def _secrets(app: Application) -> Iterator[Problem]:
    for one in app.secrets:
        if one.kind == "ref" and not re.fullmatch(r"/[^\0\n]+", one.where):
            yield Problem("secret", f"{one.where!r} is no file of that machine",
                          f"{one.name}=ref:/etc/iris.env, an env file there that sets {one.name}")  # fmt: skip


def notes(app: Application, choice: Choice) -> tuple[str, ...]:
    """What is not refused, and is to be known."""
    found = []
    publish = choice.where_published
    if publish is not None and not publish.ip:
        found.append(f"port {publish.port or app.port} answers plain http on all addresses of the machine; "
                     "behind a proxy of its own: --publish 127.0.0.1:PORT")  # fmt: skip
    return tuple(found)
