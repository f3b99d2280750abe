"""Random Dockerfiles as data, and edits of them. Pure.

The text of each RUN step is its own (it names its own file in /out), so that a step is known by its text.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import NamedTuple

from tests.soundness.commands import Command, Read, command

__all__ = ["Doc", "Line", "Stage", "Step", "edit_doc", "make_doc"]

ROOTS = ("/app", "/app", "/app", "/data", "/w/x", "/usr/local", "/srv", "/srv", "/via")
WORDS = ("one", "two", "th ree", "")


class Line(NamedTuple):
    """`kind` is "run", "copy" or "set"; `reads` of a run, when they are exact; `name` is its template's."""

    kind: str
    text: str
    name: str = ""
    reads: tuple[Read, ...] | None = None


class Stage(NamedTuple):
    """`roots` are the folders that its COPYs fill, those of the stage below included; `user` is "" for root."""

    name: str
    base: str
    lines: tuple[Line, ...]
    roots: tuple[str, ...] = ("/app",)


class Step(NamedTuple):
    """A RUN of a target. `number` counts the RUNs of its stage from 1; `before` are all lines before it."""

    stage: str
    number: int
    line: Line
    before: tuple[Line, ...]

    @property
    def key(self) -> str:
        """Equal for steps that two targets share."""
        return "\n".join([line.text for line in self.before] + [self.line.text])

    @property
    def user(self) -> str:
        """As the last USER says; "" is root."""
        users = [line.text.split()[1] for line in self.before if line.text.startswith("USER ")]
        return users[-1] if users and users[-1] != "root" else ""


class Doc(NamedTuple):
    """`image` is the base image; `serial` numbers the steps, and is never used twice."""

    head: tuple[str, ...]
    stages: tuple[Stage, ...]
    image: str
    tools: frozenset[str] = frozenset()
    serial: int = 0

    def text(self) -> str:
        lines = list(self.head)
        for stage in self.stages:
            lines += [f"FROM {stage.base} AS {stage.name}", *(line.text for line in stage.lines)]
        return "\n".join(lines) + "\n"

    def stage(self, name: str) -> Stage | None:
        return next((one for one in self.stages if one.name == name), None)

    def chain(self, name: str) -> tuple[Stage, ...]:
        """The stage and those that it starts from, the lowest first."""
        found: list[Stage] = []
        stage = self.stage(name)
        while stage is not None:
            found.insert(0, stage)
            stage = self.stage(stage.base)
        return tuple(found)

    def steps(self, name: str) -> tuple[Step, ...]:
        """The RUN lines that the stage's image is made of, those that ONBUILD adds included, in order."""
        found: list[Step] = []
        before: list[Line] = []
        triggers: list[Line] = []
        for stage in self.chain(name):
            lines = [*triggers, *stage.lines]
            runs = 0
            for line in lines:
                if line.kind == "run":
                    runs += 1
                    found.append(Step(stage.name, runs, line, tuple(before)))
                before.append(line)
            triggers = [_trigger(line) for line in stage.lines if line.text.startswith("ONBUILD ")]
        return tuple(found)

    def targets(self) -> tuple[str, ...]:
        """Stages that no other starts from."""
        bases = {stage.base for stage in self.stages}
        return tuple(stage.name for stage in self.stages if stage.name not in bases)


