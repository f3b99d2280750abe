"""What BuildKit's checks find in the Dockerfile of a build."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wherry.errors import InputError

if TYPE_CHECKING:
    from wherry.build.options import BuildOptions
    from wherry.dockerfile import Dockerfile
    from wherry.lint.run import Finding

__all__ = ["check"]


def check(dockerfile: Dockerfile, text: bytes, options: BuildOptions) -> tuple[Finding, ...]:
    """Base images are not looked at: a variable that one may set is not told.

    Raises: InputError where the file says `# check=error=true`, with BuildKit's words, or says what no check knows.
    """
    from wherry.lint.choice import Checks, Choice, parse_checks
    from wherry.lint.ruleset import load
    from wherry.lint.run import run
    from wherry.lint.subject import Options, Subject

    directive = next((one.value for one in dockerfile.directives if one.name == "check"), "")
    checks = parse_checks(directive) if directive else Checks()
    how = Options(options.target, options.build_args)
    if options.platform:
        how = how._replace(platform=str(options.platform))
    decoded = text.decode(errors="replace").removeprefix("\ufeff")
    found = run(Subject(dockerfile, decoded, how), load(["buildkit"]), Choice(checks=checks))
    if found and checks.is_error:
        names = ", ".join(dict.fromkeys(one.rule.name for one in found))
        where = found[0].span
        raise InputError(
            f"lint violation found for rules: {names}",
            hint="wherry lint shows each; the file says check=error=true",
            where=where.where,
        )
    return found
