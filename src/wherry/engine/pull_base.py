"""The images that a Dockerfile's FROM, COPY --from and mounts name: found here, or pulled, each once for a build."""

from __future__ import annotations

from wherry.errors import NotFound, RegistryError, Unreachable, WherryError
from wherry.oci.reference import Reference

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from wherry.build.options import Base
    from wherry.build.progress import Progress
    from wherry.cancel import Cancel
    from wherry.engine import Engine
    from wherry.oci.platform import Platform
    from wherry.store.images import ImageRecord

__all__ = ["Bases"]

_STEP_BYTES = 16 << 20


class Bases:
    """`build.options.FindBase`. With `pull` (build --pull) the registry is asked for each image, else for missing ones.

    What is here is used without asking: a build works offline, and a stand-in of `wherry bootstrap` stays in use.
    """

    def __init__(self, engine: Engine, pull: bool, progress: Progress, cancel: Cancel) -> None:
        self._engine, self._pull, self._progress, self._cancel = engine, pull, progress, cancel
        self._found: dict[tuple[str, Platform | None], Base] = {}

    def __call__(self, name: str, platform: Platform | None) -> Base:
        """Raises: NotFound (the hint says how to get it), IntegrityError, InvalidSpec, DiskFull, Cancelled."""
        key = (name, platform)
        if key not in self._found:
            self._found[key] = self._find(name, platform)
        return self._found[key]

    def _find(self, name: str, platform: Platform | None) -> Base:
        from wherry.build.options import Base

        image, missing = self._local(name)
        if image is None:
            image = self._fetch(name, platform, missing)
        elif self._pull and not _is_id(name, image):
            image = self._newer(name, platform, image)
        elif not self._is_for(image, platform):
            image = self._other_platform(name, platform, image)
        config = self._engine.image_store.config(image.id)
        self._notice(name, config.config.labels)
        return Base(name, config, image.layers)

    def _local(self, name: str) -> tuple[ImageRecord | None, NotFound | None]:
        try:
            return self._engine.image_store.resolve(name), None
        except NotFound as fault:
            return None, fault

    def _is_for(self, image: ImageRecord, platform: Platform | None) -> bool:
        actual = self._engine.image_store.config(image.id).platform
        return platform is None or (actual.os, actual.architecture) == (platform.os, platform.architecture)

    def _fetch(self, name: str, platform: Platform | None, missing: NotFound | None) -> ImageRecord:
        try:
            return self._step(name, platform)
        except (RegistryError, NotFound) as fault:
            raise _missing(name, fault, missing) from None

    def _newer(self, name: str, platform: Platform | None, image: ImageRecord) -> ImageRecord:
        """build --pull. A stand-in has no registry that it came from, so it may stay."""
        from wherry.bootstrap.recipe import LABEL

        try:
            return self._step(name, platform)
        except Unreachable as fault:
            if LABEL in self._engine.image_store.config(image.id).config.labels:
                self._progress.note(f"--pull: {fault}; the stand-in that is here is used")
                return image
            fault.hint = f"without --pull the {name} that is here is used"
            raise

    def _other_platform(self, name: str, platform: Platform | None, image: ImageRecord) -> ImageRecord:
        """What is here is for another platform; when there is no other to be had, the plan says so."""
        try:
            return self._step(name, platform)
        except (RegistryError, NotFound):
            return image

    def _step(self, name: str, platform: Platform | None) -> ImageRecord:
        from wherry.engine.pull import PullRequest, pull

        reference = Reference.parse(name)
        key = f"pull {reference} {platform or ''}"
        self._progress.start(key, f"[internal] pull {reference}")
        try:
            found = pull(self._engine, PullRequest(reference, platform), _Step(self._progress, key), self._cancel)
        except WherryError as fault:
            self._progress.failed(key, str(fault))
            raise
        self._progress.output(key, f"{found.digest} done\n".encode())
        self._progress.done(key)
        return found.image

    def _notice(self, name: str, labels: Mapping[str, str]) -> None:
        from wherry.bootstrap.recipe import LABEL

        if LABEL in labels:
            self._progress.note(f"{name} is a stand-in that was made on this machine ({labels[LABEL]})")


class _Step:
    """A TransferWatch that writes into a step of the build: a line for each layer, more for a large one."""

    def __init__(self, progress: Progress, key: str) -> None:
        self._progress, self._key = progress, key
        self._totals: dict[str, int] = {}
        self._told: dict[str, int] = {}

    def _line(self, text: str) -> None:
        self._progress.output(self._key, f"{text}\n".encode())

    def start(self, short: str, what: str, total: int) -> None:
        if what == "Downloading":
            self._totals[short] = total

    def advance(self, short: str, done: int) -> None:
        if done - self._told.get(short, 0) >= max(_STEP_BYTES, self._totals.get(short, 0) // 8):
            self._told[short] = done
            self._line(f"{short}: {done >> 20}MB of {self._totals.get(short, 0) >> 20}MB")

    def finish(self, short: str, what: str) -> None:
        self._line(f"{short}: {what}")

    def note(self, line: str) -> None:
        self._line(line)


def _is_id(name: str, image: ImageRecord) -> bool:
    from wherry.store.removal import is_id_prefix

    return is_id_prefix(image, name)


def _missing(name: str, fault: WherryError, missing: NotFound | None) -> NotFound:
    """Not here, and not to be had: why, and what else brings it here."""
    from wherry.engine.bootstrap import can_make

    close = missing.hint if missing else None
    if isinstance(fault, Unreachable) and can_make(name):
        hint = f"make a stand-in on this machine: wherry bootstrap {name}"
    elif close:
        hint = f"{close} (or bring the image here: wherry pull, wherry load)"
    else:
        hint = fault.hint or "bring the image here: wherry pull, wherry load, wherry import"
    return NotFound(f"the base image {name} is not on this machine, and could not be pulled: {fault}", hint=hint)
