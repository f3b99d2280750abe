"""Dockerfile + options + base images → the graph to build. Pure: what it needs of the world is in its arguments."""

from __future__ import annotations

from hashlib import sha256

from wherry.build import history
from wherry.build.dispatch import dispatch, is_step
from wherry.build.graph import Graph, Op, Source, Vertex
from wherry.build.named_context import context_of
from wherry.build.options import Base, BuildOptions, FindBase
from wherry.build.stage import PROXIES, StageState
from wherry.dockerfile import Dockerfile, Stage, parse_trigger
from wherry.dockerfile.instructions import Instruction
from wherry.dockerfile.span import Span
from wherry.errors import InputError
from wherry.oci.config import ContainerConfig, ImageConfig
from wherry.oci.platform import Platform

__all__ = ["Planner", "plan"]

PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_BUILT_IN = frozenset({"SOURCE_DATE_EPOCH", "BUILDKIT_CACHE_MOUNT_NS"})


def plan(dockerfile: Dockerfile, options: BuildOptions, find: FindBase) -> Graph:
    """Only what the target needs: stages that it does not use are not looked at, nor are their base images.

    Raises: DockerfileError for what is wrong or not supported yet, NotFound from `find`, InputError (no such target).
    """
    planner = Planner(dockerfile, options, find)
    stage = planner.target()
    state = planner.stage(stage, stage.span)
    config = state.config
    if options.labels:
        config = config._replace(labels={**config.labels, **options.labels})
    image = ImageConfig(
        platform=state.platform,
        config=config,
        history=tuple(state.history),
        created=history.rfc3339(options.created_ns),
        author=state.author,
    )
    return Graph(
        tuple(planner.vertices), state.vertex, image, planner.uses_context, (*dockerfile.warnings, *planner.warnings())
    )


