"""The flags of `wherry build` for caches that travel."""

from __future__ import annotations

from wherry.cli.flags import Flag

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from wherry.build.travel_spec import CacheFrom, CacheTo
    from wherry.cli.flags import Args

__all__ = ["FLAGS", "cache_from", "cache_to"]

FLAGS = (
    Flag("cache-from", "A cache to use: user/app:cache, or type=registry|local|gha,NAME=VALUE,...", kind="list"),
    Flag("cache-to", "Where to put this build's cache: type=registry|local|inline|gha,NAME=VALUE,...", kind="list"),
)
_INLINE = "BUILDKIT_INLINE_CACHE"


def cache_from(args: Args) -> tuple[CacheFrom, ...]:
    """Raises: InputError, Unsupported."""
    if not args.given("cache-from"):
        return ()
    from wherry.build.travel_spec import parse_from

    return tuple(map(parse_from, args.all("cache-from")))


def cache_to(args: Args, build_args: Mapping[str, str]) -> tuple[CacheTo, ...]:
    """`--build-arg BUILDKIT_INLINE_CACHE=1` is type=inline. Raises: InputError, Unsupported."""
    texts = args.all("cache-to")
    if build_args.get(_INLINE, "") in {"1", "true", "True", "t", "T", "TRUE"} and "type=inline" not in texts:
        texts = (*texts, "type=inline")
    if not texts:
        return ()
    from wherry.build.travel_spec import parse_to

    return tuple(map(parse_to, texts))
