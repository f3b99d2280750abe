"""One function for each instruction: what it does to the stage's image configuration, and the vertex it adds."""

from __future__ import annotations

import posixpath
from collections.abc import Callable
from typing import Any

from wherry.build import copyplan, history, runplan
from wherry.build.graph import Workdir as WorkdirOp
from wherry.build.stage import StageState
from wherry.dockerfile import instructions as ins
from wherry.oci.config import History

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wherry.build.plan import Planner

__all__ = ["dispatch", "is_step"]


def is_step(instruction: object) -> bool:
    """Whether it is counted among the steps that are shown."""
    return isinstance(instruction, ins.Run | ins.Copy | ins.Add | ins.Workdir)


def dispatch(planner: Planner, state: StageState, instruction: ins.Instruction) -> None:
    """Raises: DockerfileError."""
    _HANDLERS[type(instruction)](planner, state, instruction)


def record(planner: Planner, state: StageState, text: str, *, layer: bool = False) -> None:
    created = history.rfc3339(planner.options.created_ns)
    state.history.append(History(text, created, history.COMMENT, not layer))


def shown(planner: Planner, state: StageState, text: str) -> str:
    """The step's name: variables that are set are put in, as BuildKit shows it."""
    from wherry.errors import DockerfileError

    state.index += 1
    lex = planner.lex._replace(keeps_quotes=True, skips_unset=True)
    first = text.partition("\n")[0]
    try:
        first = lex.process(first, state.env)
    except DockerfileError:
        pass  # a quote that only the shell of the step understands
    return state.prefix() + first


def _run(planner: Planner, state: StageState, one: ins.Run) -> None:
    one = one.expand(planner.lex, state.env)
    name = shown(planner, state, one.text)
    op, inputs = runplan.operation(planner, state, one)
    state.vertex = planner.add(op, state.vertex, inputs, name, state, one.span)
    argv = runplan.history_argv(state, one)
    args = [(key, state.env.get(key, value)) for key, value in state.args.items()]
    record(planner, state, history.run(argv, args), layer=True)


def _copy(planner: Planner, state: StageState, one: ins.Copy | ins.Add) -> None:
    one = one.expand(planner.lex, state.env)
    name = shown(planner, state, one.text)
    op = copyplan.operation(one, state.workdir)
    inputs: tuple[int, ...] = ()
    if isinstance(one, ins.Copy) and one.from_stage:
        inputs = (planner.input(one.from_stage, state, one.span),)
    elif op.sources:
        planner.uses_context = True
    state.vertex = planner.add(op, state.vertex, inputs, name, state, one.span)
    record(planner, state, history.copied(one), layer=True)


def _workdir(planner: Planner, state: StageState, one: ins.Workdir) -> None:
    one = one.expand(planner.lex, state.env)
    path = posixpath.normpath("/" + posixpath.join(state.workdir, one.path).lstrip("/"))
    state.config = state.config._replace(working_dir=path)
    name = shown(planner, state, one.text)
    if path != "/":
        op = WorkdirOp(path, state.config.user)
        state.vertex = planner.add(op, state.vertex, (), name, state, one.span)
    record(planner, state, f"WORKDIR {path}", layer=path != "/")


def _env(planner: Planner, state: StageState, one: ins.Env) -> None:
    one = one.expand(planner.lex, state.env)
    for key, value in one.pairs:
        state.set_env(key, value)
    record(planner, state, "ENV " + " ".join(f"{key}={value}" for key, value in one.pairs))


def _arg(planner: Planner, state: StageState, one: ins.Arg) -> None:
    texts = []
    for pair in one.pairs:
        planner.consumed.add(pair.name)
        given = planner.options.build_args.get(pair.name)
        default = pair.default
        if given is None and default is not None:
            default = one.expand_one(pair, planner.lex, state.env).default
        texts.append(pair.name if default is None else f"{pair.name}={default}")
        value = given if given is not None else default
        if value is None:
            value = planner.global_env.get(pair.name)
        state.args[pair.name] = value or ""
        # Differs from docker: an ARG behind an ENV of the same name does not win over it; the documentation says so,
        # and BuildKit does not do it
        if value is not None and not _has_env(state, pair.name):
            state.env[pair.name] = value
    record(planner, state, "ARG " + " ".join(texts))


