"""wherry doctor."""

from __future__ import annotations

from wherry.cli.flags import Flag, Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wherry.cli.flags import Args
    from wherry.cli.render import Output
    from wherry.engine import Engine

VERB = Verb(
    "[OPTIONS]",
    "Check that this machine has what wherry needs",
    [Flag("format", "Format output: 'json', or the default list", short="f", kind="string")],
)

_MARKS = {"ok": "ok", "warning": "!", "missing": "--"}
_COLORS = {"ok": "32", "warning": "33", "missing": "31"}


def run(engine: Engine, args: Args, out: Output) -> int:
    """0 when everything that is required is there, else 1."""
    from wherry.engine import doctor

    checks = doctor.examine(engine.settings, engine.host)
    sound = doctor.is_sound(checks)
    if args.text("format") == "json":
        out.json({"Sound": sound, "Checks": [one._asdict() for one in checks]})
        return 0 if sound else 1
    for one in checks:
        mark = _MARKS[one.status]
        if one.status == "missing" and not one.required:
            mark = "-"
        if out.color:
            mark = f"\x1b[{_COLORS[one.status]}m{mark}\x1b[0m" + " " * (2 - len(mark))
        said = " ".join(filter(None, (one.version, f"({one.where})" if one.where else "")))
        if one.status == "missing":
            said = ("missing" if one.required else f"not there: only for {one.purpose}") + (f" {said}" if said else "")
        out.line(f"{mark:<2}  {one.name:<12}  {said}".rstrip())
        if one.note:
            out.line(f"{'':<18}{one.note}")
        if one.hint:
            out.line(f"{'':<18}hint: {one.hint}")
    out.line()
    out.line("Everything that wherry needs is here." if sound else "Something that wherry needs is missing: see above.")
    return 0 if sound else 1
