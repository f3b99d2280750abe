"""Parsed flags of `run` and `create` → RunOptions, with docker's rules about what fits together."""

from __future__ import annotations

import os

from wherry.cli import run_limits
from wherry.cli.flags import FlagError
from wherry.errors import InputError
from wherry.oci.config import Healthcheck
from wherry.runtime import parse_mounts, parse_names, parse_ports, parse_values
from wherry.runtime.caps import normalise
from wherry.runtime.options import LogConfig, MountRequest, NetworkJoin, RunOptions

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeVar

    from wherry.cli.flags import Args
    from wherry.settings import Settings

    T = TypeVar("T")

__all__ = ["Reader", "read_file"]

_FILE_BYTES = 1 << 20
_NETWORK_FLAGS = (
    "network", "net", "network-alias", "net-alias", "ip", "ip6", "mac-address", "link", "link-local-ip",
)  # fmt: skip
_SHORT = {"env": "e", "label": "l", "memory": "m", "attach": "a", "volume": "v", "publish": "p"}
# Docker says what is wrong with these as `invalid argument "..." for "--..." flag`, with the others plainly
_PLAIN = frozenset({"publish", "volume", "device", "restart", "expose", "health", "tmpfs", "cap-add", "cap-drop"})


class Reader:
    """One command line being read. Every fault is a FlagError: docker exits 125 for them."""

    def __init__(self, args: Args, settings: Settings) -> None:
        self._args, self._settings = args, settings
        try:
            args.on("detach")
            self._see = "See 'wherry run --help'."
        except KeyError:
            # `create` has no such flag
            self._see = "See 'wherry create --help'."

    def options(self) -> RunOptions:
        args = self._args
        try:
            found = RunOptions(
                command=tuple(args.rest[1:]),
                **self._identity(),
                **self._process(),
                **self._mounts(),
                **self._network(),
                **self._security(),
                **run_limits.read(args, self._parsed),
            )
            self._check(found)
        except parse_mounts.MountRefused:
            raise
        except InputError as fault:
            raise self._fault(fault.message, fault.hint) from None
        return found

    def _fault(self, message: str, hint: str | None = None) -> FlagError:
        tail = f"\nhint: {hint}" if hint else ""
        return FlagError(f"wherry: {message}.\n{self._see}{tail}")

    def _each(self, name: str, parse: Callable[[str], T]) -> tuple[T, ...]:
        return tuple([self._parsed(name, value, parse) for value in self._args.all(name)])

    def _one(self, name: str, parse: Callable[[str], T], default: T) -> T:
        if not self._args.given(name):
            return default
        return self._parsed(name, self._args.text(name), parse)

    def _parsed(self, name: str, value: str, parse: Callable[[str], T]) -> T:
        try:
            return parse(value)
        except parse_mounts.MountRefused:
            raise
        except InputError as fault:
            if name in _PLAIN:
                raise self._fault(fault.message, fault.hint) from None
            shown = f"-{_SHORT[name]}, --{name}" if name in _SHORT else f"--{name}"
            tail = f"\nhint: {fault.hint}" if fault.hint else ""
            quoted = value.replace("\\", "\\\\").replace('"', '\\"')
            raise FlagError(
                f'invalid argument "{quoted}" for "{shown}" flag: {fault.message}\n{self._see}{tail}'
            ) from None

    def _number(self, name: str, default: int = 0) -> int:
        found = self._args.number(name)
        return default if found is None else found

    def _on(self, name: str, default: bool = False) -> bool:
        return self._args.on(name) if self._args.given(name) else default

    def _given_text(self, name: str) -> str:
        return self._args.text(name) if self._args.given(name) else ""

    def _file(self, path: str) -> bytes:
        return read_file(self._settings.cwd, path)

    def _identity(self) -> dict[str, Any]:
        args = self._args
        labels = [
            line
            for path in args.all("label-file")
            for line in parse_names.key_value_file(self._file(path), path, None, "label file")
        ]
        pairs = [parse_names.label(line) for line in labels] + list(self._each("label", parse_names.label))
        pull = args.text("pull")
        if pull not in {"always", "missing", "never"}:
            raise InputError(f'invalid pull option: \'{pull}\': must be one of "always", "missing" or "never"')
        return {
            "name": args.text("name"),
            "labels": dict(pairs),
            "annotations": parse_values.key_values(args.all("annotation")),
            "cidfile": args.text("cidfile"),
            "pull": pull,
            "platform": args.text("platform"),
            "remove": args.on("rm"),
            "restart": self._one("restart", parse_values.restart, RunOptions().restart),
            "log": self._log(),
        }

    def _log(self) -> LogConfig:
        chosen = parse_values.key_values(self._args.all("log-opt"))
        driver = self._args.text("log-driver")
        if not driver and not chosen:
            return LogConfig()
        from wherry.runtime import log_options

        return LogConfig(log_options.check(driver, chosen), chosen)

    def _process(self) -> dict[str, Any]:
        args, caller = self._args, self._settings.env
        from_files = [
            entry
            for path in args.all("env-file")
            for entry in parse_names.key_value_file(self._file(path), path, caller)
        ]
        entrypoint = None
        if args.given("entrypoint"):
            entrypoint = (args.text("entrypoint"),) if args.text("entrypoint") else ()
        return {
            "env": (*from_files, *self._each("env", lambda text: parse_names.env(text, caller))),
            "entrypoint": entrypoint,
            "user": args.text("user"),
            "group_add": args.all("group-add"),
            "workdir": args.text("workdir"),
            "tty": args.on("tty"),
            "stdin": args.on("interactive"),
            "detach": self._on("detach"),
            "attach": self._each("attach", parse_names.attach),
            "detach_keys": self._given_text("detach-keys"),
            "sig_proxy": self._on("sig-proxy", True),
            "init": args.on("init") if args.given("init") else None,
            "read_only": args.on("read-only"),
            "stop_signal": parse_values.signal_name(args.text("stop-signal")) if args.text("stop-signal") else "",
            "stop_timeout_s": args.number("stop-timeout"),
            "health": self._health(),
        }

    def _health(self) -> Healthcheck | None:
        args = self._args
        names = ("health-interval", "health-timeout", "health-start-period", "health-start-interval")
        given = [name for name in (*names, "health-cmd", "health-retries") if args.given(name)]
        if args.on("no-healthcheck"):
            if given:
                raise InputError("--no-healthcheck conflicts with --health-* options")
            return Healthcheck(("NONE",))
        if not given:
            return None
        spans = []
        for name in names:
            span = self._one(name, parse_values.duration_ns, 0)
            if span < 0:
                raise InputError(f"--{name} cannot be negative")
            if 0 < span < 1_000_000:
                what = {
                    "health-interval": "Interval",
                    "health-timeout": "Timeout",
                    "health-start-period": "StartPeriod",
                }
                raise InputError(f"{what.get(name, 'StartInterval')} in Healthcheck cannot be less than 1ms")
            spans.append(span)
        retries = self._number("health-retries")
        if retries < 0:
            raise InputError("--health-retries cannot be negative")
        test = ("CMD-SHELL", args.text("health-cmd")) if args.text("health-cmd") else ()
        interval, timeout, start_period, start_interval = spans
        return Healthcheck(test, interval, timeout, start_period, start_interval, retries)

    def _mount_flags(self, cwd: str) -> tuple[MountRequest, ...]:
        from wherry.runtime import parse_mount_flag

        return self._each("mount", lambda text: parse_mount_flag.mount(text, cwd))

    def _mounts(self) -> dict[str, Any]:
        cwd = self._settings.cwd
        found: list[MountRequest] = [
            *self._each("volume", lambda text: parse_mounts.volume(text, cwd)),
            *(self._mount_flags(cwd) if self._args.given("mount") else ()),
            *self._each("tmpfs", parse_mounts.tmpfs),
        ]
        # As docker: the same words twice are one mount
        found = [one for place, one in enumerate(found) if one._replace(is_mount=True) not in found[:place]]
        found = [one for place, one in enumerate(found) if one not in found[:place]]
        parse_mounts.check_targets(found)
        return {
            "mounts": tuple(found),
            "volumes_from": self._args.all("volumes-from"),
            "volume_driver": self._args.text("volume-driver"),
            **self._devices(),
            "device_cgroup_rules": self._each("device-cgroup-rule", parse_values.device_cgroup_rule),
        }

    def _devices(self) -> dict[str, Any]:
        args = self._args
        found: dict[str, Any] = {}
        if args.given("gpus") or args.given("runtime") or any("=" in one for one in args.all("device")):
            from wherry.runtime import parse_gpus

            found["gpus"] = self._each("gpus", parse_gpus.gpus)
            found["runtime"] = args.text("runtime")
            found["cdi_devices"] = tuple(one for one in args.all("device") if parse_gpus.is_cdi_name(one))
        cdi = found.get("cdi_devices", ())
        paths = [one for one in args.all("device") if one not in cdi]
        return {**found, "devices": tuple(self._parsed("device", one, parse_values.device) for one in paths)}

    def _network(self) -> dict[str, Any]:
        args = self._args
        found = self._networks()
        if found["network"] == "container:":
            raise InputError("Invalid network mode: invalid container format container:<name|id>")
        ports = [port for ports in self._each("publish", parse_ports.publish) for port in ports]
        return {
            **found,
            "ports": tuple(dict.fromkeys(ports)),
            "publish_all": args.on("publish-all"),
            "expose": parse_ports.expose(args.all("expose")),
            "hostname": parse_values.hostname_mode(args.text("hostname")),
            "domainname": args.text("domainname"),
            "extra_hosts": self._each("add-host", parse_names.extra_host),
            "dns": self._each("dns", parse_names.dns),
            "dns_search": self._each("dns-search", parse_names.dns_search),
            "dns_options": (*args.all("dns-option"), *args.all("dns-opt")),
        }

    def _networks(self) -> dict[str, Any]:
        """--network and what is for its network alone."""
        args = self._args
        if not any(args.given(name) for name in _NETWORK_FLAGS):
            return {"network": ""}
        from wherry.runtime import parse_networks

        mac = args.text("mac-address")
        beside = NetworkJoin(
            "", (*args.all("network-alias"), *args.all("net-alias")),
            self._one("ip", lambda text: parse_networks.ip_address(text, "IPv4"), ""),
            self._one("ip6", lambda text: parse_networks.ip_address(text, "IPv6"), ""),
            parse_networks.mac_address(mac) if mac else "",
            self._each("link-local-ip", lambda text: parse_networks.ip_address(text, "link-local IP")),
            self._each("link", parse_networks.link),
        )  # fmt: skip
        joins = (*self._each("network", parse_networks.network), *self._each("net", parse_networks.network))
        return parse_networks.fields(parse_networks.settle(joins, beside))

    def _security(self) -> dict[str, Any]:
        args = self._args

        def read(path: str) -> str:
            try:
                return self._file(path).decode("utf-8", "replace")
            except InputError as fault:
                raise InputError(f"opening seccomp profile ({path}) failed: {fault.message}") from None

        modes = {kind: parse_values.namespace_mode(args.text(kind), kind) for kind in ("ipc", "pid", "uts", "cgroupns")}
        if parse_values.namespace_mode(args.text("userns"), "userns") == "host":
            modes["userns"] = "host"
        return {
            **modes,
            **parse_names.security(args.all("security-opt"), read),
            "cap_add": self._each("cap-add", lambda text: _capability(text, "CapAdd")),
            "cap_drop": self._each("cap-drop", lambda text: _capability(text, "CapDrop")),
            "privileged": args.on("privileged"),
            "cgroup_parent": _cgroup_parent(args.text("cgroup-parent")),
            "sysctls": dict(self._each("sysctl", parse_values.sysctl)),
        }

    def _check(self, found: RunOptions) -> None:
        """Docker's conflicts. Raises: InputError, FlagError."""
        if found.detach and found.attach:
            raise FlagError("Conflicting options: -a and -d")
        if found.remove and found.restart.name != "no":
            raise InputError("Conflicting options: --restart and --rm")
        if found.hostname and found.uts == "host":
            raise InputError("conflicting options: hostname and the UTS mode")
        if not found.network.startswith("container:"):
            return
        conflicts = (
            (found.hostname, "hostname and the network mode"),
            (found.dns, "dns and the network mode"),
            (found.extra_hosts, "custom host-to-IP mapping and the network mode"),
            (found.mac_address, "mac-address and the network mode"),
            (found.ports or found.publish_all, "port publishing and the container type network mode"),
            (found.expose, "port exposing and the container type network mode"),
        )
        for given, what in conflicts:
            if given:
                raise InputError(f"conflicting options: {what}")


def read_file(cwd: str, path: str) -> bytes:
    """A file that a flag names, relative to the caller's folder. Raises: InputError, also for one over 1 MB."""
    try:
        with open(os.path.join(cwd, path), "rb") as file:
            data = file.read(_FILE_BYTES + 1)
    except OSError as fault:
        raise InputError(f"open {path}: {(fault.strerror or '').lower()}") from None
    if len(data) > _FILE_BYTES:
        raise InputError(f"open {path}: the file has more than {_FILE_BYTES} bytes")
    return data


def _capability(text: str, field: str) -> str:
    try:
        return normalise(text)
    except InputError as fault:
        raise InputError(f"invalid {field}: {fault.message}", hint=fault.hint) from None


def _cgroup_parent(text: str) -> str:
    """A clean absolute path inside the cgroup tree. Raises: InputError."""
    if not text:
        return ""
    parts = [part for part in text.split("/") if part]
    if any(part in {".", ".."} for part in parts):
        raise InputError(f"invalid cgroup parent: {text}")
    return "/" + "/".join(parts)
