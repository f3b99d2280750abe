"""What is written for a project, decided from its facts and what the user asked for: pure, before any text is made."""

from __future__ import annotations

from typing import NamedTuple

from wherry.errors import InputError, nearest
from wherry.scaffold.command import Start, start
from wherry.scaffold.facts import App, Facts, Problem

__all__ = ["Plan", "Wishes", "base_image", "plan"]

# Of these Pythons Docker's library has no image on Debian 13
_BEFORE_TRIXIE = ("2.7", "3.6", "3.7", "3.8", "3.9")


class Wishes(NamedTuple):
    """What the command line said; empty is: as the project has it."""

    app: str = ""
    """An import string or a file."""
    port: int = 0
    python: str = ""
    gpu: bool | None = None
    digest: str = ""
    """Of the base image, "sha256:...", when it could be found."""


class Plan(NamedTuple):
    """`base` is the reference that FROM names; `notices` is said beyond the facts' own problems."""

    facts: Facts
    app: App
    python: str
    base: str
    is_pinned: bool
    is_gpu: bool
    start: Start
    run_packages: tuple[str, ...]
    build_packages: tuple[str, ...]
    notices: tuple[Problem, ...]

    @property
    def has_port(self) -> bool:
        return self.start.port > 0


def plan(facts: Facts, wishes: Wishes) -> Plan:
    """Raises: InputError when there is nothing to start, or no app of the name that was asked for."""
    app = _chosen(facts, wishes.app)
    found = start(facts, app, wishes.port)
    is_gpu = facts.gpu.is_used if wishes.gpu is None else wishes.gpu
    base = base_image(facts, wishes)
    needed = facts.system_packages
    return Plan(
        facts=facts,
        app=app,
        python=wishes.python or facts.python.version,
        base=f"{base}@{wishes.digest}" if wishes.digest else base,
        is_pinned=bool(wishes.digest),
        is_gpu=is_gpu,
        start=found,
        run_packages=_names([one.name for one in needed if one.phase == "run"] + list(facts.evidence.apt_packages)),
        build_packages=_names(
            [one.name for one in needed if one.phase == "build"] + ["git"] * facts.packages.needs_git
        ),
        notices=(*found.notices, *_gpu_notices(facts, wishes.gpu)),
    )


def base_image(facts: Facts, wishes: Wishes) -> str:
    """The name with its tag: the slim image, on a Debian that is named, so that a rebuild never changes it unasked."""
    version = wishes.python or facts.python.version
    return f"python:{version}-slim-{'bookworm' if version in _BEFORE_TRIXIE else 'trixie'}"


def _names(names: list[str]) -> tuple[str, ...]:
    return tuple(sorted(set(names)))


def _chosen(facts: Facts, wanted: str) -> App:
    """Raises: InputError."""
    apps = [one for one in (facts.app, *facts.others) if one]
    if not wanted:
        if apps:
            return apps[0]
        raise _no_app(facts)
    for app in apps:
        if wanted in (app.import_string, app.file, f"{app.file}:{app.name}"):
            return app
    known = [app.import_string or app.file for app in apps]
    close = nearest(wanted, known)
    hint = f"did you mean {close}?" if close else f"found: {', '.join(known)}" if known else "none was found at all"
    raise InputError(f"there is no application {wanted} in this project", hint=hint)


def _no_app(facts: Facts) -> InputError:
    for one in facts.problems:
        if one.level == "error":
            return InputError(one.text, hint=one.hint or None, where=str(one.where) if one.where else None)
    return InputError(
        "found nothing to start in this project",
        hint="an ASGI or WSGI application (app = FastAPI()), a Streamlit or Gradio script, or a main.py",
    )


def _gpu_notices(facts: Facts, asked: bool | None) -> tuple[Problem, ...]:
    """What the facts can't know: the user wants it otherwise than the code."""
    gpu = facts.gpu
    if asked is False and gpu.is_used:
        where = gpu.uses[0] if gpu.uses else None
        return (Problem("warning", "gpu-needed", where, "the code asks for a GPU, and --cpu leaves it out"),)
    if asked and gpu.variant == "cpu":
        name = gpu.frameworks[0].name if gpu.frameworks else "the framework"
        return (
            Problem("warning", "cpu-wheels", gpu.frameworks[0].where if gpu.frameworks else None,
                    f"--gpu was given, and the {name} that is declared is the one for CPUs",
                    f"declare {name} without the cpu index"),
        )  # fmt: skip
    return ()
