"""wherry version."""

from __future__ import annotations

import sys

from wherry.cli.flags import Flag, Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from wherry.cli.flags import Args
    from wherry.cli.render import Output
    from wherry.engine import Engine

VERB = Verb(
    "[OPTIONS]",
    "Show the wherry version information",
    [Flag("format", "Format output: 'json', a Go template, or the default list", short="f", kind="string")],
    examples=("wherry version", "wherry version --format json"),
)


def run(engine: Engine, args: Args, out: Output) -> int:
    """Prints what a bug report needs, in docker's lines."""
    from wherry.cli import formats
    from wherry.engine.doctor import examine_runtimes
    from wherry.engine.facts_document import version

    facts = engine.facts()
    runtimes = {one.name: one.version for one in examine_runtimes(engine.settings, engine.host) if one.version}
    document = version(facts, runtimes)
    if args.text("format"):
        formats.document(out, document, args.text("format"), "system.versionInfo", name="version")
        return 0
    rows = _rows(document, facts.runtime or "none found")
    for name, value in rows:
        out.line(f"{name + ':':<20}{value}".rstrip() if value is not None else name)
    return 0


def _rows(doc: dict[str, Any], runtime: str) -> list[tuple[str, str | None]]:
    client, server = doc["Client"], doc["Server"]
    python = ".".join(str(part) for part in sys.version_info[:3])
    engine, *others = server["Components"]
    return [
        ("Client: wherry", None),
        (" Version", client["Version"]),
        (" API version", client["ApiVersion"]),
        (" Python version", python),
        (" OS/Arch", f"{client['Os']}/{client['Arch']}"),
        (" Context", client["Context"]),
        ("", None),
        ("Server: none, wherry needs no daemon", None),
        (" Engine", ""),
        ("  Version", engine["Version"]),
        ("  API version", f"{server['ApiVersion']} (minimum version {server['MinAPIVersion']})"),
        ("  Kernel", server["KernelVersion"]),
        ("  OS/Arch", f"{server['Os']}/{server['Arch']}"),
        ("  Runtime", runtime),
        *(row for one in others for row in ((f" {one['Name']}", ""), ("  Version", one["Version"]))),
    ]
