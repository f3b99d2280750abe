"""wherry info."""

from __future__ import annotations

from wherry._version import __version__
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
    [Flag("format", "Format output: 'json', or the default list", short="f", kind="string")],
)


def run(engine: Engine, args: Args, out: Output) -> int:
    """docker info's fields, as far as they mean anything without a daemon."""
    from wherry.engine.facts import survey

    found = survey(engine)
    if args.text("format") == "json":
        out.json(_document(found))
        return 0
    _print(found, out)
    for warning in found.warnings:
        out.error(f"WARNING: {warning}")
    return 0


def _security(found: Survey) -> list[str]:
    return [*(["apparmor"] if found.apparmor else []), *(["seccomp"] if found.seccomp else [])]


def _document(found: Survey) -> dict[str, Any]:
    return {
        "Containers": found.running + found.paused + found.stopped,
        "ContainersRunning": found.running,
        "ContainersPaused": found.paused,
        "ContainersStopped": found.stopped,
        "Images": found.images,
        "Driver": "overlayfs",
        "SwapLimit": found.swap_limit,
        "LoggingDriver": "json-file",
        "CgroupDriver": "cgroupfs",
        "CgroupVersion": "2" if found.facts.cgroup == "v2" else "1",
        "KernelVersion": found.facts.kernel,
        "OperatingSystem": found.operating_system,
        "OSType": "linux",
        "Architecture": found.facts.architecture,
        "NCPU": found.cpus,
        "MemTotal": found.memory_bytes,
        "DockerRootDir": found.root,
        "Name": found.hostname,
        "ServerVersion": __version__,
        "Runtimes": {name: {"version": version} for name, version in found.runtimes.items()},
        "DefaultRuntime": found.runtime,
        "SecurityOptions": [f"name={name}" for name in _security(found)],
        "Warnings": list(found.warnings),
    }


def _print(found: Survey, out: Output) -> None:
    rows = [
        ("Version", __version__),
        ("Containers", str(found.running + found.paused + found.stopped)),
        (" Running", str(found.running)),
        (" Paused", str(found.paused)),
        (" Stopped", str(found.stopped)),
        ("Images", str(found.images)),
        ("Storage Driver", "overlayfs"),
        ("Logging Driver", "json-file"),
        ("Cgroup Layout", found.facts.cgroup),
        ("Runtimes", ", ".join(f"{name} {version}" for name, version in found.runtimes.items()) or "none"),
        ("Default Runtime", found.runtime or "none found"),
        ("Security Options", ", ".join(_security(found)) or "none"),
        ("Kernel Version", found.facts.kernel),
        ("Operating System", found.operating_system),
        ("Architecture", found.facts.architecture),
        ("CPUs", str(found.cpus)),
        ("Total Memory", f"{found.memory_bytes / (1 << 30):.2f}GiB"),
        ("Name", found.hostname),
        ("Root Dir", found.root),
    ]
    for name, value in rows:
        out.line(f"{name}: {value}")
