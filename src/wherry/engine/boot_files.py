"""What makes an init system call `boot run` after a reboot: a systemd unit, an OpenRC service, or a line of cron's."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import NamedTuple

from wherry.errors import HostError, InputError, WherryError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from wherry.host import Host

__all__ = ["KINDS", "BootFile", "detect", "installed", "plan", "remove", "write"]

KINDS = ("systemd", "openrc", "cron")
# Not the caller's: a folder of some user's in it would be a way to become root at the next boot
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class BootFile(NamedTuple):
    """One file of an init system's, and what tells that one about it; `argv` of each, run in order."""

    kind: str
    path: str
    text: str
    mode: int
    enable: tuple[tuple[str, ...], ...]
    disable: tuple[tuple[str, ...], ...]
    is_enabled: tuple[str, ...]


def detect(exists: Callable[[str], bool] = os.path.exists) -> str:
    """The init system that runs here. Raises: HostError."""
    for kind, sign in (("systemd", "/run/systemd/system"), ("openrc", "/run/openrc"), ("cron", "/etc/cron.d")):
        if exists(sign):
            return kind
    raise HostError(
        "there is neither systemd, nor OpenRC, nor cron here that could start containers at boot",
        hint="have your init system call `wherry boot run`; wherry boot --print --init cron shows how",
    )


def plan(kind: str, tag: str, command: Sequence[str], root: str) -> BootFile:
    """Pure. `command` is wherry with its global flags; `tag` tells roots apart ("" the default one), `root` is what
    must be mounted first. Raises: InputError."""
    if any(any(ord(letter) < 32 for letter in word) for word in (*command, root)):
        raise InputError("a path with a control character can't stand in a boot file")
    name = f"wherry-{tag}" if tag else "wherry"
    if kind == "systemd":
        return _systemd(name, command, root)
    if kind == "openrc":
        return _openrc(name, command)
    if kind == "cron":
        return _cron(name, command)
    raise InputError(f"unknown init system {kind!r}", hint=f"one of {', '.join(KINDS)}")


_UNIT = """\
# Written by `wherry boot`; `wherry boot remove` takes it away
[Unit]
Description=Containers of wherry that run after a boot
After=local-fs.target network-online.target nss-lookup.target
Wants=network-online.target
RequiresMountsFor={root}

[Service]
Type=oneshot
RemainAfterExit=yes
Environment=PATH={path}
ExecStart={command} boot run
# Not `stop`: what runs at the shutdown runs again after the boot
ExecStop={command} boot stop
# Each container's monitor lives on when this service is done, and sees its container to the end
KillMode=process
TimeoutStartSec=infinity
TimeoutStopSec=5min
TasksMax=infinity

[Install]
WantedBy=multi-user.target
"""


def _systemd(name: str, command: Sequence[str], root: str) -> BootFile:
    text = _UNIT.format(root=_unit_word(root), path=_PATH, command=" ".join(map(_unit_word, command)))
    unit = f"{name}.service"
    return BootFile(
        "systemd", f"/etc/systemd/system/{unit}", text, 0o644,
        enable=(("systemctl", "daemon-reload"), ("systemctl", "enable", "--now", unit)),
        disable=(("systemctl", "disable", unit), ("systemctl", "daemon-reload")),
        is_enabled=("systemctl", "is-enabled", "--quiet", unit),
    )  # fmt: skip


def _unit_word(word: str) -> str:
    """systemd.syntax(7): quoted, and neither a specifier nor a variable."""
    escaped = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return f'"{escaped}"' if set(escaped) & set(" \"'\\;") or not escaped else escaped


_SERVICE = """\
#!/sbin/openrc-run
# Written by `wherry boot`; `wherry boot remove` takes it away

description="Containers of wherry that run after a boot"

depend() {{
	need localmount
	after net firewall cgroups dns
}}

start() {{
	ebegin "Starting containers"
	PATH={path} {command} boot run
	eend $?
}}

stop() {{
	ebegin "Stopping containers"
	PATH={path} {command} boot stop
	eend $?
}}
"""


def _openrc(name: str, command: Sequence[str]) -> BootFile:
    text = _SERVICE.format(path=_PATH, command=" ".join(map(_sh_word, command)))
    return BootFile(
        "openrc", f"/etc/init.d/{name}", text, 0o755,
        enable=(("rc-update", "add", name, "default"),),
        disable=(("rc-update", "del", name, "default"),),
        is_enabled=("test", "-e", f"/etc/runlevels/default/{name}"),
    )  # fmt: skip


def _cron(name: str, command: Sequence[str]) -> BootFile:
    # A percent sign is cron's end of the line, unless a backslash stands before it
    line = " ".join(map(_sh_word, [*command, "boot", "run"])).replace("%", "\\%")
    text = (
        "# Written by `wherry boot`; `wherry boot remove` takes it away\n"
        f"SHELL=/bin/sh\nPATH={_PATH}\n@reboot root {line} 2>&1 | logger -t {name}\n"
    )
    return BootFile("cron", f"/etc/cron.d/{name}", text, 0o644, enable=(), disable=(), is_enabled=("true",))


def _sh_word(word: str) -> str:
    import shlex

    return shlex.quote(word)


def write(host: Host, file: BootFile) -> bool:
    """Write it and tell the init system; False when it was there already, as it should be. Raises: HostError."""
    from wherry.fs.atomic import replace_file

    is_new = installed(file) != file.text
    if is_new:
        try:
            os.makedirs(os.path.dirname(file.path), exist_ok=True)
            replace_file(file.path, file.text.encode(), file.mode)
        except OSError as fault:
            raise HostError(f"cannot write {file.path}: {fault.strerror}", hint="run it with sudo") from None
    for argv in file.enable:
        _tell(host, argv, file)
    return is_new


def _tell(host: Host, argv: Sequence[str], file: BootFile) -> None:
    from wherry.host import Command

    done = host.run(Command(argv, timeout_s=None if "--now" in argv else 60))
    if done.status != 0:
        said = (done.stderr or done.stdout).decode("utf-8", "replace").strip()
        raise HostError(f"{file.path} is written, but {' '.join(argv)} failed: {said}", hint="wherry boot status")


def installed(file: BootFile) -> str | None:
    """The text of the file as it is now; None without one."""
    with suppress(OSError), open(file.path, encoding="utf-8", errors="replace") as found:
        return found.read(1 << 16)
    return None


def is_enabled(host: Host, file: BootFile) -> bool:
    """Whether the init system will call it."""
    from wherry.host import Command

    if installed(file) is None:
        return False
    with suppress(WherryError):
        return host.run(Command(file.is_enabled, timeout_s=60)).status == 0
    return False


def remove(host: Host, file: BootFile) -> bool:
    """Take it away again; containers that run go on. False when there was none. Raises: HostError."""
    from wherry.host import Command

    if installed(file) is None:
        return False
    for argv in file.disable[:1]:
        host.run(Command(argv, timeout_s=60))
    try:
        os.unlink(file.path)
    except FileNotFoundError:
        return False
    except OSError as fault:
        raise HostError(f"cannot remove {file.path}: {fault.strerror}", hint="run it with sudo") from None
    for argv in file.disable[1:]:
        host.run(Command(argv, timeout_s=60))
    return True
