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
        _check(line.split(maxsplit=1)[0].upper() if line.strip() else "")
    text = "\n".join(["FROM imported", *lines, ""])
    dockerfile = parse(text.encode(), "--change")
    # Line feeds and backslashes make other instructions of the lines than their first words
    for number, stage in enumerate(dockerfile.stages):
        for word in ["FROM"][:number] + [type(one).__name__.upper() for one in stage.instructions]:
            _check(word)
    base = Base("imported", config, ())
    graph = plan(dockerfile, BuildOptions(host_platform=config.platform), lambda *_: base)
    env = graph.config.config.env
    # A build gives every stage a PATH; docker's import and commit do not
    has_path = any(one.startswith("PATH=") for one in config.config.env)
    if not has_path and not any(line.split(maxsplit=1)[0].upper() == "ENV" and "PATH" in line for line in lines):
        env = tuple(one for one in env if not one.startswith("PATH="))
    return config._replace(config=graph.config.config._replace(env=env))


def _check(word: str) -> None:
    """Raises: InputError, as docker says it."""
    if word not in _CHANGES:
        raise InputError(
            f"{word.lower() or 'an empty line'} is not a valid change command",
            hint=f"--change takes {', '.join(sorted(_CHANGES))}",
        )
