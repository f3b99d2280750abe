"""wherry version."""

from __future__ import annotations

import sys

from wherry._version import __version__
from wherry.cli.flags import Flag, Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wherry.cli.flags import Args
    from wherry.cli.render import Output
    from wherry.engine import Engine

VERB = Verb(
    "[OPTIONS]",
    "Show the wherry version information",
    [Flag("format", "Format output: 'json', or the default table", short="f", kind="string")],
)


def run(engine: Engine, args: Args, out: Output) -> int:
    """Prints what a bug report needs."""
    facts = engine.facts()
    python = ".".join(str(part) for part in sys.version_info[:3])
    rows = {
        "Version": __version__,
        "Python": python,
        "Kernel": facts.kernel,
        "OS/Arch": f"linux/{facts.architecture}",
        "Runtime": facts.runtime or "none found",
    }
    if args.text("format") == "json":
        out.json({"Client": rows})
        return 0
    out.line("Client: wherry")
    for key, value in rows.items():
        out.line(f" {key + ':':<12}{value}")
    return 0
