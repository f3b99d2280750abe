"""RUN → the Run operation, its command line as BuildKit makes it, and its mounts."""

from __future__ import annotations

import posixpath

from wherry.build import history
from wherry.build.graph import Run, RunMount
from wherry.build.stage import PROXIES, StageState
from wherry.dockerfile.instructions import CommandLine
from wherry.dockerfile.instructions import Run as RunInstruction
from wherry.dockerfile.mounts import Mount
from wherry.dockerfile.span import Span

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wherry.build.plan import Planner

__all__ = ["history_argv", "operation", "with_shell"]

_SHELL = ("/bin/sh", "-c")
SCRIPT_FOLDER = "/dev/pipes"


def with_shell(state: StageState, command: CommandLine) -> tuple[str, ...]:
    """argv of RUN, CMD and ENTRYPOINT."""
    if not command.is_shell:
        return tuple(command.args)
    return (*(state.config.shell or _SHELL), command.line)


def history_argv(state: StageState, one: RunInstruction) -> tuple[str, ...]:
    script = one.command.script
    return (f"{SCRIPT_FOLDER}/{script.name}",) if script else with_shell(state, one.command)


def operation(planner: Planner, state: StageState, one: RunInstruction) -> tuple[Run, tuple[int, ...]]:
    """The step and the vertices that its mounts read. `one` is expanded. Raises: DockerfileError."""
    _refuse(planner, state, one)
    inputs: list[int] = []
    mounts = tuple(_mount(planner, state, one, mount, inputs) for mount in one.mounts)
    options = planner.options
    script = one.command.script
    hidden = {k: v for k, v in options.build_args.items() if k in PROXIES and k not in state.env}
    run = Run(
        argv=history_argv(state, one),
        env=history.joined(state.env),
        user=state.config.user,
        workdir=state.workdir,
        network=one.network if one.network not in ("", "default") else options.network,
        hidden_env=history.joined(hidden),
        script=(script.name, script.content.encode("utf-8", "surrogateescape")) if script else None,
        mounts=mounts,
        hosts=options.hosts,
        shm_size=options.shm_size,
        ulimits=options.ulimits,
        base=state.base_id,
    )
    return run, tuple(inputs)


def _refuse(planner: Planner, state: StageState, one: RunInstruction) -> None:
    host = planner.options.host_platform
    if state.platform != host:
        raise one.span.error(
            f"RUN for {state.platform} on a {host} machine is not supported yet",
            hint="build stages with RUN for this machine's platform; COPY works for any",
        )
    if one.security == "insecure":
        raise one.span.at("--security").error("RUN --security=insecure is not supported yet")
    if one.devices:
        raise one.span.at("--device").error("RUN --device is not supported yet")
    if not one.command.args:
        raise one.span.error("RUN needs a command")


def _mount(planner: Planner, state: StageState, one: RunInstruction, mount: Mount, inputs: list[int]) -> RunMount:
    if mount.type == "secret":
        return _secret(state, one, mount)
    if mount.type == "ssh":
        return _ssh(state, one, mount)
    target = _target(state, one, mount, mount.target)
    if mount.type == "tmpfs":
        return RunMount("tmpfs", target, readonly=mount.read_only, size=mount.size_bytes)
    source = "/" + posixpath.normpath("/" + mount.source).lstrip("/")
    if mount.from_stage:
        inputs.append(planner.input(mount.from_stage, state, one.span))
    number = len(inputs) - 1 if mount.from_stage else None
    if mount.type == "cache":
        space = planner.options.build_args.get("BUILDKIT_CACHE_MOUNT_NS", "")
        cache = _cache(one, mount, RunMount("cache", target, source, number, readonly=mount.read_only))
        return cache._replace(id=f"{space}/{cache.id}") if space else cache
    if number is None:
        planner.uses_context = True
    return RunMount("bind", target, source, number, readonly=mount.read_only)


def _cache(one: RunInstruction, mount: Mount, plain: RunMount) -> RunMount:
    """As BuildKit: the id is the target as it is written, and what is taken from somewhere keeps its own owner."""
    if plain.source != "/" and plain.input is None:
        raise _place(one, mount).error(
            f"a cache mount has a source ({mount.source}) and nothing to take it from",
            hint="add from=STAGE, or leave source out",
        )
    is_owned = plain.source == "/" and not (mount.mode is None and mount.uid is None and mount.gid is None)
    plain = plain._replace(id=mount.id or posixpath.normpath(mount.target), sharing=mount.sharing or "shared")
    if not is_owned:
        return plain
    return plain._replace(mode=_or(mount.mode, 0o755), uid=mount.uid or 0, gid=mount.gid or 0, input=None)


def _secret(state: StageState, one: RunInstruction, mount: Mount) -> RunMount:
    name = mount.source or mount.id or posixpath.basename(mount.target)
    target = mount.target
    if not target and mount.env is None:
        target = f"/run/secrets/{posixpath.basename(name)}"
    return RunMount(
        "secret", _target(state, one, mount, target) if target else "", id=name, readonly=True,
        mode=_or(mount.mode, 0o400), uid=mount.uid or 0, gid=mount.gid or 0, env=mount.env or "",
        required=mount.required,
    )  # fmt: skip


def _ssh(state: StageState, one: RunInstruction, mount: Mount) -> RunMount:
    agents = [other for other in one.mounts if other.type == "ssh"]
    number = next(number for number, other in enumerate(agents) if other is mount)
    target = mount.target or f"/run/buildkit/ssh_agent.{number}"
    return RunMount(
        "ssh", _target(state, one, mount, target), id=mount.id or "default", mode=_or(mount.mode, 0o600),
        uid=mount.uid or 0, gid=mount.gid or 0, required=mount.required,
    )  # fmt: skip


def _target(state: StageState, one: RunInstruction, mount: Mount, written: str) -> str:
    """Absolute. Raises: DockerfileError for the root."""
    target = posixpath.normpath("/" + posixpath.join(state.workdir, written).lstrip("/"))
    if target == "/":
        raise _place(one, mount).error('invalid mount target "/"', hint="add target=/path")
    return target


def _place(one: RunInstruction, mount: Mount) -> Span:
    return one.span.at(f"type={mount.type}")


def _or(value: int | None, default: int) -> int:
    return default if value is None else value
