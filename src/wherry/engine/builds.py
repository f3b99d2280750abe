"""Building an image from a Dockerfile: the plan, the solver and the store joined."""

from __future__ import annotations

import os
from contextlib import ExitStack
from typing import NamedTuple

from wherry.engine.pull_base import Bases
from wherry.oci.reference import Reference

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from wherry.build.explain import Explained
    from wherry.build.graph import Graph
    from wherry.build.options import BuildOptions, FindBase
    from wherry.build.progress import Progress
    from wherry.build.secrets import SecretSource, SshSource
    from wherry.build.solve import Solver
    from wherry.build.travel_cache import TravelCache
    from wherry.build.travel_spec import CacheFrom, CacheTo
    from wherry.build.tree import Tree
    from wherry.cancel import Cancel
    from wherry.dockerfile import Dockerfile
    from wherry.dockerfile.ignore import Matcher
    from wherry.engine import Engine
    from wherry.engine.steps import Steps
    from wherry.engine.trust_build import Attest
    from wherry.image.tar.stream import Reader
    from wherry.lint.run import Finding
    from wherry.oci.config import ImageConfig
    from wherry.oci.digest import DiffID
    from wherry.store.images import ImageRecord
    from wherry.store.lease import Lease

__all__ = ["BuildRequest", "Builds", "Described"]


class BuildRequest(NamedTuple):
    """`context` is a folder, or "-" for `stdin`: a tar with the context, else the Dockerfile itself.

    `dockerfile` is -f: "" is Dockerfile in the context, "-" reads it from `stdin`; relative to the caller's folder.
    `options` without its times: those come from SOURCE_DATE_EPOCH, git, or the constant. `jobs` 0 is the machine's.
    `sbom` (formats) and `provenance` ("min", "max") are attached to the image; they change nothing in it.
    `remember` False keeps nothing of the steps in the cache, and believes no remembered hash of the context.
    """

    context: str
    options: BuildOptions
    dockerfile: str = ""
    tags: tuple[Reference, ...] = ()
    stdin: Reader | None = None
    host_ca: bool = True
    ambient_cache: bool = True
    jobs: int = 0
    sbom: tuple[str, ...] = ()
    provenance: str = ""
    secrets: tuple[SecretSource, ...] = ()
    ssh: tuple[SshSource, ...] = ()
    cache_from: tuple[CacheFrom, ...] = ()
    cache_to: tuple[CacheTo, ...] = ()
    remember: bool = True
    explain: Callable[[Sequence[Explained]], None] | None = None


class _Place(NamedTuple):
    """`context` "" when there is none (a Dockerfile on stdin); `dockerfile` "" when it is no file."""

    context: str
    dockerfile: str
    text: bytes
    name: str


class Described(NamedTuple):
    """A Dockerfile that was read. `context` and `path` are "" where there are none."""

    dockerfile: Dockerfile
    text: bytes
    name: str
    context: str = ""
    path: str = ""

    def ignore(self) -> Matcher | None:
        """What .dockerignore says; None without one. Raises: InputError."""
        from wherry.build.context import read_ignore

        return read_ignore(self.context, self.path) if self.context else None


