"""Text to Dockerfile: stages, and what only shows when they are seen together. All faults are reported at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from wherry.dockerfile.decode import NAMES, decode
from wherry.dockerfile.instructions import Arg, Copy, From, Instruction, Run
from wherry.dockerfile.parser import MOST_FAULTS, Node, parse_nodes
from wherry.dockerfile.span import Span, printable
from wherry.dockerfile.stages import Dockerfile, Stage
from wherry.errors import DockerfileError, nearest

__all__ = ["parse", "parse_trigger"]

_MOST_SHOWN = 20
_RESERVED = ("scratch", "context")


def parse(data: bytes, name: str = "Dockerfile") -> Dockerfile:
    """The whole file, checked.

    Raises: DockerfileError with every fault of the file (the first hundred): `.source` is their excerpts, `.faults` one
    error for each.
    """
    parsed = parse_nodes(data, name)
    faults = list(parsed.faults)
    warnings = list(parsed.warnings)
    instructions = []
    from_is_lost = False  # then what hangs on the stages is not their author's fault
    for node in parsed.nodes:
        if len(faults) >= MOST_FAULTS:
            break
        try:
            instructions.append(decode(node))
        except DockerfileError as fault:
            faults.append(fault)
            from_is_lost |= node.name == "from" or nearest(node.keyword.upper(), NAMES) == "FROM"
        warnings += _almost_json(node)
    global_args, stages = _stages(instructions, [] if from_is_lost else faults)
    if not parsed.nodes and not faults:
        faults.append(DockerfileError("file with no instructions", where=name, hint="it begins with FROM IMAGE"))
    elif not stages and not faults:
        last = parsed.nodes[-1].span
        faults.append(last.error("dockerfile contains no stages to build", hint="there is no FROM"))
    result = Dockerfile(parsed.source, parsed.escape, parsed.directives, global_args, stages)
    if not from_is_lost:
        _check_stages(result, faults, warnings)
    if faults:
        raise _together(faults, name)
    return result._replace(warnings=tuple(sorted(warnings, key=_line)))


def parse_trigger(text: str, name: str = "ONBUILD") -> Instruction:
    """The instruction that an image's OnBuild text holds. `name` stands in messages. Raises: DockerfileError."""
    parsed = parse_nodes(text.encode(errors="replace"), name)
    if parsed.faults:
        raise _together(list(parsed.faults), name)
    if len(parsed.nodes) != 1:
        raise DockerfileError(f"an ONBUILD trigger is one instruction, not {len(parsed.nodes)}: {text!r}", where=name)
    node = parsed.nodes[0]
    if node.name in {"from", "maintainer", "onbuild"}:
        raise node.span.error(f"{node.name.upper()} isn't allowed as an ONBUILD trigger")
    instruction = decode(node)
    assert not isinstance(instruction, From)
    return instruction


def _almost_json(node: Node) -> list[str]:
    """CMD ['a'] is run by the shell, which nobody means."""
    node = node.child or node
    if node.name not in {"cmd", "entrypoint"} or node.is_json or not node.args:
        return []
    text = node.args[0]
    if not (text.startswith("[") and text.endswith("]") and ("'" in text or '"' in text)):
        return []
    return [f"{node.span.where}: {printable(text)} is not valid JSON, so the shell will run it: use double quotes"]


def _stages(
    instructions: Iterable[Instruction | From], faults: list[DockerfileError]
) -> tuple[tuple[Arg, ...], tuple[Stage, ...]]:
    """Global ARGs, and the instructions under their FROM. Those before the first FROM are faults; the first is told."""
    global_args: list[Arg] = []
    origins: list[From] = []
    bodies: list[list[Instruction]] = []
    astray: Instruction | None = None
    for one in instructions:
        if isinstance(one, From):
            origins.append(one)
            bodies.append([])
        elif bodies:
            bodies[-1].append(one)
        elif isinstance(one, Arg):
            global_args.append(one)
        else:
            astray = astray or one
    if astray:
        word = astray.text.split(maxsplit=1)[0].upper()
        faults.append(
            astray.span.error(
                f"no build stage in current context: {word} stands before the first FROM",
                hint="a Dockerfile begins with FROM IMAGE; only ARG may stand before it",
            )
        )
    stages = [
        Stage(number, origin, tuple(body)) for number, (origin, body) in enumerate(zip(origins, bodies, strict=True))
    ]
    return tuple(global_args), tuple(stages)