def _has_env(state: StageState, name: str) -> bool:
    return any(word.startswith(f"{name}=") for word in state.config.env)


def _label(planner: Planner, state: StageState, one: ins.Label) -> None:
    one = one.expand(planner.lex, state.env)
    state.config = state.config._replace(labels={**state.config.labels, **dict(one.pairs)})
    record(planner, state, "LABEL " + " ".join(f"{key}={value}" for key, value in one.pairs))


def _user(planner: Planner, state: StageState, one: ins.User) -> None:
    user = one.expand(planner.lex, state.env).user
    state.config = state.config._replace(user=user)
    record(planner, state, f"USER {user}")


def _expose(planner: Planner, state: StageState, one: ins.Expose) -> None:
    ports = one.expand(planner.lex, state.env).ports
    state.config = state.config._replace(exposed_ports=tuple(sorted({*state.config.exposed_ports, *ports})))
    record(planner, state, "EXPOSE map[" + " ".join(f"{port}:{{}}" for port in sorted(ports)) + "]")


def _volume(planner: Planner, state: StageState, one: ins.Volume) -> None:
    paths = one.expand(planner.lex, state.env).paths
    for path in paths:
        if not path:
            raise one.span.error("VOLUME specified can not be an empty string")
    state.config = state.config._replace(volumes=tuple(sorted({*state.config.volumes, *paths})))
    record(planner, state, f"VOLUME [{' '.join(paths)}]")


def _cmd(planner: Planner, state: StageState, one: ins.Cmd) -> None:
    argv = runplan.with_shell(state, one.command)
    state.config = state.config._replace(cmd=argv, args_escaped=True)
    state.has_own_cmd = True
    record(planner, state, history.command("CMD", argv))


def _entrypoint(planner: Planner, state: StageState, one: ins.Entrypoint) -> None:
    argv = runplan.with_shell(state, one.command)
    # The command of the base image was meant for the base image's entrypoint
    cmd = state.config.cmd if state.has_own_cmd else None
    state.config = state.config._replace(entrypoint=argv, cmd=cmd)
    record(planner, state, history.command("ENTRYPOINT", argv))


def _shell(planner: Planner, state: StageState, one: ins.Shell) -> None:
    state.config = state.config._replace(shell=tuple(one.args))
    record(planner, state, f"SHELL [{' '.join(one.args)}]")


def _stop_signal(planner: Planner, state: StageState, one: ins.StopSignal) -> None:
    signal = one.expand(planner.lex, state.env).signal
    state.config = state.config._replace(stop_signal=signal)
    record(planner, state, f"STOPSIGNAL {signal}")


def _healthcheck(planner: Planner, state: StageState, one: ins.Healthcheck) -> None:
    state.config = state.config._replace(healthcheck=one.health)
    record(planner, state, history.healthcheck(one.health))


def _maintainer(planner: Planner, state: StageState, one: ins.Maintainer) -> None:
    state.author = one.name
    record(planner, state, f"MAINTAINER {one.name}")


def _on_build(planner: Planner, state: StageState, one: ins.OnBuild) -> None:
    del planner  # docker writes no history for it
    state.config = state.config._replace(on_build=(*state.config.on_build, one.trigger))


_HANDLERS: dict[type, Callable[[Planner, StageState, Any], None]] = {
    ins.Run: _run, ins.Copy: _copy, ins.Add: _copy, ins.Workdir: _workdir, ins.Env: _env, ins.Arg: _arg,
    ins.Label: _label, ins.User: _user, ins.Expose: _expose, ins.Volume: _volume, ins.Cmd: _cmd,
    ins.Entrypoint: _entrypoint, ins.Shell: _shell, ins.StopSignal: _stop_signal, ins.Healthcheck: _healthcheck,
    ins.Maintainer: _maintainer, ins.OnBuild: _on_build,
}  # fmt: skip