class Planner:
    """The state of one `plan`: what has been planned so far."""

    def __init__(self, dockerfile: Dockerfile, options: BuildOptions, find: FindBase) -> None:
        self.dockerfile = dockerfile
        self.options = options
        self.find = find
        self.vertices: list[Vertex] = []
        self.uses_context = False
        self.consumed: set[str] = set()
        self.lex = dockerfile.lex
        self._stages: dict[int, StageState] = {}
        self._open: list[int] = []
        self._sources: dict[tuple[str, Platform], tuple[Base, int]] = {}
        self.global_env = self._global_env()

    def target(self) -> Stage:
        """Raises: InputError."""
        stages = self.dockerfile.stages
        if not self.options.target:
            return stages[-1]
        found = self.dockerfile.stage(self.options.target)
        if found is None:
            close = self.dockerfile.nearest_stage(self.options.target)
            names = ", ".join(stage.name for stage in stages if stage.name)
            hint = f"did you mean {close}?" if close else f"stages with a name: {names or 'none'}"
            raise InputError(f"target stage {self.options.target!r} could not be found", hint=hint)
        return found

    def stage(self, stage: Stage, span: Span) -> StageState:
        """Plan a stage once. `span` is who asks. Raises: DockerfileError for a cycle."""
        if stage.number in self._stages:
            return self._stages[stage.number]
        if stage.number in self._open:
            names = [str(self.dockerfile.stages[n]) for n in self._open[self._open.index(stage.number) :]]
            raise span.error(
                "circular dependency between stages: " + " -> ".join([*names, str(stage)]),
                hint="a stage can't copy from one that is built from it",
            )
        self._open.append(stage.number)
        state = self._begin(stage)
        anew = map(str.lower, self.options.no_cache_filter)
        state.is_made_anew = (stage.name or f"stage-{stage.number}").lower() in anew
        instructions: list[Instruction] = []
        if not self._context(stage.name):
            instructions = [*map(parse_trigger, state.config.on_build), *stage.instructions]
            state.config = state.config._replace(on_build=())
        state.total += sum(is_step(one) for one in instructions)
        if state.first is not None:
            state.vertex = self._source_vertex(state, state.first, stage)
        for instruction in instructions:
            dispatch(self, state, instruction)
        self._open.pop()
        self._stages[stage.number] = state
        return state

    def _begin(self, stage: Stage) -> StageState:
        origin = stage.origin.expand(self.lex, self.global_env)
        label = stage.name or (f"stage-{stage.number}" if len(self.dockerfile.stages) > 1 else "")
        if not origin.image:
            raise stage.span.error(
                f"base name ({stage.origin.image}) should not be blank", hint="give the ARG in it a default"
            )
        platform = self._platform(origin.platform, stage.span)
        if context := self._context(stage.name):
            return self._from_image(label, context, platform, stage.span)
        if parent := self.dockerfile.stage(origin.image, before=stage.number, by_index=False):
            below = self.stage(parent, stage.span)
            return below.child(label)
        if origin.image == "scratch":
            return StageState(label, platform, ContainerConfig(env=(PATH,)), base_name="scratch")
        return self._from_image(label, self._context(origin.image) or origin.image, platform, stage.span)

    def _context(self, name: str) -> str:
        """What `find` is asked for when a named context takes the place of the stage or image `name`; else ""."""
        found = context_of(self.options.contexts, name) if name else ""
        return f"context:{found}" if found else ""

    def _from_image(self, label: str, name: str, platform: Platform, span: Span) -> StageState:
        base = self.base(name, platform, span)
        state = StageState(label, base.config.platform, _with_path(base.config.config), base_name=name)
        state.history = list(history.matching(base.config.history, len(base.layers)))
        state.author = base.config.author
        state.first = Source(name, base.layers)
        state.base_id = sha256(" ".join(base.layers).encode()).hexdigest()[:12]
        state.total = 1
        return state

    def base(self, name: str, platform: Platform, span: Span) -> Base:
        """Raises: NotFound, DockerfileError when the image is for another platform than asked."""
        base = self.find(name, platform)
        if base.config.platform.architecture != platform.architecture:
            raise span.error(
                f"image {name} is for {base.config.platform}, not for {platform}",
                hint=f"load or import {name} for {platform}",
            )
        return base

    def _source_vertex(self, state: StageState, source: Source, stage: Stage) -> int:
        key = (source.image, state.platform)
        if key not in self._sources:
            state.index += 1
            name = state.prefix() + f"FROM {source.image}"
            self._sources[key] = (Base(source.image, ImageConfig(state.platform), source.layers), self._next)
            self.add(source, None, (), name, state, stage.span)
        else:
            state.index += 1
        return self._sources[key][1]

    @property
    def _next(self) -> int:
        return len(self.vertices)

    def add(self, op: Op, parent: int | None, inputs: tuple[int, ...], name: str, state: StageState, span: Span) -> int:
        """The number of the new vertex."""
        number = self._next
        self.vertices.append(
            Vertex(number, op, parent, inputs, name, str(state.platform), span.excerpt(), span.where,
                   not isinstance(op, Source) and (self.options.no_cache or state.is_made_anew))
        )  # fmt: skip
        return number

    def input(self, name: str, state: StageState, span: Span) -> int:
        """The vertex of COPY --from=NAME or a mount's from: a stage by name or number, else an image."""
        if found := self.dockerfile.stage(name):
            vertex = self.stage(found, span).vertex
            if vertex is None:
                return self.add(Source("scratch", ()), None, (), f"FROM scratch ({found})", state, span)
            return vertex
        name = self._context(name) or name
        if name.isdecimal():
            count = len(self.dockerfile.stages)
            raise span.error(f"invalid stage index {name}", hint=f"the Dockerfile has {count} stages, 0 to {count - 1}")
        key = (name, state.platform)
        if key not in self._sources:
            try:
                base = self.base(name, state.platform, span)
            except InputError as fault:
                raise span.error(str(fault), hint=self._hint(name) or fault.hint) from None
            number = self.add(Source(name, base.layers), None, (), f"FROM {name}", state, span)
            self._sources[key] = (base, number)
        return self._sources[key][1]

    def _hint(self, name: str) -> str | None:
        close = self.dockerfile.nearest_stage(name)
        return f"did you mean the stage {close}?" if close else None

    def _platform(self, text: str, span: Span) -> Platform:
        if not text:
            return self.options.platform or self.options.host_platform
        try:
            return Platform.parse(text)
        except InputError as fault:
            raise span.error(str(fault), hint=fault.hint) from None

    def _global_env(self) -> dict[str, str]:
        """What FROM may use, and what an ARG without a value takes over."""
        target = self.options.platform or self.options.host_platform
        env = _platform_args("TARGET", target) | _platform_args("BUILD", self.options.host_platform)
        env["TARGETSTAGE"] = self.options.target or "default"
        env.update({name: self.options.build_args[name] for name in env if name in self.options.build_args})
        for arg in self.dockerfile.global_args:
            for pair in arg.pairs:
                self.consumed.add(pair.name)
                if pair.name in self.options.build_args:
                    env[pair.name] = self.options.build_args[pair.name]
                    continue
                value = arg.expand_one(pair, self.lex, env).default
                if value is not None:
                    env[pair.name] = value
        return env

    def warnings(self) -> list[str]:
        """Build arguments that no ARG took, as docker says it."""
        left = sorted(set(self.options.build_args) - self.consumed - PROXIES - _BUILT_IN - set(self.global_env))
        return [f"[Warning] One or more build-args {left} were not consumed".replace("'", "")] if left else []


def _platform_args(stem: str, platform: Platform) -> dict[str, str]:
    return {
        f"{stem}PLATFORM": str(platform),
        f"{stem}OS": platform.os,
        f"{stem}ARCH": platform.architecture,
        f"{stem}VARIANT": platform.variant,
    }


def _with_path(config: ContainerConfig) -> ContainerConfig:
    if any(word.startswith("PATH=") for word in config.env):
        return config
    return config._replace(env=(PATH, *config.env))
