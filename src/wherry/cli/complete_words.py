"""What could stand at the end of a command line: flags, commands, fixed words, or names of a kind. Pure."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import NamedTuple

    from wherry.cli.flags import Flag, Verb
else:
    from wherry.lean import NamedTuple

__all__ = ["ARGUMENTS", "FLAG_VALUES", "Wanted", "argument", "flag_value", "position"]


class Wanted(NamedTuple):
    """`kind` is "words", "flags", "files", "nothing", or what names are of: "container", "running", "paused",
    "stopped", "image", "volume", "network", "service", "training run". `prefix` stands before each candidate in the
    same word ("--network=").
    """

    kind: str
    words: tuple[str, ...] = ()
    prefix: str = ""


NOTHING, FILES = Wanted("nothing"), Wanted("files")

# What the arguments of a command are; the last one stands for all that follow
ARGUMENTS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("attach", "kill", "pause", "stats", "stop"), ("running",)),
    **dict.fromkeys(
        ("container inspect", "diff", "export", "restart", "rm", "update", "wait"), ("container",)),
    **dict.fromkeys(("logs", "port", "rename"), ("container", "nothing")),
    **dict.fromkeys(
        ("history", "image diff", "image inspect", "image sbom", "image sign", "image tree", "image verify", "images",
         "bundle create", "push", "rmi", "save", "tag"), ("image",)),
    **dict.fromkeys(("create", "image attach", "run"), ("image", "files")),
    **dict.fromkeys(("network inspect", "network rm"), ("network",)),
    **dict.fromkeys(("network connect", "network disconnect"), ("network", "container", "nothing")),
    **dict.fromkeys(("volume inspect", "volume rm", "volume du", "volume export"), ("volume",)),
    **dict.fromkeys(("mlflow export", "runs compare", "runs export", "runs inspect", "runs plot"), ("training run",)),
    "lineage": ("lineage",),
    **dict.fromkeys(("runs promote", "runs rm", "runs show"), ("training run",)),
    "runs push": ("training run", "image"),
    "volume import": ("volume", "files"),
    **dict.fromkeys(("model pack", "model push"), ("files",)),
    **dict.fromkeys(("build", "copy", "init", "lint", "registry serve", "track"), ("files",)),
    **dict.fromkeys(("bundle inspect", "bundle load"), ("files",)),
    **dict.fromkeys(("ci github", "ci gitlab", "ci jenkins"), ("files",)),
    **dict.fromkeys(("record", "verify"), ("image",)),
    **dict.fromkeys(
        ("compose build", "compose config", "compose pull", "compose push", "compose events",
         "compose images", "compose logs", "compose ps", "compose stats", "compose top",
         "compose volumes", "compose watch", "compose create", "compose down", "compose kill", "compose pause",
         "compose restart", "compose rm", "compose scale", "compose start", "compose stop", "compose unpause",
         "compose up", "compose wait"), ("service",)),
    **dict.fromkeys(("compose attach", "compose export", "compose port"), ("service", "nothing")),
    "compose commit": ("service", "image"), "compose cp": ("service:files",),
    **dict.fromkeys(("compose exec", "compose run"), ("service", "files")),
    "commit": ("container", "image"), "completion": ("shell",), "cp": ("container:files",),
    "exec": ("running", "files"), "import": ("files", "image"), "inspect": ("anything",), "start": ("stopped",),
    "top": ("running", "nothing"), "unpause": ("paused",),
}  # fmt: skip

_FIXED: Mapping[str, tuple[str, ...]] = {
    "shell": ("bash", "fish", "zsh"),
    "signal": ("HUP", "INT", "KILL", "QUIT", "TERM", "USR1", "USR2", "STOP", "CONT"),
    "restart": ("always", "no", "on-failure", "unless-stopped"),
    "pull": ("always", "missing", "never"),
    "log-driver": ("journald", "json-file", "local", "none", "syslog"),
    "capability": (
        "ALL", "AUDIT_CONTROL", "BPF", "CHECKPOINT_RESTORE", "DAC_READ_SEARCH", "IPC_LOCK", "IPC_OWNER", "LEASE",
        "LINUX_IMMUTABLE", "MAC_ADMIN", "MAC_OVERRIDE", "MKNOD", "NET_ADMIN", "NET_BIND_SERVICE", "NET_BROADCAST",
        "NET_RAW", "PERFMON", "SYS_ADMIN", "SYS_BOOT", "SYS_CHROOT", "SYSLOG", "SYS_MODULE", "SYS_NICE", "SYS_PACCT",
        "SYS_PTRACE", "SYS_RAWIO", "SYS_RESOURCE", "SYS_TIME", "SYS_TTY_CONFIG", "WAKE_ALARM"),
    "type": ("container", "image", "network", "volume"),
    "progress": ("auto", "plain", "tty"),
    "ansi": ("always", "auto", "never"),
    "format": ("json", "table"),
    "gpus": ("all",),
    "ipc": ("host", "none", "private", "shareable"),
    "host": ("host",),
    "cgroupns": ("host", "private"),
    "attach": ("stderr", "stdin", "stdout"),
}  # fmt: skip

# What a flag's value is, whatever the command
FLAG_VALUES: dict[str, str] = {
    "ansi": "ansi", "project-directory": "files", "build": "files", "data": "files", "image": "image",
    "attach": "attach", "cap-add": "capability", "cap-drop": "capability", "cgroupns": "cgroupns", "cidfile": "files",
    "env-file": "files", "file": "files", "format": "format", "gpus": "gpus", "iidfile": "files", "input": "files",
    "ipc": "ipc", "label-file": "files", "log-driver": "log-driver", "net": "network", "network": "network",
    "output": "files", "pid": "host", "progress": "progress", "pull": "pull", "restart": "restart", "root": "files",
    "signal": "signal", "since": "files", "stop-signal": "signal", "type": "type", "userns": "host", "uts": "host",
    "volumes-from": "container", "link": "container", "volume": "files", "workdir": "nothing",
}  # fmt: skip


def position(verb: Verb, words: Sequence[str]) -> tuple[list[str], Flag | None, bool]:
    """(the arguments so far, the flag whose value comes next, whether flags may still come) behind `words`."""
    by_name = {flag.name: flag for flag in verb.flags}
    by_short = {flag.short: flag for flag in verb.flags if flag.short}
    arguments: list[str] = []
    pending: Flag | None = None
    open_for_flags = True
    for word in words:
        if pending:
            pending = None
        elif not open_for_flags or word == "-" or not word.startswith("-"):
            arguments.append(word)
            open_for_flags = open_for_flags and verb.interspersed
        elif word == "--":
            open_for_flags = False
        elif word.startswith("--"):
            flag = by_name.get(word[2:])
            pending = flag if flag and flag.kind not in {"bool", "optional"} else None
        else:
            flag = by_short.get(word[-1])
            pending = flag if flag and flag.kind not in {"bool", "optional"} else None
    return arguments, pending, open_for_flags


def flag_value(verb: Verb, flag: Flag, prefix: str = "") -> Wanted:
    """What the flag takes."""
    kind = FLAG_VALUES.get(flag.name, "nothing")
    if flag.name == "pull" and flag.kind == "bool":
        kind = "nothing"
    return _wanted(kind, prefix)


def argument(name: str, arguments: Sequence[str]) -> Wanted:
    """What the next argument of the command is, behind these."""
    kinds = ARGUMENTS.get(name, ("nothing",))
    return _wanted(kinds[min(len(arguments), len(kinds) - 1)], "")


def _wanted(kind: str, prefix: str) -> Wanted:
    if kind in _FIXED:
        return Wanted("words", _FIXED[kind], prefix)
    return Wanted(kind, (), prefix)
