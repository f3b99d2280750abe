"""wherry lint."""

from __future__ import annotations

from wherry.cli.flags import Flag, FlagError, Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wherry.cli.flags import Args
    from wherry.cli.render import Output
    from wherry.engine import Engine
    from wherry.engine.lint import Linted, LintRequest

__all__ = ["VERB", "run"]

FOUND = 1
"""The exit code when something is found that counts: docker's for `build --check`, hadolint's too."""
_LARGEST_BYTES = 1 << 20

VERB = Verb(
    "[OPTIONS] [PATH | -]",
    "Check a Dockerfile and its project for mistakes",
    [
        Flag("diff", "With --fix: print what would change and write nothing"),
        Flag("failure-threshold", "Exit with 1 from this level on: error, warning, info, style or none "
             '(default "warning")', short="t", kind="string", type_name="LEVEL"),
        Flag("file", "The Dockerfile (default: PATH/Dockerfile)", short="f", kind="string"),
        Flag("fix", "Repair what can be repaired without changing what the image means"),
        Flag("format", "Print the findings as text, json or sarif", kind="string", default="text"),
        Flag("ignore", "Leave a rule out", kind="list", type_name="RULE"),
        Flag("only", "Run this rule alone (also one that is off by default)", kind="list", type_name="RULE"),
    ],
    most=1,
    examples=[
        "wherry lint",
        "wherry lint -f prod.Dockerfile --ignore DL3008 .",
        "wherry lint --fix --diff",
        "wherry lint --format sarif > lint.sarif",
        "wherry lint - < Dockerfile",
    ],
)  # fmt: skip


def run(engine: Engine, args: Args, out: Output) -> int:
    """Findings go to stdout. 1 when one is as bad as the threshold, or worse."""
    from wherry.engine import lint
    from wherry.lint.choice import at_least

    kind = args.text("format")
    if kind not in ("text", "json", "sarif"):
        raise FlagError(f'invalid argument "{kind}" for "--format" flag: it is text, json or sarif')
    if args.on("diff") and not args.on("fix"):
        raise FlagError("--diff shows what --fix would change: give --fix with it")
    found = lint.lint(engine.settings.cwd, _request(args, out))
    findings = found.findings
    if args.on("fix"):
        fixed = lint.fix(found)
        if args.on("diff") or not found.path:
            # Of stdin the repaired text is the result, as formatters have it
            out.write(_diff(found, fixed.text) if args.on("diff") else fixed.text)
            return 0
        if fixed.done:
            lint.write(found, fixed.text)
            count = len(fixed.done)
            out.error(f"{found.name}: {count} finding{'s' if count > 1 else ''} repaired")
        findings = fixed.left
    _show(found._replace(findings=findings), kind, out)
    limit = found.settings.failure_threshold or "warning"
    return FOUND if limit != "none" and any(at_least(one.level, limit) for one in findings) else 0


def _request(args: Args, out: Output) -> LintRequest:
    """Raises: FlagError, InputError."""
    from wherry.engine.lint import LintRequest
    from wherry.errors import InputError
    from wherry.lint.settings import Settings, threshold

    level = args.text("failure-threshold")
    try:
        limit = threshold(level, "it") if level else ""
    except InputError as fault:
        raise FlagError(f'invalid argument "{level}" for "--failure-threshold" flag: {fault.message}') from None
    settings = Settings(_names(args.all("ignore")), _names(args.all("only")), limit)
    path = args.rest[0] if args.rest else "."
    stdin = None
    if "-" in (path, args.text("file")):
        stdin = _stdin(out)
    return LintRequest(path, args.text("file"), stdin, settings)


def _names(words: tuple[str, ...]) -> frozenset[str]:
    """Each flag takes one name or several with commas."""
    return frozenset(name for word in words for name in word.split(",") if name)


def _stdin(out: Output) -> bytes:
    """Raises: InputError for more than any Dockerfile has."""
    import os

    from wherry.errors import InputError

    if out.in_fd is None:
        raise InputError("nothing can be read from stdin")
    parts, size = [], 0
    while data := os.read(out.in_fd, 1 << 16):
        parts.append(data)
        size += len(data)
        if size > _LARGEST_BYTES:
            raise InputError("stdin is larger than 1 MB", hint="is it really a Dockerfile?")
    return b"".join(parts)


def _show(found: Linted, kind: str, out: Output) -> None:
    from wherry.lint import report

    if kind == "json":
        out.json(report.json_document(found.findings, found.name))
    elif kind == "sarif":
        from wherry._version import __version__

        out.json(report.sarif(found.findings, found.name, __version__), indent=2)
    else:
        for line in report.text(found.findings):
            out.line(line)


def _diff(found: Linted, text: str) -> str:
    """Unified, as `git apply` takes it."""
    import difflib

    before, after = found.subject.text.splitlines(keepends=True), text.splitlines(keepends=True)
    return "".join(difflib.unified_diff(before, after, f"a/{found.name}", f"b/{found.name}"))
