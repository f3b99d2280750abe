"""wherry build --check and --call: what docker answers about a build without building."""

from __future__ import annotations

from typing import NamedTuple

from wherry.cli.flags import Flag, FlagError
from wherry.cli.render import clean

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from wherry.cli.flags import Args
    from wherry.cli.render import Output
    from wherry.engine import Engine
    from wherry.engine.build_call import Secret
    from wherry.engine.builds import BuildRequest, Described
    from wherry.lint.run import Finding

__all__ = ["FLAGS", "Call", "parse", "run"]

FLAGS = (
    Flag("call", "Answer about the build instead of building: check, outline or targets", kind="string",
         default="build", type_name="METHOD"),
    Flag("check", "Shorthand for --call=check: look for mistakes in the Dockerfile, exit with 1 if there are any"),
)  # fmt: skip
_METHODS = ("build", "check", "outline", "targets")
FOUND = 1


class Call(NamedTuple):
    """`ignores_status`: findings do not make the command fail."""

    method: str
    is_json: bool = False
    ignores_status: bool = False


def parse(args: Args) -> Call | None:
    """None for a build. Raises: FlagError."""
    text = args.text("call")
    method, *fields = text.split(",")
    wrong = f'invalid argument "{text}" for "--call" flag'
    # Differs from docker: other requests of a frontend (subrequests.describe) are not known, there is no frontend
    if method not in _METHODS:
        raise FlagError(f"{wrong}: it is build, check, outline or targets, with ,format=json where wanted")
    call = Call(method)
    for field in fields:
        name, _, value = field.partition("=")
        if name == "format" and value in ("json", "text"):
            call = call._replace(is_json=value == "json")
        elif name == "ignorestatus" and value in ("true", "1", "false", "0", ""):
            call = call._replace(ignores_status=value not in ("false", "0"))
        else:
            raise FlagError(f"{wrong}: after the method come format=text|json and ignorestatus=true")
    if args.on("check"):
        if args.given("call") and method != "check":
            raise FlagError(f"--check is --call=check, and --call={method} was given too")
        call = call._replace(method="check")
    if call.method == "build":
        return None
    if args.on("explain") or args.on("check-reproducible"):
        raise FlagError(f"--call={call.method} builds nothing: there is nothing to explain or to compare")
    return call


def run(engine: Engine, call: Call, request: BuildRequest, out: Output) -> int:
    """The answer goes to stdout. 1 when the checks find something."""
    described = engine.builds.describe(request)
    if call.method == "check":
        from wherry.engine.build_lint import findings

        found = findings(described, request.options, engine)
        _show_check(found, described, out, is_json=call.is_json)
        return FOUND if found and not call.ignores_status else 0
    if call.method == "outline":
        _show_outline(described, request, out, is_json=call.is_json)
    else:
        _show_targets(described, out, is_json=call.is_json)
    return 0


def _show_check(found: Sequence[Finding], described: Described, out: Output, *, is_json: bool) -> None:
    from wherry.lint import report

    if is_json:
        out.json(report.buildkit(found, described.name, described.text), indent=2)
        return
    for line in report.text(found):
        out.line(line)


def _place(line: int) -> dict[str, Any]:
    return {"ranges": [{"start": {"line": line}, "end": {"line": line}}]}


def _show_outline(described: Described, request: BuildRequest, out: Output, *, is_json: bool) -> None:
    from wherry.engine.build_call import outline

    found = outline(described.dockerfile, request.options.target, request.options.build_args)
    if is_json:
        document: dict[str, Any] = {"name": found.target, "description": found.description}
        document["args"] = [
            {"name": one.name, "description": one.description, "value": one.value, "location": _place(one.line)}
            for one in found.args
        ]
        document["secrets"], document["ssh"] = _secrets(found.secrets), _secrets(found.ssh)
        out.json({name: value for name, value in document.items() if value}, indent=2)
        return
    out.line(f"TARGET:      {found.target or 'default'}")
    if found.description:
        out.line(f"DESCRIPTION: {clean(found.description)}")
    if found.args:
        out.line()
        rows = [(one.name, clean(one.value), clean(one.description)) for one in found.args]
        out.table(("BUILD ARG", "VALUE", "DESCRIPTION"), rows)
    for title, ones in (("SECRET", found.secrets), ("SSH", found.ssh)):
        if ones:
            out.line()
            out.table((title, "REQUIRED"), [(one.name, "true" if one.is_required else "") for one in ones])


def _secrets(ones: Sequence[Secret]) -> list[dict[str, Any]]:
    return [{"name": one.name, "required": one.is_required, "location": _place(one.line)} for one in ones]


def _show_targets(described: Described, out: Output, *, is_json: bool) -> None:
    from wherry.engine.build_call import targets

    found = targets(described.dockerfile)
    if is_json:
        rows = [
            {
                "name": one.name,
                "default": one.is_default,
                "description": one.description,
                "base": one.base,
                "platform": one.platform,
                "location": _place(one.line),
            }
            for one in found
        ]
        out.json({"targets": [{key: value for key, value in row.items() if value} for row in rows]}, indent=2)
        return
    named = [one for one in found if one.name or one.is_default]
    names = [f"{one.name} (default)" if one.name and one.is_default else one.name or "(default)" for one in named]
    out.table(
        ("TARGET", "DESCRIPTION"), [(name, clean(one.description)) for name, one in zip(names, named, strict=True)]
    )
