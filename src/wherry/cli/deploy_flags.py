"""The flags of `wherry deploy`: as declared, and what they wish for."""

from __future__ import annotations

import os
import re

from wherry.cli.flags import Flag, FlagError
from wherry.deploy.options import OPTIONS
from wherry.errors import InputError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from wherry.cli.flags import Args
    from wherry.deploy.options import Option
    from wherry.deploy.target import Chosen
    from wherry.deploy.wishes import Wishes
    from wherry.settings import Settings

__all__ = ["COMMON", "OPTION", "check", "chosen", "every_option", "of_target", "wishes"]

OPTION = Flag("option", "An option of a target that another package brings (KEY=VALUE)", kind="list")

COMMON = (
    Flag("image", "The image (default: wherry.toml's, or the compose service's)", kind="string"),
    Flag("name", "The deployment's name (default: the image's)", kind="string"),
    Flag("env", "Set environment variables", short="e", kind="list"),
    Flag("env-file", "Read in a file of environment variables", kind="list"),
    Flag("secret", "A variable from the platform's secret store: NAME=file:PATH, NAME=env:VARIABLE or NAME=ref:NAME",
         kind="list"),
    Flag("cpu", "CPUs of one instance, as 0.5 (default 1)", kind="string"),
    Flag("memory", "Memory of one instance, as 512m (default 2g)", short="m", kind="string"),
    Flag("gpu", "GPUs of one instance: NUMBER or NUMBER:KIND", kind="string"),
    Flag("min", "Run at least this many instances (default 1)", kind="int"),
    Flag("max", "Run at most this many instances (default: as --min)", kind="int"),
    Flag("port", "The port that answers requests (default: the one that the image exposes)", short="p", kind="string"),
    Flag("health", "Path that answers when an instance takes requests, or none (default: of the HEALTHCHECK)",
         kind="string"),
    Flag("live", "Path that answers as long as an instance need not be restarted, or none", kind="string"),
    Flag("concurrency", "Requests at once of one instance", kind="int"),
    Flag("command", "Overwrite the image's CMD: one line, split as a shell does", kind="string"),
    Flag("entrypoint", "Overwrite the image's ENTRYPOINT: one line, split as a shell does", kind="string"),
    Flag("weights", "Mount a model artifact: REFERENCE:/FOLDER", kind="list"),
    Flag("label", "Set a label (KEY=VALUE)", short="l", kind="list"),
    Flag("grace", "Time from the stop signal to the kill (default 30s)", kind="string"),
    Flag("compose", "Take the service of this compose file", short="f", kind="string", type_name="FILE"),
    Flag("service", "Which service of the compose file", kind="string"),
    Flag("contract", "Verify what answers by this prediction contract", kind="string", type_name="FILE"),
    Flag("verify-url", "Verify at this URL (default: the deployment's own)", kind="string", type_name="URL"),
    Flag("no-verify", "Do not ask what was deployed"),
    Flag("no-rollback", "Leave it as it is when it does not get healthy"),
    Flag("timeout", "How long it may take to get healthy", kind="string", default="10m"),
    Flag("dry-run", "Show what would be done, and do nothing"),
    Flag("yes", "Do not ask", short="y"),
    Flag("output", "Write the documents into this folder, and deploy nothing", short="o", kind="string",
         type_name="DIR"),
    Flag("format", "Print the plan or the result as json", kind="string"),
)  # fmt: skip


def check(args: Args) -> None:
    """What is needed only once everything is deployed must be right before. Raises: FlagError, InputError."""
    from wherry.runtime.parse_values import duration_ns

    if args.text("format") not in {"", "json"}:
        raise InputError(f"--format takes json alone, not {args.text('format')[:40]!r}")
    url = args.text("verify-url")
    if args.given("verify-url") and not re.fullmatch(r"https?://[^/\s]\S*", url):
        raise FlagError(f'invalid argument "{url[:80]}" for "--verify-url" flag: '
                        "it must be a URL as https://iris.example.com")  # fmt: skip
    if url:
        from wherry.engine.verify_http import base_url

        base_url(url)
    try:
        duration_ns(args.text("timeout"))
    except InputError as fault:
        text = args.text("timeout")[:80]
        raise FlagError(f'invalid argument "{text}" for "--timeout" flag: {fault.message}') from None


def of_target(name: str) -> list[Flag]:
    return [Flag(one.name, one.help, kind=one.kind, type_name=one.type_name) for one in OPTIONS.get(name, ())]


