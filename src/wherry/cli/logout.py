"""wherry logout."""

from __future__ import annotations

from wherry.cli.flags import Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wherry.cli.flags import Args
    from wherry.cli.render import Output
    from wherry.engine import Engine

VERB = Verb(
    "[SERVER]",
    "Log out from a registry",
    most=1,
    examples=["wherry logout", "wherry logout ghcr.io"],
)


def run(engine: Engine, args: Args, out: Output) -> int:
    """docker's line; exit code 0 also for a registry that nobody was logged in to.

    Differs from docker: every spelling of the registry is taken out of config.json (https://HOST/v1/ too), and podman's
    files that still know it are named.
    """
    from wherry.cli.login import server
    from wherry.errors import HostError
    from wherry.registry.credentials import HUB_KEY

    host = server(args.rest[0] if args.rest else "")
    out.line(f"Removing login credentials for {HUB_KEY if host == 'docker.io' else host}")
    try:
        elsewhere = engine.registries.credentials.logout(host)
    except HostError as fault:
        out.error(f"WARNING: could not erase credentials:\n{host}: {fault}")
        return 0
    for path in elsewhere:
        out.error(f"WARNING: {path} still holds credentials for {host}: podman logout {host} removes them")
    return 0