class _Writer:
    """Writes stages with one row of random numbers."""

    def __init__(self, rng: random.Random, doc: Doc) -> None:
        self.rng = rng
        self.doc = doc
        self.serial = doc.serial
        self.written: list[Line] = []

    def pick(self, *choices: str) -> str:
        return self.rng.choice(choices)

    def run(self, stage: str, roots: Sequence[str]) -> Line:
        self.serial += 1
        out = f"/out/{self.serial}"
        made = command(self.rng, roots, out, self.doc.tools)
        if "\n" in made.text:
            return self._heredoc(made, out)
        draw = self.rng.random()
        if draw < 0.06:
            return self._mounted(stage, made)
        if draw < 0.10:
            return Line("run", f"RUN --network=none {made.text}", made.name, made.reads)
        if draw < 0.16:
            return self._heredoc(made, out)
        if draw < 0.18:
            import json

            return Line("run", f"RUN {json.dumps(['sh', '-c', made.text])}", made.name, made.reads)
        return Line("run", f"RUN {made.text}", made.name, made.reads)

    def _heredoc(self, made: Command, out: str) -> Line:
        shebang = self.pick("", "", "#!/bin/sh\n")
        text = f"RUN <<'END'\n{shebang}{made.text}\n: {out}\nEND"
        return Line("run", text, made.name, made.reads if not shebang else None)

    def _mounted(self, stage: str, made: Command) -> Line:
        mount = self.pick(
            "type=bind,target=/mnt", "type=bind,source=sub,target=/app/sub,rw", "type=tmpfs,target=/app/sub",
            "type=tmpfs,target=/tmp", f"type=cache,target=/cache,id=soundness-{self.serial}",
            "type=bind,from=s0,target=/mnt" if stage != "s0" else "type=bind,target=/mnt",
            "type=bind,from=s0,source=/app,target=/data" if stage != "s0" else "type=tmpfs,target=/data",
        )  # fmt: skip
        more = (
            "find /mnt/a /mnt/sub /mnt/app -type f 2>/dev/null | sort | xargs cat 2>/dev/null"
            if "/mnt" in mount
            else ":"
        )
        text = f"RUN --mount={mount} {made.text}; {{ {more} ; }} >/out/{self.serial}.mounted; true"
        return Line("run", text, f"mount; {made.name}", None)

    def copy(self, stage: str, roots: Sequence[str]) -> Line:
        flags = self.pick(
            "", "", "", "", "", "--chown=app ", "--chown=7:8 ", "--chmod=640 ", "--chmod=u=rwX,go=rX ", "--link ",
            "--link ",            "--exclude=*/c ", "--link --chown=7:8 ",
        )  # fmt: skip
        root = self.rng.choice(list(roots))
        draw = self.rng.random()
        if draw < 0.08:
            return Line("copy", f"ADD {self.pick('ar.tar', 'a*', 'sub')} {root}/")
        if draw < 0.16:
            body = f"{self.pick('$FOO', 'plain', '1')} text {self.rng.randrange(2)}"
            return Line("copy", f"COPY {flags}<<END {root}/{self.pick('new', 'a', 'sub/c', 'doc')}\n{body}\nEND")
        if draw < 0.22:
            return Line("copy", f"COPY --parents ./sub/* ./a* {root}/")
        if draw < 0.40 and stage != "s0":
            source = self.pick("/app*", "/out/", "/dat*", "/app/*", "/app/s*", "/etc/pass*")
            return Line("copy", f"COPY --from=s0 {flags}{source} {root}/")
        if draw < 0.45:
            return Line(
                "copy",
                f"COPY {flags}{self.pick('bin', '.')} {self.pick('/bin/', '/etc/', '/out/')}".replace(
                    ". /bin/", "bin /bin/"
                ),
            )
        source = self.pick(".", ".", ".", "a*", "sub*", "*", "[ab] [ab]*", "s*/deep", "run.s*", "p*", "sub")
        target = root + self.pick("/", "/", "/", "/sub/", "/$FOO/", "/dirlnk/", "/lnk/", "/sub")
        return Line("copy", f"COPY {flags}{source} {target}")

    def borrowed(self) -> Line | None:
        """At times a step of another stage: the same text over other files, perhaps in one build."""
        return self.rng.choice(self.written) if self.written and self.rng.random() < 0.12 else None

    def setting(self) -> Line:
        word = self.pick(*WORDS)
        return Line("set", self.pick(
            f'ENV FOO="{word}"', f'ENV FOO="{word}"', f'ENV BAR="{word}" BAZ=${{FOO}}', "ARG FOO", f'ARG BAR="{word}"',
            "ARG BAZ=$FOO", "USER app", "USER 1000:50", "USER root", "USER root", "WORKDIR /app", "WORKDIR sub",
            "WORKDIR /w/$FOO", 'SHELL ["/bin/sh", "-ec"]', 'SHELL ["/bin/sh", "-c"]', f'LABEL l="{word}"', "EXPOSE 80",
            'VOLUME ["/v"]', f'CMD ["{word}"]', "STOPSIGNAL 9", 'ENV PATH="/app/bin:/usr/local/bin:/bin:/usr/bin"',
        ))  # fmt: skip

    def first(self) -> Stage:
        """What most others start from: COPYs, and seldom a step between them."""
        roots = ["/app", *self.rng.sample(ROOTS, self.rng.randint(0, 2))]
        lines = [self.setting()] if self.rng.random() < 0.4 else []
        if self.rng.random() < 0.25:
            lines.append(self.run("s0", roots))
        main = self.pick("COPY . /app", "COPY . /app", "COPY . /app/", "COPY --link . /app", "COPY --chown=app . /app")
        lines.append(Line("copy", main))
        lines += [Line("copy", f"COPY {self.pick('.', 'sub*', 'a* b*', '*')} {root}/") for root in roots[1:]]
        while self.rng.random() < 0.3:
            lines.append(self.copy("s0", roots) if self.rng.random() < 0.7 else self.setting())
        if self.rng.random() < 0.12:
            self.serial += 1
            trigger = self.pick(
                "COPY . /data", f"RUN cat /app/a >/out/{self.serial} 2>&1; true", "ENV FOO=trigger", "WORKDIR /app"
            )
            lines.append(Line("set", f"ONBUILD {trigger}"))
        return Stage("s0", self.doc.image, tuple(lines), tuple(dict.fromkeys(roots)))

    def probe(self, number: int, first: Stage) -> Stage:
        """A stage with one to four steps."""
        name, roots = f"p{number}", first.roots
        base = first.name if self.rng.random() < 0.85 else self.doc.image
        lines: list[Line] = []
        if base != first.name:
            lines.append(Line("copy", "COPY . /app"))
            roots = ("/app",)
        if self.rng.random() < 0.3:
            lines.append(self.setting() if self.rng.random() < 0.6 else Line("set", "USER app"))
        for _ in range(self.rng.choice((1, 1, 2, 2, 3, 4))):
            draw = self.rng.random()
            if draw < 0.15:
                lines.append(self.copy(name, roots))
            elif draw < 0.25:
                lines.append(self.setting())
            lines.append(self.borrowed() or self.run(name, roots))
        if self.rng.random() < 0.1:
            lines.append(self.copy(name, roots))
        self.written += [line for line in lines if line.kind == "run" and "mount=" not in line.text]
        return Stage(name, base, tuple(lines), roots)

    def last(self, probes: Sequence[Stage]) -> Stage:
        """A stage that takes what others made, side by side, and looks at it."""
        lines: list[Line] = []
        for number, probe in enumerate(self.rng.sample(list(probes), 3)):
            source = self.pick("/out/", "/app/", "/out/", "/etc/")
            lines.append(Line("copy", f"COPY --from={probe.name} {source} /app/{self.pick('', 'sub/', str(number))}"))
        lines += [self.run("last", ("/app",)) for _ in range(2)]
        return Stage("last", self.doc.image, tuple(lines))