class Builds:
    """`engine.builds`. Needs root."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def build(self, request: BuildRequest, progress: Progress, cancel: Cancel) -> ImageRecord:
        """Build, store and name the image. When it fails nothing is left but the cache of the steps that went well.

        Raises: DockerfileError, InputError, NotFound (a base image; the hint says how to make it), StepFailed,
        BuildError, HostError, Cancelled.
        """
        from wherry.engine.build_lint import check
        from wherry.host.linux import require_root

        require_root(self._engine.settings.uid, "wherry build")
        self._engine.scratch.sweep()
        self._engine.leases.sweep()
        with ExitStack() as stack:
            steps = self._steps(request, progress, stack)
            attest = self._attest(request)
            place = self._locate(request, stack)
            dockerfile = _parse(place, progress)
            clamp_ns, created_ns = self._times(request, place.context)
            options = request.options._replace(clamp_ns=clamp_ns, created_ns=created_ns)
            graph = _plan(dockerfile, options, self._bases(options, stack, progress, cancel))
            for text in graph.warnings:
                progress.note(text)
            described = Described(dockerfile, place.text, place.name, place.context, place.dockerfile)
            findings = check(described, request.options, self._engine)
            context = self._context(graph, place, stack)
            what = request.tags[0].familiar if request.tags else place.context or "a Dockerfile"
            lease = stack.enter_context(self._engine.leases.hold(f"build {what}"))
            cache = self._cache(request, lease, progress, cancel, stack)
            config = self._solve(graph, request._replace(options=options), context, cache, steps, progress, cancel)
            image = self._export(config, request.tags, progress)
            if attest:
                from wherry.engine.trust_build import Built

                attest.attach(image, Built(graph, options, context, place.name, place.text), progress, cancel)
            if request.cache_to and request.remember:
                from wherry.engine.cache_export import Export, export_all

                export_all(Export(self._engine, cache, image, progress, cancel), request.cache_to)
            self._trim(progress)
            _tell(findings, progress)
            return image

    def describe(self, request: BuildRequest) -> Described:
        """The Dockerfile of a build that is only asked about. Raises: DockerfileError, InputError."""
        from wherry.dockerfile import parse

        with ExitStack() as stack:
            place = self._locate(request, stack)
            return Described(parse(place.text, place.name), place.text, place.name, place.context, place.dockerfile)

    def _bases(self, options: BuildOptions, stack: ExitStack, progress: Progress, cancel: Cancel) -> FindBase:
        """Raises: InputError for a named context that is not there."""
        bases = Bases(self._engine, options.pull, progress, cancel)
        if not options.contexts:
            return bases
        from wherry.engine.named_contexts import NamedContexts

        return NamedContexts(self._engine, options, bases, stack, (progress, cancel))

    def _trim(self, progress: Progress) -> None:
        """Keep the cache in its bounds. The build is done: what goes wrong here does not undo it."""
        from wherry.engine.builder_limit import enforce
        from wherry.errors import WherryError

        try:
            enforce(self._engine)
        except (WherryError, OSError) as fault:
            progress.note(f"the build cache could not be kept within its limit: {fault}")

    def _steps(self, request: BuildRequest, progress: Progress, stack: ExitStack) -> Steps:
        """Raises: InputError, before the work, for a secret or a key that is not there."""
        from wherry.engine.steps import Steps

        return stack.enter_context(Steps(self._engine, request, progress))

    def _attest(self, request: BuildRequest) -> Attest | None:
        """What is to be attached, None when nothing is. Raises: HostError, before the work, without the library."""
        if not (request.sbom or request.provenance):
            return None
        from wherry.engine.trust_build import Attest

        return Attest(self._engine, request.sbom, request.provenance)

    def _locate(self, request: BuildRequest, stack: ExitStack) -> _Place:
        """Raises: InputError."""
        from wherry.build.context import locate, read_dockerfile
        from wherry.errors import InputError

        if request.context == "-":
            if request.dockerfile == "-":
                raise InputError("invalid argument: can't use stdin for both build context and dockerfile")
            return self._from_stdin(request, stack)
        context = os.path.join(self._engine.settings.cwd, request.context)
        if not os.path.isdir(context):
            from wherry.build.context import open_context

            os.close(open_context(context, "").root_fd)
        if request.dockerfile == "-":
            return _Place(context, "", _read_stdin(request), "Dockerfile")
        found = locate(context, request.dockerfile, self._engine.settings.cwd)
        return _Place(context, found.path, read_dockerfile(found.path, context), found.name)

    def _from_stdin(self, request: BuildRequest, stack: ExitStack) -> _Place:
        """A tar (compressed or not) is the context; anything else is the Dockerfile, with no context."""
        from wherry.build.context import locate, read_dockerfile
        from wherry.build.stdin import Replay, looks_like_tar
        from wherry.errors import InputError

        if request.stdin is None:
            raise InputError("nothing can be read from stdin")
        stream = Replay(request.stdin)
        if not looks_like_tar(stream):
            return _Place("", "", stream.rest(), "Dockerfile")
        folder = stack.enter_context(self._engine.scratch.folder("context"))
        stream.extract(folder)
        found = locate(folder, request.dockerfile or "", folder)
        return _Place(folder, found.path, read_dockerfile(found.path, folder), found.name)

    def _times(self, request: BuildRequest, context: str) -> tuple[int, int]:
        """What all new files' times become, and when the image says it was made, in ns."""
        from wherry.build.options import ZIP_EPOCH_NS
        from wherry.errors import InputError

        given = request.options.build_args.get("SOURCE_DATE_EPOCH") or self._engine.settings.env.get(
            "SOURCE_DATE_EPOCH", ""
        )
        if given:
            if not given.isascii() or not given.isdecimal() or len(given) > 10:
                raise InputError(f"invalid SOURCE_DATE_EPOCH: {given[:40]!r}", hint="seconds since 1970, as 1700000000")
            return int(given) * 10**9, int(given) * 10**9
        committed = self._commit_time(context) if context else 0
        return ZIP_EPOCH_NS, committed * 10**9 or ZIP_EPOCH_NS

    def _commit_time(self, context: str) -> int:
        """Seconds since 1970 of the git commit that the context is at; 0 when it is in no repository."""
        from wherry.errors import HostError
        from wherry.host import Command

        folder = os.path.realpath(context)
        while not os.path.exists(f"{folder}/.git"):
            if folder == "/":
                return 0
            folder = os.path.dirname(folder)
        env = {
            "PATH": self._engine.settings.env.get("PATH", "/usr/bin:/bin"), "HOME": "/", "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_NO_LAZY_FETCH": "1", "LC_ALL": "C",
        }  # fmt: skip
        # Reads one object and runs nothing of the repository's, so that its owner does not matter
        argv = ["git", "-c", "safe.directory=*", "-C", folder, "cat-file", "commit", "HEAD"]
        try:
            done = self._engine.host.run(Command(argv, env=env, timeout_s=10))
        except HostError:
            return 0
        for line in done.stdout.split(b"\n\n")[0].split(b"\n"):
            if line.startswith(b"committer "):
                seconds = line.rpartition(b"> ")[2].split(b" ")[0]
                return int(seconds) if seconds.isdigit() else 0
        return 0

    def _context(self, graph: Graph, place: _Place, stack: ExitStack) -> Tree | None:
        from wherry.build.context import open_context
        from wherry.errors import InputError

        if not graph.uses_context:
            return None
        if not place.context:
            raise InputError(
                "the Dockerfile copies from the build context, and there is none: it came from stdin",
                hint="wherry build -f - FOLDER < Dockerfile",
            )
        tree = open_context(place.context, place.dockerfile)
        stack.callback(os.close, tree.root_fd)
        return tree

    def _cache(
        self, request: BuildRequest, lease: Lease, progress: Progress, cancel: Cancel, stack: ExitStack
    ) -> TravelCache:
        """The steps of this machine, and behind them those of the caches that were named."""
        from wherry.build.travel_cache import Nowhere, Remote, TravelCache

        remote: Remote = Nowhere()
        if request.cache_from:
            from wherry.engine.cache_import import Imports

            remote = imports = Imports(self._engine, request.cache_from, lease, progress, cancel)
            stack.callback(imports.close)
        return TravelCache(self._engine.db, self._engine.layers, lease, remote, remember=request.remember)

    def _solve(
        self,
        graph: Graph,
        request: BuildRequest,
        context: Tree | None,
        cache: TravelCache,
        steps: Steps,
        progress: Progress,
        cancel: Cancel,
    ) -> ImageConfig:
        """The finished configuration: the graph's, with the layers and a history entry for each."""
        from wherry.build.filehash import FileHashes
        from wherry.build.history import spread
        from wherry.build.ops.layer import Bench
        from wherry.build.solve import Solver
        from wherry.build.split.rules import Rules
        from wherry.build.travel_cache import LayersAway
        from wherry.build.underway import HERE
        from wherry.cancel import Within
        from wherry.engine.build_tracer import HostTracer
        from wherry.engine.builder_folders import BuilderFolders

        engine, jobs = self._engine, request.jobs or self._engine.settings.jobs
        split = Rules() if request.options.split_packages else None
        tracer = HostTracer(engine.host) if request.options.traced_cache else None
        attempt = Within(cancel) if request.cache_from else cancel
        bench = Bench(engine.host, engine.layers, cache.lease, request.options.clamp_ns, attempt, split, tracer, HERE)
        hashes = FileHashes(engine.db if request.remember else None, jobs)
        solver = Solver(bench, cache, hashes, steps, progress, context, BuilderFolders(engine))
        try:
            layers = self._solved(solver, graph, request, bench.shape, jobs)
        except LayersAway:
            # A cache broke its word: once more, with what is here and what comes at once
            cache.be_eager()
            bench = bench._replace(cancel=cancel)
            solver = Solver(bench, cache, hashes, steps, progress, context, BuilderFolders(engine))
            layers = self._solved(solver, graph, request, bench.shape, jobs)
        comments = [self._comments(added) for added in solver.added(graph)]
        return graph.config._replace(diff_ids=layers, history=spread(graph.config.history, comments))

    def _solved(
        self, solver: Solver, graph: Graph, request: BuildRequest, shape: tuple[object, ...], jobs: int
    ) -> tuple[DiffID, ...]:
        """The layers. Explained also when a step failed: as far as the build came."""
        from wherry.engine.build_explain import account
        from wherry.errors import WherryError

        try:
            layers = solver.solve(graph, jobs)
        except WherryError:
            if request.explain is not None:
                account(self._engine, request, solver, shape, is_whole=False)
            raise
        account(self._engine, request, solver, shape, is_whole=True)
        return layers

    def _comments(self, added: tuple[DiffID, ...]) -> list[str]:
        """What the history says of a step's layers, "" of the last one. Made of their content: so it is the same when
        they come from a cache.
        """
        from wherry.image.packages.layer import look, title

        return [*(f"wherry: {title(look(self._engine.layers.path(diff_id)))}" for diff_id in added[:-1]), ""]

    def _export(self, config: ImageConfig, tags: tuple[Reference, ...], progress: Progress) -> ImageRecord:
        progress.start("export", "exporting to image")
        image = self._engine.image_store.create(config, tags)
        progress.output("export", f"writing image {image.id} done\n".encode())
        for tag in tags:
            progress.output("export", f"naming to {tag} done\n".encode())
            self._engine.events.image("tag", image.id, tag.familiar)
        progress.done("export")
        return image


def _read_stdin(request: BuildRequest) -> bytes:
    from wherry.build.stdin import Replay
    from wherry.errors import InputError

    if request.stdin is None:
        raise InputError("nothing can be read from stdin")
    return Replay(request.stdin).rest()


def _parse(place: _Place, progress: Progress) -> Dockerfile:
    from wherry.dockerfile import parse

    progress.start("definition", f"[internal] load build definition from {place.name}")
    progress.output("definition", f"transferring dockerfile: {len(place.text)}B done\n".encode())
    dockerfile = parse(place.text, place.name)
    progress.done("definition")
    return dockerfile


def _tell(findings: tuple[Finding, ...], progress: Progress) -> None:
    """At the end, as buildx does."""
    if findings:
        from wherry.lint.report import summary

        for text in summary(findings):
            progress.note(text)


def _plan(dockerfile: Dockerfile, options: BuildOptions, bases: FindBase) -> Graph:
    from wherry.build.plan import plan

    return plan(dockerfile, options, bases)
