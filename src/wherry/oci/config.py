"""The image configuration.

Spec: https://github.com/opencontainers/image-spec/blob/v1.1.1/config.md, with Docker's fields
(Healthcheck, OnBuild, Shell) that builders write beside it.
"""

from __future__ import annotations

from wherry.lean import MappingProxyType
from wherry.oci import _decode
from wherry.oci.digest import DiffID
from wherry.oci.manifest import encode
from wherry.oci.platform import Platform

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, NamedTuple
else:
    from wherry.lean import NamedTuple

__all__ = ["ContainerConfig", "Healthcheck", "History", "ImageConfig"]

_NONE: Mapping[str, str] = MappingProxyType({})


class Healthcheck(NamedTuple):
    """`test` is ("NONE",), ("CMD", arg, ...) or ("CMD-SHELL", line). Durations in ns; 0 means the default."""

    test: tuple[str, ...]
    interval_ns: int = 0
    timeout_ns: int = 0
    start_period_ns: int = 0
    start_interval_ns: int = 0
    retries: int = 0

    @classmethod
    def from_json(cls, doc: Mapping[str, Any], at: str) -> Healthcheck:
        return cls(
            _decode.get_sequence(doc, "Test", at, _decode.string) or (),
            _decode.get(doc, "Interval", int, at, 0),
            _decode.get(doc, "Timeout", int, at, 0),
            _decode.get(doc, "StartPeriod", int, at, 0),
            _decode.get(doc, "StartInterval", int, at, 0),
            _decode.get(doc, "Retries", int, at, 0),
        )

    def to_json(self) -> dict[str, Any]:
        doc: dict[str, Any] = {"Test": list(self.test)} if self.test else {}
        values = (self.interval_ns, self.timeout_ns, self.start_period_ns, self.start_interval_ns, self.retries)
        names = ("Interval", "Timeout", "StartPeriod", "StartInterval", "Retries")
        doc.update({name: value for name, value in zip(names, values, strict=True) if value})
        return doc


class ContainerConfig(NamedTuple):
    """The `config` object: how to run the image. None for entrypoint or cmd means "not set", () means []."""

    user: str = ""
    exposed_ports: tuple[str, ...] = ()
    env: tuple[str, ...] = ()
    entrypoint: tuple[str, ...] | None = None
    cmd: tuple[str, ...] | None = None
    volumes: tuple[str, ...] = ()
    working_dir: str = ""
    labels: Mapping[str, str] = _NONE
    stop_signal: str = ""
    healthcheck: Healthcheck | None = None
    shell: tuple[str, ...] | None = None
    on_build: tuple[str, ...] = ()
    args_escaped: bool = False

    @classmethod
    def from_json(cls, doc: Mapping[str, Any], at: str = "config") -> ContainerConfig:
        """Raises: InvalidSpec."""

        def strings(key: str) -> tuple[str, ...] | None:
            return _decode.get_sequence(doc, key, at, _decode.string)

        health = _decode.get_mapping(doc, "Healthcheck", at)
        return cls(
            user=_decode.get(doc, "User", str, at, ""),
            exposed_ports=tuple(sorted(_decode.get_mapping(doc, "ExposedPorts", at))),
            env=strings("Env") or (),
            entrypoint=strings("Entrypoint"),
            cmd=strings("Cmd"),
            volumes=tuple(sorted(_decode.get_mapping(doc, "Volumes", at))),
            working_dir=_decode.get(doc, "WorkingDir", str, at, ""),
            labels=_decode.string_map(doc, "Labels", at),
            stop_signal=_decode.get(doc, "StopSignal", str, at, ""),
            healthcheck=Healthcheck.from_json(health, f"{at}.Healthcheck") if health else None,
            shell=strings("Shell"),
            on_build=strings("OnBuild") or (),
            args_escaped=_decode.get(doc, "ArgsEscaped", bool, at, False),
        )

    def to_json(self) -> dict[str, Any]:
        """The object in the order of the Go struct, so that equal images have equal bytes."""
        doc: dict[str, Any] = {}
        if self.user:
            doc["User"] = self.user
        if self.exposed_ports:
            doc["ExposedPorts"] = {port: {} for port in sorted(self.exposed_ports)}
        if self.env:
            doc["Env"] = list(self.env)
        if self.entrypoint is not None:
            doc["Entrypoint"] = list(self.entrypoint)
        if self.cmd is not None:
            doc["Cmd"] = list(self.cmd)
        if self.healthcheck:
            doc["Healthcheck"] = self.healthcheck.to_json()
        if self.volumes:
            doc["Volumes"] = {path: {} for path in sorted(self.volumes)}
        if self.working_dir:
            doc["WorkingDir"] = self.working_dir
        if self.on_build:
            doc["OnBuild"] = list(self.on_build)
        if self.labels:
            doc["Labels"] = dict(sorted(self.labels.items()))
        if self.stop_signal:
            doc["StopSignal"] = self.stop_signal
        if self.shell is not None:
            doc["Shell"] = list(self.shell)
        if self.args_escaped:
            doc["ArgsEscaped"] = True
        return doc


