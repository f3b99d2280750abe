"""Docker's seccomp profiles, evaluated for one container: conditions in, `linux.seccomp` of the runtime spec out.

A profile is the OCI object with conditions: `archMap`, and `includes`/`excludes` (capabilities, architectures, kernel)
at each rule. Spec: https://github.com/opencontainers/runtime-spec/blob/v1.2.0/config-linux.md#seccomp

Measured: reading, parsing and evaluating the default profile takes 0.2 ms, so nothing is cached
(docs/adr/0041-evaluate-the-seccomp-profile-each-time.md).
"""

from __future__ import annotations

import os

from wherry import lean_json as json
from wherry.errors import InputError, InvalidSpec

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

__all__ = ["UNCONFINED", "evaluate", "parse", "profile"]

UNCONFINED = "unconfined"

# An image's architecture → libseccomp's name of it
_ARCH = {
    "amd64": "SCMP_ARCH_X86_64", "arm64": "SCMP_ARCH_AARCH64", "386": "SCMP_ARCH_X86", "arm": "SCMP_ARCH_ARM",
    "s390x": "SCMP_ARCH_S390X", "ppc64le": "SCMP_ARCH_PPC64LE", "riscv64": "SCMP_ARCH_RISCV64",
    "loong64": "SCMP_ARCH_LOONGARCH64", "mips64": "SCMP_ARCH_MIPS64", "mips64le": "SCMP_ARCH_MIPSEL64",
}  # fmt: skip
_OWN_KEYS = ("names", "name", "action", "errnoRet", "args")
_TOP_KEYS = ("defaultAction", "defaultErrnoRet", "flags", "listenerPath", "listenerMetadata")


def profile(caps: Sequence[str], arch: str, kernel: tuple[int, int]) -> dict[str, Any]:
    """Docker's default profile for a container with the bounding set `caps` on an `arch` such as "amd64"."""
    with open(os.path.join(os.path.dirname(__file__), "data", "seccomp-default.json"), "rb") as file:
        result = evaluate(json.load(file), caps, arch, kernel)
    # Differs from docker: programs of the x32 ABI end with SIGSYS. Distributions' kernels refuse them anyway, and the
    # filter's third architecture costs each start of a container 5 ms.
    result["architectures"] = [name for name in result.get("architectures", ()) if name != "SCMP_ARCH_X32"]
    return result


def parse(text: str, *, source: str = "") -> dict[str, Any]:
    """A profile that the user wrote, looked over so that `evaluate` cannot stumble. Raises: InvalidSpec."""
    try:
        doc = json.loads(text)
    except ValueError as fault:
        raise InvalidSpec(f"decoding seccomp profile failed: {fault}", where=source or None) from None
    if not isinstance(doc, dict) or not isinstance(doc.get("defaultAction"), str):
        raise InvalidSpec("decoding seccomp profile failed: it has no defaultAction", where=source or None)
    if doc.get("architectures") and doc.get("archMap"):
        raise InvalidSpec(
            "both 'architectures' and 'archMap' are specified in the seccomp profile, use only one of them",
            where=source or None,
        )
    rules = doc.get("syscalls") or []
    if not isinstance(rules, list) or not all(isinstance(rule, dict) for rule in rules):
        raise InvalidSpec("decoding seccomp profile failed: syscalls is not a list of objects", where=source or None)
    for rule in rules:
        if bool(rule.get("name")) == bool(rule.get("names")):
            raise InvalidSpec(
                "seccomp profile: each rule needs either 'name' or 'names', not both", where=source or None
            )
    return doc


def evaluate(doc: Mapping[str, Any], caps: Sequence[str], arch: str, kernel: tuple[int, int]) -> dict[str, Any]:
    """The rules that hold here, in order; conditions and comments are gone. Raises: InputError."""
    result: dict[str, Any] = {key: doc[key] for key in _TOP_KEYS if key in doc}
    architectures = list(doc.get("architectures") or ())
    native = _ARCH.get(arch)
    for entry in doc.get("archMap") or ():
        if entry["architecture"] == native:
            architectures += [native, *(entry.get("subArchitectures") or ())]
    if architectures:
        result["architectures"] = architectures
    have = frozenset(caps)
    rules = []
    for rule in doc.get("syscalls") or ():
        if _holds(rule, have, arch, kernel):
            own = {key: rule[key] for key in _OWN_KEYS if rule.get(key) is not None}
            if "name" in own:
                own["names"] = [own.pop("name")]
            rules.append(own)
    result["syscalls"] = rules
    return result


def _holds(rule: Mapping[str, Any], caps: frozenset[str], arch: str, kernel: tuple[int, int]) -> bool:
    without = rule.get("excludes")
    if without and (
        arch in (without.get("arches") or ())
        or not caps.isdisjoint(without.get("caps") or ())
        or (without.get("minKernel") and kernel >= _version(without["minKernel"]))
    ):
        return False
    needs = rule.get("includes")
    if not needs:
        return True
    arches = needs.get("arches") or ()
    return bool(
        (not arches or arch in arches)
        and caps.issuperset(needs.get("caps") or ())
        and (not needs.get("minKernel") or kernel >= _version(needs["minKernel"]))
    )


def _version(text: str) -> tuple[int, int]:
    major, _, minor = str(text).partition(".")
    if not (major.isdecimal() and minor.isdecimal()):
        raise InputError(f'seccomp profile: invalid minKernel "{text}": it is written MAJOR.MINOR')
    return int(major), int(minor)
