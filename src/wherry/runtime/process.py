"""The `process` object of config.json: arguments, environment, folder, user, capabilities. Pure.

Spec: https://github.com/opencontainers/runtime-spec/blob/v1.2.0/config.md#process
"""

from __future__ import annotations

import posixpath

from wherry.errors import InputError, NotExecutable
from wherry.runtime import caps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any

    from wherry.oci.config import ImageConfig
    from wherry.runtime.machine import Machine
    from wherry.runtime.options import RunOptions
    from wherry.runtime.users import User

__all__ = [
    "DEFAULT_PATH",
    "INIT_PATH",
    "capabilities",
    "command",
    "environment",
    "exec_process",
    "exec_workdir",
    "user_object",
    "workdir",
]

DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
INIT_PATH = "/sbin/docker-init"


def command(config: ImageConfig, options: RunOptions) -> tuple[str, ...]:
    """ENTRYPOINT and CMD of image and options joined as docker does; never empty.

    Another entrypoint than the image's does not get the image's CMD. Raises: InputError ("no command specified").
    """
    cmd = options.command
    if options.entrypoint is not None:
        entrypoint = options.entrypoint
    else:
        entrypoint = config.config.entrypoint or ()
        cmd = cmd or config.config.cmd or ()
    found = (*entrypoint, *cmd)
    if not found:
        raise InputError("no command specified", hint="the image has neither CMD nor ENTRYPOINT: give a command")
    return found


def environment(image: Iterable[str], chosen: Iterable[str], *, hostname: str = "", tty: bool = False) -> list[str]:
    """NAME=VALUE, each name once: docker's own, under the image's, under the user's; a bare NAME takes one out.

    `hostname` "" sets no HOSTNAME. HOME is left to the runtime, as docker does: it takes the home of whoever runs, so
    that an `exec` as somebody else gets that one's.
    """
    merged = {"PATH": DEFAULT_PATH}
    if hostname:
        merged["HOSTNAME"] = hostname
    if tty:
        merged["TERM"] = "xterm"
    for entry in (*image, *chosen):
        name, equals, value = entry.partition("=")
        if equals:
            merged[name] = value
        else:
            merged.pop(name, None)
    return [f"{name}={value}" for name, value in merged.items()]


def exec_workdir(path: str) -> str:
    """`workdir`, for -w of exec. Raises: NotExecutable as docker, InputError."""
    if not path.startswith("/"):
        raise NotExecutable("Cwd must be an absolute path", hint=f"-w was {path}")
    return workdir(path)


def workdir(path: str) -> str:
    """Absolute and clean. Raises: InputError, also for the folders through which a container got at the host's files
    (CVE-2024-21626)."""
    if not path:
        return "/"
    if not path.startswith("/"):
        raise InputError(f"the working directory '{path}' is invalid, it needs to be an absolute path")
    clean = "/" + posixpath.normpath(path).lstrip("/")
    parts = clean.split("/")[1:]
    if parts[:2] == ["dev", "fd"] or (parts[0] == "proc" and parts[2:3] in (["fd"], ["cwd"], ["root"], ["task"])):
        raise InputError(
            f"the working directory '{path}' is refused: it may lead out of the container (CVE-2024-21626)"
        )
    return clean


def user_object(user: User) -> dict[str, Any]:
    return {"uid": user.uid, "gid": user.gid, "additionalGids": list(user.groups)}


def capabilities(granted: Sequence[str], user: User) -> dict[str, list[str]]:
    """`process.capabilities`. Root has what is granted. Another user has nothing at hand, but may gain what is granted
    by a set-uid or a file capability; inheritable and ambient stay empty (CVE-2022-24769, CVE-2022-27649)."""
    held = list(granted)
    if user.uid == 0:
        return {"bounding": held, "effective": held, "permitted": held}
    return {"bounding": held}


def exec_process(
    base: Mapping[str, Any],
    args: Sequence[str],
    *,
    env: Sequence[str] = (),
    user: User | None = None,
    workdir: str = "",
    tty: bool = False,
    privileged: Sequence[str] = (),
) -> dict[str, Any]:
    """The `process` object for `runc exec --process`, from the container's own config.json `base`.

    `user` None keeps the container's; `env` is laid over the container's; `privileged` holds all capabilities of the
    machine for `exec --privileged`. Raises: InputError.
    """
    from wherry.runtime.users import User

    own = base["process"]
    who = own["user"]
    if user is None:
        user = User(who["uid"], who["gid"], tuple(who.get("additionalGids", ())))
    granted = privileged or own["capabilities"]["bounding"]
    process = {
        key: value
        for key, value in own.items()
        if key in {"rlimits", "noNewPrivileges", "apparmorProfile", "selinuxLabel", "oomScoreAdj"}
    }
    if privileged:
        process.pop("apparmorProfile", None)
    process |= {
        "terminal": tty,
        "user": user_object(user),
        "args": list(args),
        "env": environment(own["env"], env, tty=tty),
        "cwd": exec_workdir(workdir) if workdir else own["cwd"],
        "capabilities": capabilities(granted, user),
    }
    return process


def process_object(
    config: ImageConfig, options: RunOptions, user: User, machine: Machine, hostname: str
) -> dict[str, Any]:
    """Without rlimits. Raises: InputError."""
    args = list(command(config, options))
    if options.init:
        args = [INIT_PATH, "--", *args]
    granted = caps.granted(
        options.cap_add, options.cap_drop, privileged=options.privileged, available=machine.capabilities
    )
    process: dict[str, Any] = {
        "terminal": options.tty,
        "user": user_object(user),
        "args": args,
        "env": environment(config.config.env, options.env, hostname=hostname, tty=options.tty),
        "cwd": workdir(options.workdir or config.config.working_dir),
        "capabilities": capabilities(granted, user),
        "noNewPrivileges": options.no_new_privileges,
    }
    # Lowering the score below the caller's own needs CAP_SYS_RESOURCE; without it the caller's is inherited
    if machine.may_raise_limits or options.oom_score_adj > 0:
        process["oomScoreAdj"] = options.oom_score_adj
    if machine.apparmor and options.apparmor and not options.privileged:
        process["apparmorProfile"] = options.apparmor
    return process
