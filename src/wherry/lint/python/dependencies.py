"""What is installed, and whether it is what the project means."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator

from wherry.dockerfile.instructions import Add, Copy, Run
from wherry.lint.hadolint.pip import WITH_VALUE, installs
from wherry.lint.python.final import chain, image, is_whole
from wherry.lint.rule import Hit, rule
from wherry.lint.shell import Command
from wherry.lint.subject import Script, Subject

__all__ = ["alpine", "cuda", "lock_not_used", "python_version", "source_first", "unpinned"]

_GPU_IMAGE = re.compile(r"cuda|nvidia|nvcr|pytorch/pytorch|rocm|vllm|-gpu", re.IGNORECASE)
_CPU = re.compile(r"/whl/cpu\b|\+cpu\b|torch-backend|UV_TORCH_BACKEND|cpuonly")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_TORCH = frozenset({"torch", "torchvision", "torchaudio"})
_NO_MUSL = frozenset({*_TORCH, "tensorflow", "onnxruntime", "jaxlib"})
_MOST_NAMED = 3


def _uv(script: Script, *verbs: str) -> Iterator[Command]:
    for command in script.commands:
        if posixpath.basename(command.name) == "uv" and command.plain[: len(verbs)] == verbs:
            yield command


def _requirements(command: Command) -> list[str]:
    """The files after -r."""
    found, texts = [], command.texts
    for number, text in enumerate(texts):
        if text in ("-r", "--requirement", "--requirements") and number + 1 < len(texts):
            found.append(texts[number + 1])
        elif text.startswith(("--requirement=", "--requirements=")):
            found.append(text.partition("=")[2])
        elif text.startswith("-r") and len(text) > 2:
            found.append(text[2:])
    return found


@rule("PY001", "warning", "The lock is not used")
def lock_not_used(subject: Subject) -> Iterator[Hit]:
    """uv.lock and its like say each version, and the image gets others."""
    facts = subject.facts
    lock = facts.packages.lock if facts else None
    if facts is None or lock is None:
        return
    text = "\n".join(subject.file.lines)
    if facts.packages.manager == "uv" and not re.search(r"UV_(LOCKED|FROZEN)", text):
        for script in subject.runs():
            for command in _uv(script, "sync"):
                if not command.has_flag("locked", "frozen"):
                    said = f"uv sync writes a new {lock.file} when it does not fit, and installs that: --locked"
                    yield Hit(script.span, said)
    if facts.packages.manager in ("uv", "poetry", "pdm", "pipenv"):
        uses = re.search(r"uv (sync|export)|(poetry|pdm|pipenv) (install|sync|export|requirements)|pylock", text)
        for script in subject.runs() if not uses else ():
            for command in (*installs(script), *_uv(script, "pip", "install")):
                named = command.without_values(*WITH_VALUE).plain
                is_project = any(re.fullmatch(r"\.(\[.*\])?", word) for word in named)
                if is_project or "pyproject.toml" in _requirements(command):
                    said = f"pip does not look at {lock.file}: install with {facts.packages.manager}, or export it"
                    yield Hit(script.span, said)


@rule("PY002", "info", "Requirements without exact versions")
def unpinned(subject: Subject) -> Iterator[Hit]:
    facts = subject.facts
    if facts is None:
        return
    told: set[str] = set()
    for script in subject.runs():
        for command in (*installs(script), *_uv(script, "pip", "install")):
            for path in map(posixpath.normpath, _requirements(command)):
                loose = [
                    one.name
                    for one in facts.packages.dependencies
                    if one.where.file == path.removeprefix("/app/") and one.source == "index" and not one.version
                ]
                if loose and path not in told:
                    told.add(path)
                    more = f" and {len(loose) - _MOST_NAMED} more" if len(loose) > _MOST_NAMED else ""
                    names = ", ".join(loose[:_MOST_NAMED])
                    said = f"{path} leaves the version of {names}{more} open: the next build gets others"
                    yield Hit(script.span, f"{said}. uv pip compile writes a lock of it")


@rule("PY003", "warning", "Wheels for CUDA in an image without a GPU")
def cuda(subject: Subject) -> Iterator[Hit]:
    facts = subject.facts
    text = "\n".join(subject.file.lines)
    if _CPU.search(text) or any(_GPU_IMAGE.search(stage.image) for stage in subject.stages):
        return
    if facts and (facts.gpu.is_used or facts.gpu.is_optional):
        return
    megabytes, span = (facts.gpu.cuda_mb if facts else 0), None
    for script in subject.runs():
        for command in (*installs(script), *_uv(script, "pip", "install")):
            if megabytes:
                span = span or script.span
            elif _named(command) & _TORCH and not command.has_flag("i", "index-url", "extra-index-url"):
                from wherry.scaffold.table_cuda import MB

                megabytes, span = sum(MB.values()), script.span
        if megabytes and any(True for _ in _uv(script, "sync")):
            span = span or script.span
    if megabytes and span:
        said = f"torch from PyPI brings about {megabytes:,} MB for CUDA, and nothing here asks for a GPU"
        yield Hit(span, f"{said}: --extra-index-url https://download.pytorch.org/whl/cpu")


def _named(command: Command) -> set[str]:
    """The distributions that stand in the command itself."""
    found = (_NAME.match(word) for word in command.without_values(*WITH_VALUE).plain)
    return {match[0].lower() for match in found if match}


@rule("PY004", "warning", "The image's Python is not the project's")
def python_version(subject: Subject) -> Iterator[Hit]:
    from wherry.scaffold.python_version import allows

    facts = subject.facts
    found = re.search(r"(?:^|/)python:3\.(\d{1,2})(?![\d])", image(subject))
    if facts is None or found is None or facts.python.where is None:
        return
    minor = int(found[1])
    span = chain(subject)[0].span
    if facts.python.specifier and not allows(facts.python.specifier, minor):
        yield Hit(span, f"Python 3.{minor} here, and {facts.python.where} asks for {facts.python.specifier}")
    elif not facts.python.specifier and facts.python.version != f"3.{minor}":
        yield Hit(span, f"Python 3.{minor} here, and {facts.python.where} says {facts.python.version}")


@rule("PY012", "info", "The code is copied before the dependencies are installed")
def source_first(subject: Subject) -> Iterator[Hit]:
    for stage in subject.stages:
        copied, of_run = "", {script.span.first: script for script in subject.scripts_of(stage)}
        for one in stage.instructions:
            if isinstance(one, Copy | Add) and not getattr(one, "from_stage", ""):
                if is_whole(one):
                    copied = copied or f"line {one.span.first}"
            elif isinstance(one, Run):
                script = of_run.get(one.span.first)
                if script and _installs_declared(script):
                    if copied:
                        said = f"Each edit of the code installs everything again, since {copied} copies it first"
                        yield Hit(one.span, f"{said}: copy the requirements, install, then copy the rest")
                    break


def _installs_declared(script: Script) -> bool:
    """From a file that says what the project needs."""
    if any(_requirements(command) for command in (*installs(script), *_uv(script, "pip", "install"))):
        return True
    for command in script.commands:
        words = (posixpath.basename(command.name), *command.plain[:2])
        if words[:2] in (("uv", "sync"), ("poetry", "install"), ("pdm", "install"), ("pdm", "sync")):
            return True
        if words[:2] in (("pipenv", "install"), ("pipenv", "sync")) or words == ("conda", "env", "create"):
            return True
    return False


@rule("PY021", "warning", "No wheels for Alpine")
def alpine(subject: Subject) -> Iterator[Hit]:
    if not re.search(r"alpine", image(subject), re.IGNORECASE):
        return
    declared = {one.name for one in subject.facts.packages.dependencies if not one.group} if subject.facts else set()
    for script in subject.runs():
        for command in (*installs(script), *_uv(script, "pip", "install")):
            names = _named(command) | (declared if _requirements(command) else set())
            if found := sorted(names & _NO_MUSL):
                said = f"{found[0]} has no wheels for Alpine's C library: nothing is found, or it compiles for hours"
                yield Hit(script.span, f"{said}. Take the slim image")
                return
