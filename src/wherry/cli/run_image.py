"""What `run` and `create` do about an image: docker's --pull."""

from __future__ import annotations

from wherry.errors import NotFound, RegistryError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wherry.cli.render import Output
    from wherry.engine import Engine
    from wherry.oci.platform import Platform
    from wherry.oci.reference import Reference
    from wherry.runtime.options import RunOptions

__all__ = ["require_image"]


def _require_platform(actual: Platform, image: str, wanted: str) -> None:
    from wherry.oci.platform import Platform

    parsed = Platform.parse(wanted)
    if (parsed.os, parsed.architecture) != (actual.os, actual.architecture):
        raise NotFound(
            f"image with reference {image} was found but does not match the specified platform: "
            f"wanted {parsed}, actual: {actual}",
            hint=f"wherry build --platform {wanted}, or load an image for it",
        )


def require_image(engine: Engine, image: str, options: RunOptions, out: Output, *, quiet: bool = False) -> None:
    """See to it that `image` is here; what is here is never asked for, but with --pull always.

    Raises: NotFound that says how to get the image, and what a pull raises.
    """
    from wherry.oci.reference import Reference

    if options.network == "host" and (options.ports or options.publish_all):
        out.error("WARNING: Published ports are discarded when using host network mode")
    if options.pull == "always":
        return _fetch(engine, Reference.parse(image), options, out, quiet=quiet)
    try:
        found = engine.images.resolve(image)
        if options.platform:
            _require_platform(engine.images.config(found.id).platform, image, options.platform)
        return None
    except NotFound as fault:
        near = fault.hint
    reference = Reference.parse(image)
    if options.pull == "never":
        raise NotFound(f"No such image: {reference.familiar}", hint=near)
    if not quiet:
        out.error(f"Unable to find image '{reference.familiar}' locally")
    try:
        return _fetch(engine, reference, options, out, quiet=quiet)
    except (NotFound, RegistryError) as fault:
        # A slip of the fingers is likelier than a registry that is not what it was yesterday
        fault.hint = "; ".join(filter(None, (near, fault.hint))) or None
        raise


def _fetch(engine: Engine, reference: Reference, options: RunOptions, out: Output, *, quiet: bool) -> None:
    from wherry.cli.pull import fetch
    from wherry.engine.pull import PullRequest
    from wherry.errors import Unreachable
    from wherry.oci.platform import Platform

    platform = Platform.parse(options.platform) if options.platform else None
    try:
        fetch(engine, PullRequest(reference, platform), out, quiet=quiet, on_stderr=True)
    except Unreachable as fault:
        if options.pull == "always" and _is_here(engine, reference):
            fault.hint = "without --pull always the image that is here is used"
        raise


def _is_here(engine: Engine, reference: Reference) -> bool:
    try:
        return bool(engine.images.resolve(str(reference)))
    except NotFound:
        return False
