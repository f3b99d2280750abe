"""The flags of `wherry build` that lend something to the build."""

from __future__ import annotations

from wherry.cli.flags import Flag

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wherry.build.named_context import NamedContext
    from wherry.build.secrets import SecretSource, SshSource
    from wherry.cli.flags import Args

__all__ = ["FLAGS", "contexts", "secrets", "ssh"]

FLAGS = (
    Flag(
        "build-context",
        "Something that takes the place of a stage or image: NAME=FOLDER|docker-image://IMAGE|oci-layout://PATH|URL",
        kind="list",
    ),
    Flag("secret", "Secret for RUN steps that mount it: id=NAME[,src=FILE|,env=VARIABLE]", kind="list"),
    Flag("ssh", "ssh agent, or keys, for RUN steps that mount it: default|NAME[=SOCKET|KEY[,KEY]]", kind="list"),
)


def contexts(args: Args) -> dict[str, NamedContext]:
    """Raises: InputError."""
    if not args.given("build-context"):
        return {}
    from wherry.build.named_context import parse_context

    return dict(map(parse_context, args.all("build-context")))


def secrets(args: Args) -> tuple[SecretSource, ...]:
    """Raises: InputError."""
    if not args.given("secret"):
        return ()
    from wherry.build.secrets import parse_secret

    return tuple(map(parse_secret, args.all("secret")))


def ssh(args: Args) -> tuple[SshSource, ...]:
    """Raises: InputError."""
    if not args.given("ssh"):
        return ()
    from wherry.build.secrets import parse_ssh

    return tuple(map(parse_ssh, args.all("ssh")))
