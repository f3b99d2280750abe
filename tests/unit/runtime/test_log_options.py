"""--log-driver and --log-opt, in the words of docker 26.1.5."""

from __future__ import annotations

import pytest

from wherry.errors import InputError, Unsupported, WherryError
from wherry.runtime import log_options
from wherry.runtime.log_options import FileLimits, SyslogAddress

BEGIN = "failed to create task for container: failed to initialize logging driver: "
SYSLOG = "syslog-address=udp://h:1"


def options(text: str) -> dict[str, str]:
    return dict(pair.partition("=")[::2] for pair in text.split(";") if pair)


@pytest.mark.parametrize(
    ("driver", "given", "message"),
    [
        ("foo", "", 'error looking up logging plugin foo: plugin "foo" not found'),
        ("NONE", "", 'error looking up logging plugin NONE: plugin "NONE" not found'),
        ("none", "max-size=1m", "invalid logging opts for driver none"),
        ("", "nosuch=1", "unknown log opt 'nosuch' for json-file log driver"),
        ("", "syslog-format=rfc3164", "unknown log opt 'syslog-format' for json-file log driver"),
        ("local", "labels=a", "unknown log opt 'labels' for log driver local"),
        ("syslog", "max-size=1", "unknown log opt 'max-size' for syslog log driver"),
        ("journald", "nosuch=1", "unknown log opt 'nosuch' for journald log driver"),
        ("", "max-size=abc", BEGIN + "invalid size: 'abc'"),
        ("", "max-size=", BEGIN + "invalid size: ''"),
        ("", "max-size=-5", BEGIN + "invalid size: '-5'"),
        ("", "max-size=0", BEGIN + "max-size must be a positive number"),
        ("", "max-file=0", BEGIN + "max-file cannot be less than 1"),
        ("", "max-file=-1", BEGIN + "max-file cannot be less than 1"),
        ("", "max-file=x", BEGIN + 'strconv.Atoi: parsing "x": invalid syntax'),
        ("", "max-file=", BEGIN + 'strconv.Atoi: parsing "": invalid syntax'),
        ("", "compress=x", BEGIN + 'strconv.ParseBool: parsing "x": invalid syntax'),
        ("", "max-size=1m;compress=true",
         BEGIN + "compress cannot be true when max-file is less than 2 or max-size is not set"),
        ("", "max-size=-1;max-file=2;compress=true",
         BEGIN + "compress cannot be true when max-file is less than 2 or max-size is not set"),
        ("", "mode=weird", "logger: logging mode not supported: weird"),
        ("", "max-buffer-size=1m", "logger: max-buffer-size option is only supported with 'mode=non-blocking'"),
        ("", "mode=blocking;max-buffer-size=1m",
         "logger: max-buffer-size option is only supported with 'mode=non-blocking'"),
        ("", "mode=non-blocking;max-buffer-size=abc", "error parsing option max-buffer-size: invalid size: 'abc'"),
        ("", "tag={{.Nope}}",
         BEGIN + 'template: log-tag:1:2: executing "log-tag" at <.Nope>: '
         "can't evaluate field Nope in type *logger.Info"),
        ("", "tag={{", BEGIN + "template: log-tag:1: unclosed action"),
        ("local", "max-size=abc", BEGIN + "invalid value for max-size: abc: invalid size: 'abc'"),
        ("local", "max-size=-1", BEGIN + "invalid value for max-size: -1: invalid size: '-1'"),
        ("local", "max-file=0", BEGIN + "compression cannot be enabled when max file count is 1"),
        ("local", "max-file=1", BEGIN + "compression cannot be enabled when max file count is 1"),
        ("local", "max-file=-1", BEGIN + "max file count cannot be less than 0"),
        ("local", "max-file=x", BEGIN + 'invalid value for max-file: x: strconv.Atoi: parsing "x": invalid syntax'),
        ("local", "compress=x",
         BEGIN + 'error reading compress log option: strconv.ParseBool: parsing "x": invalid syntax'),
        ("syslog", "syslog-address=foo", "unsupported scheme: ''"),
        ("syslog", "syslog-address=http://a", "unsupported scheme: 'http'"),
        ("syslog", "syslog-address=unix:///nonexistent", "stat /nonexistent: no such file or directory"),
        ("syslog", "syslog-address=unix://", "stat : no such file or directory"),
        ("syslog", "syslog-address=unix:", "stat : no such file or directory"),
        ("syslog", "syslog-address=tcp://h:99999", f"{BEGIN}dial tcp: address 99999: invalid port"),
        ("syslog", f"syslog-address=udp://h:{'1' * 500}", f"{BEGIN}dial udp: address {'1' * 500}: invalid port"),
        ("syslog", f"syslog-facility={'1' * 5000}", "invalid syslog facility"),
        ("syslog", "syslog-address=udp://:x", 'parse "udp://:x": invalid port ":x" after host'),
        ("syslog", "syslog-facility=nope", "invalid syslog facility"),
        ("syslog", "syslog-facility=99", "invalid syslog facility"),
        ("syslog", "syslog-facility=", ""),
        ("syslog", "syslog-format=nope", "Invalid syslog format"),
        ("syslog", "cache-disabled=x", "invalid value for option cache-disabled: x"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_in_dockers_words(driver: str, given: str, message: str) -> None:
    if not message:
        assert log_options.check(driver, options(given))
        return
    with pytest.raises(WherryError) as caught:
        log_options.check(driver, options(given))
    assert caught.value.message == message


@pytest.mark.parametrize("given", ["labels-regex=(", "env-regex=["])
def test_a_pattern_that_is_none(given: str) -> None:
    with pytest.raises(InputError, match="error parsing regexp"):
        log_options.check("", options(given))


@pytest.mark.parametrize("driver", ["fluentd", "gelf", "awslogs", "splunk", "gcplogs"])
def test_drivers_that_are_not_there_say_why(driver: str) -> None:
    with pytest.raises(Unsupported, match=f"no log driver {driver}") as caught:
        log_options.check(driver, {"nosuch": "1"})
    assert caught.value.hint


@pytest.mark.parametrize(
    ("driver", "given", "name"),
    [
        ("", "max-size=10m;max-file=3", "json-file"),
        ("", "max-size=1.5k;labels=a,b;env=c;tag={{.Name}};labels-regex=^a;env-regex=b", "json-file"),
        (
            "",
            "max-size=1m;max-file=2;compress=true;mode=non-blocking;max-buffer-size=1m;cache-disabled=true",
            "json-file",
        ),
        ("none", "", "none"),
        ("local", "max-size=0;max-file=1;compress=false", "local"),
        ("journald", "tag=x;labels=a;mode=", "journald"),
        ("syslog", f"{SYSLOG};syslog-facility=23;syslog-format=rfc5424micro;syslog-tls-ca-cert=/x", "syslog"),
        ("syslog", "syslog-address=", "syslog"),
    ],
)
def test_what_is_right(driver: str, given: str, name: str) -> None:
    assert log_options.check(driver, options(given)) == name


@pytest.mark.parametrize(
    ("driver", "given", "limits"),
    [
        # Differs from docker: without options its logs grow for ever
        ("json-file", "", (10_000_000, 3, False)),
        ("json-file", "max-size=1m", (1_000_000, 1, False)),
        ("json-file", "max-size=20k;max-file=5", (20_000, 5, False)),
        ("json-file", "max-size=2g;max-file=1", (2_000_000_000, 1, False)),
        ("json-file", "max-size=-1", (0, 1, False)),
        ("json-file", "max-size=1.5MB", (1_500_000, 1, False)),
        ("json-file", "max-file=7", (10_000_000, 7, False)),
        ("json-file", "max-size=1m;max-file=2;compress=true", (1_000_000, 2, True)),
        ("local", "", (20 << 20, 5, True)),
        ("local", "max-size=1m;max-file=2;compress=false", (1 << 20, 2, False)),
        ("syslog", SYSLOG, (20 << 20, 5, True)),
        ("syslog", f"{SYSLOG};cache-max-size=1m;cache-max-file=3;cache-compress=false", (1 << 20, 3, False)),
    ],
)
def test_logs_are_bounded_unless_told_otherwise(driver: str, given: str, limits: tuple[int, int, bool]) -> None:
    assert log_options.file_limits(driver, options(given)) == FileLimits(*limits)


def test_labels_and_variables_that_are_named_or_match() -> None:
    found = log_options.attributes(
        {"labels": "a,nosuch", "labels-regex": "^b", "env": "X", "env-regex": "Z$"},
        {"a": "1", "b2": "2", "c": "3"},
        {"X": "x", "YZ": "yz", "W": "w"},
    )
    assert found == {"X": "x", "YZ": "yz", "a": "1", "b2": "2"}


def test_a_tag_is_filled_in() -> None:
    assert log_options.tag("{{.Name}}/{{ .ID }}-x", {"Name": "web", "ID": "abc"}) == "web/abc-x"
    with pytest.raises(Unsupported, match="not supported"):
        log_options.tag("{{if .Name}}x{{end}}", {"Name": "web"})


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", ("", "")),
        ("udp://127.0.0.1:5514", ("udp", "127.0.0.1:5514")),
        ("udp://127.0.0.1", ("udp", "127.0.0.1:514")),
        ("tcp://[::1]:6", ("tcp", "[::1]:6")),
        ("tcp+tls://logs.example/", ("tcp+tls", "logs.example:514")),
        ("unix:///dev/null", ("unix", "/dev/null")),
        ("unixgram:///dev/null", ("unixgram", "/dev/null")),
    ],
)
def test_addresses_of_syslog(text: str, found: tuple[str, str]) -> None:
    assert log_options.syslog_address(text) == SyslogAddress(*found)


def test_facilities_have_names_and_numbers() -> None:
    assert [log_options.syslog_facility(text) for text in ("", "kern", "local7", "12", "23")] == [3, 0, 23, 12, 23]
