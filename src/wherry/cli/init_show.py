"""What `wherry init` says: what it found and why, what is wrong with it, what to type next."""

from __future__ import annotations

from wherry.cli.render import human_size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from wherry.scaffold.facts import Facts, Problem
    from wherry.scaffold.plan import Plan

__all__ = ["differences", "document", "printed", "report", "what_next"]


def report(plan: Plan, unpinned: str) -> list[str]:
    """A line for each thing that was found, then the problems, errors first. `unpinned`: why there is no digest."""
    facts, app = plan.facts, plan.app
    what = f"{app.framework or 'plain Python'} {app.kind}"
    lines = [("app", f"{what}: {f'{app.name} in ' if app.name else ''}{app.where}{_because(app.reasons)}")]
    if plan.start.port:
        why = app.port.why if app.port and app.port.number == plan.start.port else "--port"
        health = f"GET {plan.start.health_path}" if plan.start.health_path else "the port is tried"
        lines += [("port", f"{plan.start.port} ({why})"), ("health", health)]
    python = "--python" if plan.python != facts.python.version else facts.python.why
    lines += [("python", f"{plan.python} ({python})"), ("packages", _packages(facts))]
    if plan.build_packages or plan.run_packages:
        lines.append(("debian", ", ".join([*plan.run_packages, *(f"{one} (to build)" for one in plan.build_packages)])))
    lines += [("weights", f"{one.path} ({human_size(one.size_bytes)}, {one.format})") for one in facts.weights[:5]]
    lines += [("gpu", "NVIDIA, CUDA from the wheels")] * plan.is_gpu
    lines.append(("base", plan.base + (f" (no digest: {unpinned})" if unpinned else "")))
    found = [f"{name + ':':10}{text}" for name, text in lines]
    for problem in sorted(
        [*facts.problems, *plan.notices], key=lambda one: ("error", "warning", "note").index(one.level)
    ):
        found += _problem(problem)
    return found


def _because(reasons: Sequence[str]) -> str:
    return f" ({', '.join(reasons)})" if reasons else ""


def _packages(facts: Facts) -> str:
    packages = facts.packages
    if packages.lock:
        return f"{packages.manager}, locked by {packages.lock.file}"
    return f"{packages.manager}, {packages.manifest.file}" if packages.manifest else "none declared"


def _problem(problem: Problem) -> list[str]:
    where = f"{problem.where}: " if problem.where else ""
    lines = [f"{problem.level}: {where}{problem.text}"]
    return [*lines, f"  hint: {problem.hint}"] if problem.hint else lines


def what_next(plan: Plan, written: Sequence[str], path: str, other_compose: Sequence[str]) -> list[str]:
    name = plan.facts.name
    port = f" -p {plan.start.port}:{plan.start.port}" if plan.start.port else ""
    lines = ["", f"wrote {', '.join(written)}" if written else "the files are there, and as they would be written"]
    if other_compose:
        lines.append(f"no compose.yaml: there is {', '.join(other_compose)}")
    return [*lines, "", "next:", f"  wherry build -t {name} {path}", f"  wherry run --rm{port} {name}"]


def printed(files: Mapping[str, str]) -> str:
    """The files one behind the other, each under its name."""
    return "\n".join(f"# ---- {name}\n{text}" for name, text in files.items())


def differences(folder: str, files: Mapping[str, str]) -> str:
    """As `diff -u` shows them; "" when there are none."""
    import difflib

    from wherry.scaffold.save import existing

    before = existing(folder, files)
    parts: list[str] = []
    for name, text in files.items():
        old = before.get(name, b"").decode(errors="replace").splitlines(keepends=True)
        origin = f"a/{name}" if name in before else "/dev/null"
        parts += difflib.unified_diff(old, text.splitlines(keepends=True), origin, f"b/{name}")
    return "".join(part if part.endswith("\n") else f"{part}\n" for part in parts)


def document(plan: Plan, files: Mapping[str, str], written: Sequence[str]) -> dict[str, Any]:
    """For --format json: `problems` are all, also those that the facts do not have."""
    from wherry.scaffold.document import document as facts_document

    problems = [
        {"level": one.level, "code": one.code, "where": str(one.where) if one.where else "", "text": one.text,
         "hint": one.hint} for one in (*plan.facts.problems, *plan.notices)
    ]  # fmt: skip
    return {
        "app": plan.app.import_string or plan.app.file, "base": plan.base, "python": plan.python,
        "port": plan.start.port,
        "command": list(plan.start.command), "facts": facts_document(plan.facts), "problems": problems,
        "files": dict(files), "written": list(written),
    }  # fmt: skip
