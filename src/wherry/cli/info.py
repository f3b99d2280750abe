"""wherry info."""

from __future__ import annotations

from wherry.cli.flags import Flag, Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from wherry.cli.flags import Args
    from wherry.cli.render import Output
    from wherry.engine import Engine
    from wherry.engine.facts import Survey

VERB = Verb(
    "[OPTIONS]",
    "Display system-wide information",
    [Flag("format", "Format output: 'json', a Go template, or the default list", short="f", kind="string")],
    examples=("wherry info", "wherry info --format json"),
)


def run(engine: Engine, args: Args, out: Output) -> int:
    """docker info's lines and fields."""
    from wherry.cli import formats
    from wherry.engine.facts import survey
    from wherry.engine.facts_document import info

    found = survey(engine)
    document = info(engine, found)
    if args.text("format"):
        formats.document(out, document, args.text("format"), "system.dockerInfo")
        return 0
    for line in _lines(found, document):
        out.line(line)
    for warning in found.warnings:
        out.error(f"WARNING: {warning}")
    return 0


def _lines(found: Survey, doc: dict[str, Any]) -> list[str]:
    """As docker: what scripts grep for is where they look. Server is this program itself: there is no daemon."""
    client = doc["ClientInfo"]
    lines = ["Client: wherry", f" Version:    {client['Version']}", " Context:    default", " Debug Mode: false", ""]
    lines += ["Server: none, wherry needs no daemon"]
    states = ("Containers", "ContainersRunning", "ContainersPaused", "ContainersStopped")
    for name, key in zip(("Containers", " Running", " Paused", " Stopped"), states, strict=True):
        lines.append(f" {name}: {doc[key]}")
    lines += [
        f" Images: {doc['Images']}",
        f" Server Version: {doc['ServerVersion']}",
        f" Storage Driver: {doc['Driver']}",
    ]
    lines += [f"  {name}: {value}" for name, value in doc["DriverStatus"]]
    lines += [f" Logging Driver: {doc['LoggingDriver']}", f" Cgroup Driver: {doc['CgroupDriver']}"]
    hybrid = " (hybrid)" if found.facts.cgroup == "hybrid" else ""
    lines += [f" Cgroup Version: {doc['CgroupVersion']}{hybrid}", " Plugins:"]
    lines += [f"  {kind}: {' '.join(doc['Plugins'][kind])}" for kind in ("Volume", "Network", "Log")]
    lines += [" CDI spec directories:", *(f"  {one}" for one in found.cdi_folders)] if found.cdi_folders else []
    lines += [" Discovered Devices:", *(f"  cdi: {one}" for one in found.devices)] if found.devices else []
    lines += [" Swarm: inactive", f" Runtimes: {' '.join(doc['Runtimes'])}"]
    lines += [f" Default Runtime: {doc['DefaultRuntime'] or 'none found'}", f" Init Binary: {doc['InitBinary']}"]
    lines += [f" {name} version: {version}" for name, version in found.runtimes.items()]
    lines.append(" Security Options:")
    for option in doc["SecurityOptions"]:
        name, _, profile = option.removeprefix("name=").partition(",profile=")
        lines += [f"  {name}", *([f"   Profile: {profile}"] if profile else [])]
    return lines + _machine(doc)


def _machine(doc: dict[str, Any]) -> list[str]:
    rows = [
        ("Kernel Version", doc["KernelVersion"]),
        ("Operating System", doc["OperatingSystem"]),
        ("OSType", doc["OSType"]),
        ("Architecture", doc["Architecture"]),
        ("CPUs", doc["NCPU"]),
        ("Total Memory", f"{doc['MemTotal'] / (1 << 30):.4g}GiB"),
        ("Name", doc["Name"]),
        ("ID", doc["ID"]),
        ("Docker Root Dir", doc["DockerRootDir"]),
        ("Debug Mode", "false"),
        *((name, doc[key]) for name, key in (("HTTP Proxy", "HttpProxy"), ("HTTPS Proxy", "HttpsProxy"),
                                             ("No Proxy", "NoProxy")) if doc[key]),
        ("Experimental", "false"),
        ("Live Restore Enabled", "false"),
    ]  # fmt: skip
    lines = [f" {name}: {value}" for name, value in rows]
    insecure = [" Insecure Registries:", *(f"  {one}" for one in doc["RegistryConfig"]["InsecureRegistryCIDRs"])]
    return [*lines[:-1], *insecure, lines[-1]]
