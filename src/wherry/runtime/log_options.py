"""--log-driver and --log-opt: which there are, what they mean, and docker's words for those that are wrong."""

from __future__ import annotations

from wherry.errors import InputError, Unsupported

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import NamedTuple
else:
    from wherry.lean import NamedTuple

__all__ = ["FACILITIES", "FileLimits", "SyslogAddress", "attributes", "check", "file_limits", "syslog_address", "tag"]

_ATTRS = frozenset({"labels", "labels-regex", "env", "env-regex", "tag"})
_COMMON = frozenset({"mode", "max-buffer-size", "cache-disabled", "cache-max-size", "cache-max-file", "cache-compress"})
_FILE = frozenset({"max-size", "max-file", "compress"})
_OPTIONS = {
    "json-file": _FILE | _ATTRS,
    "local": _FILE,
    "journald": _ATTRS,
    "syslog": _ATTRS | {"syslog-address", "syslog-facility", "syslog-format", "syslog-tls-ca-cert", "syslog-tls-cert",
                        "syslog-tls-key", "syslog-tls-skip-verify"},
    "none": frozenset[str](),
}  # fmt: skip
_SENT_ELSEWHERE = {
    "fluentd": "let fluentd read the files of json-file",
    "gelf": "Graylog takes syslog, too: --log-driver syslog",
    "awslogs": "it needs an SDK of Amazon's in each container's monitor; their agent reads the files of json-file",
    "splunk": "Splunk's forwarder reads the files of json-file, and it takes syslog",
    "gcplogs": "it needs an SDK of Google's in each container's monitor; their agent reads the files of json-file",
}
FACILITIES = (
    "kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv", "ftp",
    "", "", "", "", "local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7",
)  # fmt: skip
_FORMATS = ("", "rfc3164", "rfc5424", "rfc5424micro")
_TRUE, _FALSE = ("1", "t", "T", "TRUE", "true", "True"), ("0", "f", "F", "FALSE", "false", "False")
_BEGIN = "failed to create task for container: failed to initialize logging driver: "
_BUFFER = 1 << 20


class FileLimits(NamedTuple):
    """Of a log in files. `max_bytes` is one file's, 0 without end."""

    max_bytes: int
    max_files: int
    compress: bool


class SyslogAddress(NamedTuple):
    """`network` is udp, tcp, tcp+tls, unix or unixgram, "" for this machine's own; `address` a path, or HOST:PORT."""

    network: str = ""
    address: str = ""


def check(driver: str, options: Mapping[str, str]) -> str:
    """The driver's name ("" is json-file), when both are right together. Raises: InputError, Unsupported."""
    name = driver or "json-file"
    if name in _SENT_ELSEWHERE:
        raise Unsupported(f"wherry has no log driver {name}", hint=_SENT_ELSEWHERE[name])
    if name not in _OPTIONS:
        raise InputError(
            f'error looking up logging plugin {name}: plugin "{name}" not found',
            hint=f"wherry has the log drivers {', '.join(_OPTIONS)}",
        )
    if name == "none":
        if options:
            raise InputError("invalid logging opts for driver none")
        return name
    buffer_bytes(options)
    is_cached(options)
    for key in options:
        if key not in _OPTIONS[name] | _COMMON:
            of = "log driver local" if name == "local" else f"{name} log driver"
            raise InputError(
                f"unknown log opt '{key}' for {of}", hint=f"it knows {', '.join(sorted(_OPTIONS[name] | _COMMON))}"
            )
    # Differs from docker: a wrong value is an error of `create`, too, which docker finds at the first start
    file_limits(name, options)
    attributes(options, {}, {})
    if "tag" in options:
        tag(options["tag"], {})
    if name == "syslog":
        _check_syslog(options)
    return name


def _check_syslog(options: Mapping[str, str]) -> None:
    syslog_address(options.get("syslog-address", ""))
    syslog_facility(options.get("syslog-facility", ""))
    if options.get("syslog-format", "") not in _FORMATS:
        raise InputError("Invalid syslog format", hint="rfc3164, rfc5424 or rfc5424micro")


def buffer_bytes(options: Mapping[str, str]) -> int:
    """Of --log-opt mode=non-blocking, 0 for a container that waits for its log. Raises: InputError."""
    from wherry.runtime.parse_values import size_bytes

    mode, size = options.get("mode", ""), options.get("max-buffer-size")
    if mode not in ("", "blocking", "non-blocking"):
        raise InputError(f"logger: logging mode not supported: {mode}", hint="blocking or non-blocking")
    if size is not None and mode != "non-blocking":
        raise InputError("logger: max-buffer-size option is only supported with 'mode=non-blocking'")
    try:
        return (size_bytes(size) if size is not None else _BUFFER) if mode == "non-blocking" else 0
    except InputError as fault:
        raise InputError(f"error parsing option max-buffer-size: {fault.message}") from None


def is_cached(options: Mapping[str, str]) -> bool:
    """Whether a driver that sends keeps a copy for `logs`. Raises: InputError."""
    text = options.get("cache-disabled", "false")
    if text not in _TRUE + _FALSE:
        raise InputError(f"invalid value for option cache-disabled: {text}", hint="true or false")
    return text in _FALSE


