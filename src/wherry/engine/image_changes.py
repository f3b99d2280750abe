"""`--change` of import and commit: Dockerfile lines that say how an image runs."""

from __future__ import annotations

from wherry.errors import InputError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from wherry.oci.config import ImageConfig

__all__ = ["changed"]

_CHANGES = frozenset({
    "CMD", "ENTRYPOINT", "ENV", "EXPOSE", "HEALTHCHECK", "LABEL", "ONBUILD", "STOPSIGNAL", "USER", "VOLUME", "WORKDIR",
})  # fmt: skip


def changed(config: ImageConfig, lines: Sequence[str]) -> ImageConfig:
    """`config` after the Dockerfile lines. Raises: DockerfileError, InputError for an instruction that does work."""
    if not lines:
        return config
    from wherry.build.options import Base, BuildOptions
    from wherry.build.plan import plan
    from wherry.dockerfile import parse

    for line in lines:
        word = line.split(maxsplit=1)[0].upper() if line.strip() else ""
        if word not in _CHANGES:
            raise InputError(
                f"{word.lower() or 'an empty line'} is not a valid change command",
                hint=f"--change takes {', '.join(sorted(_CHANGES))}",
            )
    text = "\n".join(["FROM imported", *lines, ""])
    base = Base("imported", config, ())
    graph = plan(parse(text.encode(), "--change"), BuildOptions(host_platform=config.platform), lambda *_: base)
    env = graph.config.config.env
    # A build gives every stage a PATH; docker's import and commit do not
    has_path = any(one.startswith("PATH=") for one in config.config.env)
    if not has_path and not any(line.split(maxsplit=1)[0].upper() == "ENV" and "PATH" in line for line in lines):
        env = tuple(one for one in env if not one.startswith("PATH="))
    return config._replace(config=graph.config.config._replace(env=env))
