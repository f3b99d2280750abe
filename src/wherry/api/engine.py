"""`wherry.Engine`: the engine of this machine, with the verbs that Python programs want most."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import Unpack

from wherry import engine as composition
from wherry.api.container import Container
from wherry.api.finished import CommandFailed, Finished
from wherry.api.wishes import Command, RunWishes, run_options, words_of
from wherry.errors import NotFound

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wherry.api.compose import Compose
    from wherry.build.progress import Progress
    from wherry.contract.model import Contract
    from wherry.engine.push import Pushed
    from wherry.engine.verify import Verified
    from wherry.registry.watch import TransferWatch
    from wherry.runtime.options import RunOptions
    from wherry.store.images import ImageRecord

__all__ = ["Engine"]


class Engine(composition.Engine):
    """What `wherry` on the command line works with; close it, or use `with`.

    `root` is --root (None: WHERRY_ROOT, else this machine's own), `env` what `-e NAME` copies from (None: our own).
    The parts below have all the verbs: `containers`, `images`, `volumes`, `networks`, `builds`, `registries`, `events`.
    Needs root, as the command line does.
    """

    def __init__(
        self,
        root: str | os.PathLike[str] | None = None,
        *,
        env: Mapping[str, str] | None = None,
        runtime: str = "",
        jobs: int = 0,
    ) -> None:
        from wherry.host.linux import LinuxHost
        from wherry.settings import Paths, Settings

        known = dict(os.environ if env is None else env)
        where = os.fspath(root) if root is not None else known.get("WHERRY_ROOT", "")
        paths = Paths.for_user(known, os.geteuid(), os.path.abspath(where) if where else None)
        count = jobs or os.cpu_count() or 2
        settings = Settings(paths, known, os.geteuid(), os.getcwd(), jobs=count, runtime=runtime)
        super().__init__(settings, LinuxHost(known))
        self.closing = ExitStack()
        """What is to be done when it is closed, the last first."""

    def close(self) -> None:
        self.closing.close()
        super().close()

    def run(
        self,
        image: str,
        command: Command = (),
        *,
        input: bytes | None = None,
        check: bool = True,
        timeout_s: float | None = None,
        **wishes: Unpack[RunWishes],
    ) -> Finished:
        """Run a command in a new container to its end, and remove that: `subprocess.run` in an image.

        Raises: CommandFailed unless `check` is False, TimeoutError (the container is killed), NotFound (image),
        CommandNotFound, NotExecutable, RuntimeFailure, FlagError (a wish that makes no sense, in docker's words).
        """
        from wherry.api.capture import capture

        options = self._options(image, command, wishes)._replace(stdin=input is not None, remove=False)
        with self._create(image, options) as box:
            finished, is_late = capture(
                lambda streams: self.containers.start(box.id, streams), input, timeout_s, box.kill
            )
        if is_late:
            raise TimeoutError(f"{_shown(image, command)} was killed after {timeout_s:g} s")
        if check and finished.code:
            raise CommandFailed(_shown(image, command), finished)
        return finished

    def start(self, image: str, command: Command = (), **wishes: Unpack[RunWishes]) -> Container:
        """A new container that runs in the background; `with` removes it at the end. Raises: as `run`."""
        options = self._options(image, command, wishes)._replace(detach=True)
        self._require(image, options)
        id, _ = self.containers.run(image, options)
        return Container(self, id)

    def create(self, image: str, command: Command = (), **wishes: Unpack[RunWishes]) -> Container:
        """A new container that does not run yet. Raises: as `run`."""
        return self._create(image, self._options(image, command, wishes))

    def container(self, name: str) -> Container:
        """By name, id, or what an id begins with. Raises: NotFound, Conflict when several do."""
        return Container(self, self.containers.find(name).id)

    def ps(self, *, all: bool = False) -> list[Container]:
        """Those that run, or all, the newest first."""
        return [Container(self, one.row.id) for one in self.containers.list(all=all)]

    def compose(
        self, folder: str | os.PathLike[str] = ".", *, files: Sequence[str] = (), name: str = "",
        profiles: Sequence[str] = (), env_files: Sequence[str] = (),
    ) -> Compose:  # fmt: skip
        """The project in `folder` (or of `files`, relative to it), as `wherry compose` finds and reads it.

        Raises: ComposeError, with the place in the file.
        """
        from wherry.api.compose import Compose
        from wherry.compose.load import LoadRequest, load

        request = LoadRequest(
            current_dir=os.path.abspath(folder), environment=self.settings.env, files=tuple(files), project_name=name,
            profiles=tuple(profiles), env_files=tuple(env_files),
        )  # fmt: skip
        return Compose(self, load(request))

    def pull(self, image: str, *, platform: str = "", watch: TransferWatch | None = None) -> ImageRecord:
        """Raises: NotFound, Unauthorized, Unreachable, RegistryError, IntegrityError."""
        from wherry.engine.pull import PullRequest, pull
        from wherry.oci.platform import Platform
        from wherry.oci.reference import Reference
        from wherry.registry.watch import Silent

        request = PullRequest(Reference.parse(image), Platform.parse(platform) if platform else None)
        return pull(self, request, watch or Silent()).image

    def push(self, image: str, *, watch: TransferWatch | None = None) -> Pushed:
        """Raises: NotFound (here), Unauthorized, Denied, RegistryError."""
        from wherry.engine.push import PushRequest, push
        from wherry.oci.reference import Reference
        from wherry.registry.watch import Silent

        return push(self, PushRequest(Reference.parse(image)), watch or Silent())

    def build(
        self,
        context: str | os.PathLike[str] = ".",
        *,
        tag: str | Sequence[str] = (),
        file: str = "",
        target: str = "",
        build_args: Mapping[str, str] | None = None,
        flags: Sequence[str] = (),
        progress: Progress | None = None,
    ) -> ImageRecord:
        """`flags` are more of `wherry build`'s. Raises: DockerfileError, NotFound (a base image), StepFailed."""
        from wherry.build.progress import Quiet
        from wherry.cancel import Cancel
        from wherry.cli import build
        from wherry.cli import flags as cli_flags

        argv = [f"--tag={one}" for one in ([tag] if isinstance(tag, str) else tag)]
        argv += [f"--file={file}"] * bool(file) + [f"--target={target}"] * bool(target)
        argv += [f"--build-arg={name}={value}" for name, value in (build_args or {}).items()]
        args = cli_flags.parse("wherry build", build.VERB, [*argv, *flags, "--", os.fspath(context)])
        cancel = Cancel()
        try:
            return self.builds.build(build.request(self, args, None), progress or Quiet(), cancel)
        except KeyboardInterrupt:
            cancel.set()
            raise

    def verify(
        self, target: str, *, contract: str | os.PathLike[str] | Contract | None = None, against: str = "",
        headers: Mapping[str, str] | None = None, timeout_s: float | None = None, attach: bool = False,
    ) -> Verified:  # fmt: skip
        """`wherry verify` of an image, or of a URL: `.is_good`, `.summary`, `.results`, `.document()`.

        Raises: NotReady, Unreachable, NotFound, InputError (a contract that can't be read).
        """
        from wherry.engine.verify import VerifyRequest, verify
        from wherry.engine.verify_contract import load

        found = load(os.path.abspath(contract)) if isinstance(contract, str | os.PathLike) else contract
        pairs = tuple((headers or {}).items())
        request = VerifyRequest(target, found, pairs, against, timeout_s, attach=attach)
        return verify(self, request)

    def _options(self, image: str, command: Command, wishes: RunWishes) -> RunOptions:
        return run_options(image, command, wishes, self.settings)

    def _create(self, image: str, options: RunOptions) -> Container:
        self._require(image, options)
        return Container(self, self.containers.create(image, options).id)

    def _require(self, image: str, options: RunOptions) -> None:
        """As `docker run`: what is here is used, what is not is pulled."""
        if options.pull != "always":
            try:
                self.images.resolve(image)
            except NotFound:
                if options.pull == "never":
                    raise
            else:
                return
        self.pull(image, platform=options.platform)


def _shown(image: str, command: Command) -> str:
    words = words_of(command)
    return f"{words[0]} in {image}" if words else image