def file_limits(driver: str, options: Mapping[str, str]) -> FileLimits:
    """Of json-file, local, and the copy that the drivers keep which send. Raises: InputError with docker's words."""
    if driver == "local":
        return _local_limits(options)
    if driver != "json-file":
        cached = {key.removeprefix("cache-"): value for key, value in options.items() if key.startswith("cache-")}
        return _local_limits({key: value for key, value in cached.items() if key in _FILE})
    size, files = options.get("max-size"), options.get("max-file")
    # Differs from docker: logs are bounded unless the user says otherwise (docs/adr/0052-bounded-logs.md)
    max_bytes = _size(size) if size is not None else 10_000_000
    count = _count(files) if files is not None else 1 if size is not None else 3
    if count < 1:
        raise InputError(f"{_BEGIN}max-file cannot be less than 1")
    compress = _truth(options["compress"], "") if "compress" in options else False
    if compress and (count < 2 or not max_bytes):
        raise InputError(f"{_BEGIN}compress cannot be true when max-file is less than 2 or max-size is not set")
    return FileLimits(max_bytes, count, compress)


def _size(text: str) -> int:
    from wherry.runtime.parse_values import size_bytes

    # Differs from docker: its default, a log without end, is said so; docker takes -1 for no size
    if text == "-1":
        return 0
    try:
        size = size_bytes(text, step=1000)
    except InputError as fault:
        raise InputError(f"{_BEGIN}{fault.message}", hint="max-size looks like 10m; -1 is without end") from None
    if not size:
        raise InputError(f"{_BEGIN}max-size must be a positive number", hint="-1 is without end")
    return size


def _local_limits(options: Mapping[str, str]) -> FileLimits:
    from wherry.runtime.parse_values import size_bytes

    size, files = options.get("max-size"), options.get("max-file")
    try:
        max_bytes = size_bytes(size) if size is not None else 20 << 20
    except InputError as fault:
        raise InputError(f"{_BEGIN}invalid value for max-size: {size}: {fault.message}") from None
    count = _count(files, f"invalid value for max-file: {files}: ") if files is not None else 5
    if count < 0:
        raise InputError(f"{_BEGIN}max file count cannot be less than 0")
    compress = _truth(options.get("compress", "true"), "error reading compress log option: ")
    if compress and count < 2:
        raise InputError(
            f"{_BEGIN}compression cannot be enabled when max file count is 1", hint="--log-opt compress=false"
        )
    return FileLimits(max_bytes, max(1, count), compress)


def _count(text: str, what: str = "") -> int:
    import re

    if not re.fullmatch(r"[+-]?[0-9]{1,9}", text):
        raise InputError(f'{_BEGIN}{what}strconv.Atoi: parsing "{text}": invalid syntax', hint="a number of files")
    return int(text)


def _truth(text: str, what: str) -> bool:
    if text not in _TRUE + _FALSE:
        raise InputError(f'{_BEGIN}{what}strconv.ParseBool: parsing "{text}": invalid syntax', hint="true or false")
    return text in _TRUE


def attributes(options: Mapping[str, str], labels: Mapping[str, str], env: Mapping[str, str]) -> dict[str, str]:
    """The labels and variables that --log-opt labels, env and their -regex forms name, sorted. Raises: InputError."""
    found: dict[str, str] = {}
    for name, values in (("labels", labels), ("env", env)):
        for key in options.get(name, "").split(","):
            if key in values:
                found[key] = values[key]
        pattern = options.get(f"{name}-regex", "")
        if not pattern:
            continue
        import re

        try:
            wanted = re.compile(pattern)
        except re.error as fault:
            raise InputError(f"{_BEGIN}error parsing regexp: {fault}: `{pattern}`") from None
        found |= {key: value for key, value in values.items() if wanted.search(key)}
    return dict(sorted(found.items()))


def tag(template: str, fields: Mapping[str, str]) -> str:
    """`{{.Name}}` and the like filled in; {} for `fields` only checks it. Raises: InputError, Unsupported."""
    from wherry.runtime.log_tag import render

    return render(template, fields, _BEGIN)


def syslog_address(text: str) -> SyslogAddress:
    """--log-opt syslog-address. Raises: InputError with docker's words."""
    import os
    import re

    if not text:
        return SyslogAddress()
    scheme, separator, rest = text.partition(":")
    scheme, rest = (scheme, rest.removeprefix("//")) if separator else ("", text)
    if scheme in ("unix", "unixgram"):
        if not os.path.exists(rest):
            raise InputError(f"stat {rest}: no such file or directory", hint="syslog-address=unix:///dev/log")
        return SyslogAddress(scheme, rest)
    if scheme not in ("udp", "tcp", "tcp+tls"):
        raise InputError(f"unsupported scheme: '{scheme}'", hint="udp, tcp, tcp+tls, unix or unixgram")
    found = re.fullmatch(r"(\[[^\]]*\]|[^:/]*)(:[^/]*)?/?", rest)
    if not found or not re.fullmatch(r"(:[0-9]*)?", found[2] or ""):
        wrong = found[2] if found else rest
        raise InputError(f'parse "{text}": invalid port "{wrong}" after host', hint="as udp://192.0.2.1:514")
    port = (found[2] or "").removeprefix(":") or "514"
    if len(port.lstrip("0")) > 5 or int(port) > 65535:
        raise InputError(f"{_BEGIN}dial {scheme.partition('+')[0]}: address {port}: invalid port", hint="1 to 65535")
    return SyslogAddress(scheme, f"{found[1] or 'localhost'}:{port}")


def syslog_facility(text: str) -> int:
    """Raises: InputError."""
    if not text:
        return FACILITIES.index("daemon")
    if text in FACILITIES:
        return FACILITIES.index(text)
    if text.isascii() and text.isdecimal() and len(text) < 5 and int(text) < len(FACILITIES):
        return int(text)
    raise InputError("invalid syslog facility", hint="a name as daemon or local3, or its number")