class History(NamedTuple):
    """One step of how the image came to be. `empty_layer` is true when the step made no layer."""

    created_by: str = ""
    created: str = ""
    comment: str = ""
    empty_layer: bool = False
    author: str = ""

    @classmethod
    def from_json(cls, doc: Mapping[str, Any], at: str) -> History:
        return cls(
            _decode.get(doc, "created_by", str, at, ""),
            _decode.get(doc, "created", str, at, ""),
            _decode.get(doc, "comment", str, at, ""),
            _decode.get(doc, "empty_layer", bool, at, False),
            _decode.get(doc, "author", str, at, ""),
        )

    def to_json(self) -> dict[str, Any]:
        doc: dict[str, Any] = {}
        for name in ("created", "created_by", "author", "comment"):
            if value := getattr(self, name):
                doc[name] = value
        if self.empty_layer:
            doc["empty_layer"] = True
        return doc


class ImageConfig(NamedTuple):
    """What an image is. `diff_ids` is base layer first; `created` is RFC 3339 or ""."""

    platform: Platform
    config: ContainerConfig = ContainerConfig()
    diff_ids: tuple[DiffID, ...] = ()
    history: tuple[History, ...] = ()
    created: str = ""
    author: str = ""

    @classmethod
    def from_bytes(cls, data: bytes) -> ImageConfig:
        """Raises: InvalidSpec."""
        doc = _decode.load(data, "image config", limit_bytes=8 << 20)
        rootfs = _decode.get_required(doc, "rootfs", dict, "")
        return cls(
            platform=Platform.of(
                _decode.get(doc, "os", str, "", "linux"),
                _decode.get(doc, "architecture", str, "", "amd64"),
                _decode.get(doc, "variant", str, "", ""),
            ),
            config=ContainerConfig.from_json(_decode.get_mapping(doc, "config", "")),
            diff_ids=_decode.get_sequence(
                rootfs, "diff_ids", "rootfs", lambda v, at: DiffID.parse(_decode.string(v, at))
            )
            or (),
            history=_decode.get_sequence(doc, "history", "", History.from_json) or (),
            created=_decode.get(doc, "created", str, "", ""),
            author=_decode.get(doc, "author", str, "", ""),
        )

    def to_bytes(self) -> bytes:
        doc: dict[str, Any] = {"architecture": self.platform.architecture, "config": self.config.to_json()}
        if self.created:
            doc["created"] = self.created
        if self.author:
            doc["author"] = self.author
        doc["history"] = [one.to_json() for one in self.history]
        doc["os"] = self.platform.os
        doc["rootfs"] = {"type": "layers", "diff_ids": [str(one) for one in self.diff_ids]}
        if self.platform.variant:
            doc["variant"] = self.platform.variant
        return encode(doc)