def _check_stages(file: Dockerfile, faults: list[DockerfileError], warnings: list[str]) -> None:
    """What stages need of each other. By tables, not Dockerfile.stage: a file may have thousands of stages."""
    earlier: dict[str, int] = {}
    last = {stage.name: stage.number for stage in file.stages if stage.name}
    needs: list[list[tuple[int, Span]]] = []
    guessed: set[str] = set()
    for stage in file.stages:
        edges = []
        if (base := earlier.get(stage.image.lower())) is not None:
            edges.append((base, stage.span))
        for name, span in _references(stage.instructions):
            target = _target(file, last, name)
            if target is not None and target < len(file.stages):
                edges.append((target, span))
            elif target is not None:
                most = len(file.stages) - 1
                faults.append(
                    span.error(f"invalid stage index {name}", hint=f"the stages of this file are 0 to {most}")
                )
            elif name not in guessed:
                guessed.add(name)
                warnings += _near_stage(file, name, span)
            if len(faults) >= MOST_FAULTS:
                return
        needs.append(edges)
        warnings += _odd_name(file, stage, earlier)
        if stage.name:
            earlier[stage.name] = stage.number
    _check_cycles(file.stages, needs, faults)


def _odd_name(file: Dockerfile, stage: Stage, earlier: Mapping[str, int]) -> list[str]:
    if stage.name in _RESERVED:
        return [f"{stage.span.where}: the stage name {stage.name} is reserved"]
    if stage.name in earlier:
        line = file.stages[earlier[stage.name]].span.first
        return [f"{stage.span.where}: the stage name {stage.name} was used before, at line {line}"]
    return []


def _target(file: Dockerfile, last: Mapping[str, int], name: str) -> int | None:
    """The number that --from means, which may be too high; None for an image."""
    if name.isascii() and name.isdecimal():
        return int(name) if len(name) < 9 else len(file.stages)
    return last.get(name.lower())


def _near_stage(file: Dockerfile, name: str, span: Span) -> list[str]:
    if any(char in name for char in "/:.@") or not (close := file.nearest_stage(name)):
        return []
    return [f"{span.where}: no stage is named {printable(name)}: taken for an image (did you mean {close}?)"]


def _references(instructions: Iterable[Instruction]) -> Iterable[tuple[str, Span]]:
    """What --from names. ONBUILD's belong to the build that triggers them."""
    for one in instructions:
        if isinstance(one, Copy) and one.from_stage:
            yield one.from_stage, one.span.at(f"--from={one.from_stage}")
        elif isinstance(one, Run):
            for mount in one.mounts:
                if mount.from_stage:
                    yield mount.from_stage, one.span.at(f"from={mount.from_stage}")


def _check_cycles(
    stages: Sequence[Stage], needs: Sequence[Sequence[tuple[int, Span]]], faults: list[DockerfileError]
) -> None:
    """Depth first, without recursion: a file may have thousands of stages."""
    state = [0] * len(stages)  # 0 new, 1 on the path, 2 done
    for root in range(len(stages)):
        path: list[int] = []
        stack = [(root, iter(needs[root]))] if not state[root] else []
        while stack and len(faults) < MOST_FAULTS:
            number, edges = stack[-1]
            if not state[number]:
                state[number] = 1
                path.append(number)
            step = next(((to, span) for to, span in edges if state[to] != 2), None)
            if step is None:
                state[number] = 2
                path.pop()
                stack.pop()
            elif state[step[0]] == 1:
                ring = [*path[path.index(step[0]) :], step[0]]
                names = " → ".join(str(stages[one]) for one in ring)
                faults.append(
                    step[1].error(f"circular dependency detected on stage: {stages[step[0]]}", hint=f"{names}")
                )
            else:
                stack.append((step[0], iter(needs[step[0]])))


def _line(told: str) -> int:
    """Of "Dockerfile:3: what"."""
    number = told.partition(": ")[0].rpartition(":")[2]
    return int(number) if number.isdecimal() else 0


def _together(faults: list[DockerfileError], name: str) -> DockerfileError:
    """One error for all of them, in the order of the file."""
    if len(faults) == 1:
        return faults[0]
    faults.sort(key=lambda fault: _line(f"{fault.where}: "))
    shown = []
    for fault in faults[:_MOST_SHOWN]:
        shown.append(f"{fault.where}: {fault.message}")
        shown.append(fault.source.partition("\n")[2])  # without the place again
        shown += [f"hint: {fault.hint}", ""] if fault.hint else [""]
    if len(faults) > _MOST_SHOWN:
        shown.append(f"and {len(faults) - _MOST_SHOWN} more")
    return DockerfileError(
        f"{len(faults)} faults" + (" or more" if len(faults) >= MOST_FAULTS else ""),
        where=name,
        source="\n".join(shown).rstrip(),
        faults=tuple(faults),
    )
