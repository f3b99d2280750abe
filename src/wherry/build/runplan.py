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
    mounts = tuple(_mount(planner, state, one.span, mount, inputs) for mount in one.mounts)
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


def _mount(planner: Planner, state: StageState, span: Span, mount: Mount, inputs: list[int]) -> RunMount:
    place = span.at(f"type={mount.type}")
    if mount.type in ("secret", "ssh"):
        raise place.error(f"RUN --mount=type={mount.type} is not supported yet")
    if not mount.target:
        raise place.error("a mount needs a target", hint="add target=/path")
    target = posixpath.normpath(posixpath.join(state.workdir, mount.target))
    if mount.type == "tmpfs":
        return RunMount("tmpfs", target, readonly=False, size=mount.size_bytes)
    if mount.type == "cache" and mount.from_stage:
        raise place.error("a cache mount that starts from a stage (from=) is not supported yet")
    source = "/" + posixpath.normpath("/" + mount.source).lstrip("/")
    if mount.type == "cache":
        return RunMount(
            "cache", target, source="/", cache_id=mount.id or target, sharing=mount.sharing or "shared",
            readonly=mount.read_only, mode=0o755 if mount.mode is None else mount.mode,
            uid=mount.uid or 0, gid=mount.gid or 0,
        )  # fmt: skip
    if not mount.from_stage:
        planner.uses_context = True
        return RunMount("bind", target, source, None, readonly=mount.read_only)
    inputs.append(planner.input(mount.from_stage, state, span))
    return RunMount("bind", target, source, len(inputs) - 1, readonly=mount.read_only)
