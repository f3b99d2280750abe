"""What BuildKit's checks find in the Dockerfile of a build."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wherry.errors import InputError, WherryError

if TYPE_CHECKING:
    from collections.abc import Callable

    from wherry.build.options import BuildOptions
    from wherry.engine import Engine
    from wherry.engine.builds import Described
    from wherry.lint.choice import Checks
    from wherry.lint.run import Finding
    from wherry.lint.subject import BaseImage

__all__ = ["check", "findings"]


def check(described: Described, options: BuildOptions, engine: Engine | None) -> tuple[Finding, ...]:
    """`findings`, in a build. Raises: InputError where the file says `# check=error=true`, with BuildKit's words."""
    found = findings(described, options, engine)
    if found and _checks(described).is_error:
        names = ", ".join(dict.fromkeys(one.rule.name for one in found))
        raise InputError(
            f"lint violation found for rules: {names}",
            hint="wherry lint shows each; the file says check=error=true",
            where=found[0].span.where,
        )
    return found


def findings(described: Described, options: BuildOptions, engine: Engine | None) -> tuple[Finding, ...]:
    """Of base images, those that are in the store are known; nothing is pulled for it. `engine` None: none is.

    Raises: InputError where the file's directive says what no check knows.
    """
    from wherry.lint.choice import Choice
    from wherry.lint.ruleset import load
    from wherry.lint.run import run
    from wherry.lint.subject import Options, Subject

    how = Options(
        options.target,
        options.build_args,
        platform=str(options.platform or options.host_platform),
        host_platform=str(options.host_platform),
        find_base=_bases(engine, options) if engine else None,
    )
    decoded = described.text.decode(errors="replace").removeprefix("\ufeff")
    subject = Subject(described.dockerfile, decoded, how, ignore=described.ignore())
    # A comment with hadolint's name of a check silences it here too: its rules are needed to know which that is
    rules = load(["buildkit", "hadolint"] if b"hadolint" in described.text else ["buildkit"])
    found = run(subject, rules, Choice(checks=_checks(described)))
    return tuple(one for one in found if one.rule.family == "buildkit")


def _checks(described: Described) -> Checks:
    from wherry.lint.choice import Checks, parse_checks

    directive = next((one.value for one in described.dockerfile.directives if one.name == "check"), "")
    return parse_checks(directive) if directive else Checks()


def _bases(engine: Engine, options: BuildOptions) -> Callable[[str], BaseImage | None]:
    """What the store has. A name that --build-context replaces is another thing than the image."""

    def find(name: str) -> BaseImage | None:
        from wherry.lint.subject import BaseImage

        if name in options.contexts:
            return None
        try:
            config = engine.image_store.config(engine.image_store.resolve(name).id)
        except (WherryError, OSError):
            return None
        env = dict(one.partition("=")[::2] for one in config.config.env)
        return BaseImage(env, tuple(config.config.shell or ()), str(config.platform))

    return find