def every_option() -> list[Flag]:
    """Those of all built-in targets, each name once."""
    found: dict[str, Flag] = {}
    for target in OPTIONS:
        for flag in of_target(target):
            found.setdefault(flag.name, flag)
    return list(found.values())


def chosen(args: Args, options: Sequence[Option], lower: dict[str, Any]) -> Chosen:
    """The target's options: flags over what wherry.toml says. Raises: FlagError, InputError."""
    from wherry.deploy.target import Chosen

    known = {one.name: one for one in options}
    values = dict(lower)
    for option in options:
        if args.has(option.name) and args.given(option.name):
            values[option.name] = _value(args, option)
    for text in args.all("option"):
        name, equals, value = text.partition("=")
        if not equals:
            raise FlagError(f'invalid argument "{text}" for "--option" flag: must be formatted as key=value')
        if name not in known:
            raise InputError(f"the target has no option {name}", hint=f"it has: {', '.join(known) or 'none'}")
        values[name] = _converted(known[name], value, values.get(name))
    strangers = [one.name for one in every_option() if args.has(one.name) and args.given(one.name)
                 and one.name not in known]  # fmt: skip
    if strangers:
        raise InputError(f"the target has no option --{strangers[0]}", hint=f"it has: {', '.join(known) or 'none'}")
    return Chosen(values)


def _value(args: Args, option: Option) -> Any:
    if option.kind == "bool":
        return args.on(option.name)
    if option.kind == "int":
        return args.number(option.name)
    return args.all(option.name) if option.kind == "list" else args.text(option.name)


def _converted(option: Option, value: str, before: Any) -> Any:
    if option.kind == "bool":
        return value.lower() in {"1", "true", "yes"}
    if option.kind == "int":
        if not (value.isascii() and value.isdecimal() and len(value) < 10):
            raise InputError(f"option {option.name}: {value[:40]!r} is no number")
        return int(value)
    return (*(before or ()), value) if option.kind == "list" else value


def wishes(args: Args, settings: Settings, env_files: Sequence[str]) -> Wishes:
    """What the flags say; `env_files` are wherry.toml's, which come before --env-file. Raises: InputError."""
    from wherry.deploy import secrets
    from wherry.deploy import wishes as read
    from wherry.deploy.wishes import Wishes

    def text(flag: str, convert: Callable[[str], Any] = str) -> Any:
        return convert(args.text(flag)) if args.given(flag) else None

    found = [secrets.parse(one) for one in args.all("secret")]
    return Wishes(
        image=text("image"), name=text("name"), port=text("port", read.port_number),
        ready=text("health", lambda value: read.path("health", value)),
        live=text("live", lambda value: read.path("live", value)),
        env=_env(args, settings, env_files) or None, secrets={one.name: one for one in found} or None,
        cpu_m=text("cpu", read.cpu_m), memory_bytes=text("memory", read.memory_bytes), gpu=text("gpu", read.gpu),
        min_instances=_count(args, "min"), max_instances=_count(args, "max"), concurrency=_count(args, "concurrency"),
        entrypoint=text("entrypoint", _words), command=text("command", _words),
        weights=tuple(read.weights(one) for one in args.all("weights")) or None,
        labels=_labels(args) or None, grace_s=text("grace", read.grace_s),
    )  # fmt: skip


def _count(args: Args, flag: str) -> int | None:
    value = args.number(flag)
    if value is not None and value < 0:
        raise InputError(f"--{flag} must be 0 or more, not {value}")
    return value


def _words(line: str) -> tuple[str, ...]:
    import shlex

    try:
        return tuple(shlex.split(line))
    except ValueError as fault:
        raise InputError(f"{line!r} can't be split into words: {fault}") from None


def _labels(args: Args) -> dict[str, str]:
    from wherry.cli.flags import labels

    return labels("wherry deploy", args)


def _env(args: Args, settings: Settings, env_files: Sequence[str]) -> dict[str, str]:
    from wherry.runtime import parse_names

    entries: list[str] = []
    for path in (*env_files, *args.all("env-file")):
        try:
            with open(os.path.join(settings.cwd, path), "rb") as file:
                data = file.read(1 << 20)
        except OSError as fault:
            raise InputError(f"cannot read the env file {path}: {fault.strerror}") from None
        entries += parse_names.key_value_file(data, path, settings.env)
    entries += [parse_names.env(one, settings.env) for one in args.all("env")]
    # NAME alone, of a variable that is not set here: nothing to send
    return {name: value for name, equals, value in (one.partition("=") for one in entries) if equals}
