"""What `run` and `create` do about an image that is not here: docker's --pull, as far as there are registries yet."""

from __future__ import annotations

from wherry.errors import NotFound, Unsupported

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wherry.cli.render import Output
    from wherry.engine import Engine
    from wherry.oci.platform import Platform
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


def require_image(engine: Engine, image: str, options: RunOptions, out: Output) -> None:
    """Raises: NotFound that says how to get the image; Unsupported for --pull always."""
    from wherry.oci.reference import Reference

    if options.network == "host" and (options.ports or options.publish_all):
        out.error("WARNING: Published ports are discarded when using host network mode")
    if options.pull == "always":
        raise Unsupported(
            f"pulling {image} is not supported yet: there is no registry client in this version",
            hint="without --pull always the local image is used",
        )
    try:
        found = engine.images.resolve(image)
        if options.platform:
            _require_platform(engine.images.config(found.id).platform, image, options.platform)
        return
    except NotFound as fault:
        near = fault.hint
    reference = Reference.parse(image)
    if options.pull == "never":
        raise NotFound(f"No such image: {reference.familiar}", hint=near)
    from wherry.engine.bootstrap import can_make

    out.error(f"Unable to find image '{reference.familiar}' locally")
    way = f"wherry bootstrap {reference.familiar}" if can_make(reference.familiar) else "wherry load, import or build"
    raise NotFound(
        f"pulling {reference.familiar} is not supported yet: there is no registry client in this version",
        hint=f"{way} makes an image here" + (f"; {near}" if near else ""),
    )