def _trigger(line: Line) -> Line:
    text = line.text.removeprefix("ONBUILD ")
    kind = {"RUN": "run", "COPY": "copy"}.get(text.split()[0], "set")
    return Line(kind, text, "onbuild" if kind == "run" else "")


def make_doc(rng: random.Random, image: str, salt: str, tools: frozenset[str] = frozenset(), probes: int = 8) -> Doc:
    """`salt` is in the environment of all steps: worlds that share a root have nothing in common."""
    head = tuple(line for line in (rng.choice(("ARG FOO=zero", "ARG BAR", "")),) if line)
    writer = _Writer(rng, Doc(head, (), image, tools))
    first = writer.first()
    first = first._replace(lines=(Line("set", f"ENV SALT={salt}"), *first.lines))
    stages = [first, *(writer.probe(number, first) for number in range(1, probes + 1))]
    if len(stages) > 3 and rng.random() < 0.4:
        stages.append(writer.last(stages[1:]))
    salted = Line("set", f"ENV SALT={salt}")
    stages = [one if one.base != image or one is first else one._replace(lines=(salted, *one.lines)) for one in stages]
    return writer.doc._replace(stages=tuple(stages), serial=writer.serial)


def edit_doc(rng: random.Random, doc: Doc) -> tuple[str, Doc]:
    """One edit of the Dockerfile: a line added, removed, swapped with the next, or another one in its place."""
    number = rng.choice([0, rng.randrange(len(doc.stages))])
    stage, writer = doc.stages[number], _Writer(rng, doc)
    lines = list(stage.lines)
    at = rng.randrange(1, len(lines) + 1)
    act = rng.choice(("add copy", "add setting", "add step", "remove", "replace copy", "swap", "user"))
    if act == "add copy":
        lines.insert(at, writer.copy(stage.name, stage.roots))
    elif act == "add setting":
        lines.insert(at, writer.setting())
    elif act == "add step":
        lines.insert(at, writer.run(stage.name, stage.roots))
    elif act == "user":
        lines.insert(at, Line("set", rng.choice(("USER app", "USER root"))))
    elif act == "remove" and at < len(lines) and len(lines) > 2:
        del lines[at]
    elif act == "replace copy" and at < len(lines):
        old = lines[at]
        lines[at] = (
            writer.copy(stage.name, stage.roots)
            if old.kind == "copy"
            else writer.setting()
            if old.kind == "set"
            else old
        )
    elif at + 1 < len(lines):
        lines[at], lines[at + 1] = lines[at + 1], lines[at]
    changed = stage._replace(lines=tuple(lines))
    stages = tuple(changed if one is stage else one for one in doc.stages)
    return f"Dockerfile: {act}", doc._replace(stages=stages, serial=writer.serial)
