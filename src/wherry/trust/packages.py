"""What is installed in an image, by what the package managers wrote down: dpkg and Python's."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from email.parser import BytesHeaderParser
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from wherry.trust.inside import Inside

__all__ = ["Distribution", "Package", "inventory", "wanted"]

_STATUS = b"var/lib/dpkg/status"
_STATUS_D = b"var/lib/dpkg/status.d/"
_OS_RELEASE = (b"etc/os-release", b"usr/lib/os-release")
_STATUS_LIMIT_BYTES = 128 << 20
_METADATA_LIMIT_BYTES = 4 << 20
# Longer is the text of a licence, not its name
_LONGEST_LICENSE = 64


class Distribution(NamedTuple):
    """Of /etc/os-release: "debian" and "13"; both may be ""."""

    id: str = ""
    version: str = ""


class Package(NamedTuple):
    """`kind` is "deb" or "pypi". `license` is as the metadata has it: mostly, but not always, an SPDX expression.

    `source` is the Debian source package ("" when it has the same name); `location` the file that told of it.
    """

    kind: str
    name: str
    version: str
    architecture: str = ""
    license: str = ""
    supplier: str = ""
    homepage: str = ""
    source: str = ""
    location: str = ""


def wanted(path: bytes) -> bool:
    """For `Inside`: the files that `inventory` reads."""
    if path.endswith((b".dist-info/METADATA", b".egg-info/PKG-INFO", b".egg-info")):
        return True
    if path.startswith(_STATUS_D):
        return not path.endswith(b".md5sums")
    return path == _STATUS or path in _OS_RELEASE


def inventory(inside: Inside) -> tuple[Distribution, list[Package]]:
    """Sorted by kind, name, version and place; the same image gives the same list."""
    found: set[Package] = set()
    for path in inside.paths:
        if path == _STATUS:
            found.update(_debian(inside.read(path, _STATUS_LIMIT_BYTES), path, needs_status=True))
        elif path.startswith(_STATUS_D):
            found.update(_debian(inside.read(path, _METADATA_LIMIT_BYTES), path, needs_status=False))
        elif path not in _OS_RELEASE and (one := _python(inside.read(path, _METADATA_LIMIT_BYTES), path)):
            found.add(one)
    release = next((text for name in _OS_RELEASE if (text := inside.read(name, 64 << 10))), b"")
    return _distribution(release), sorted(found)


def _text(data: bytes) -> str:
    """Lone surrogates and the like must not get into a JSON text."""
    return data.decode("utf-8", "replace")


def _distribution(data: bytes) -> Distribution:
    fields = {}
    for line in _text(data).splitlines():
        key, equals, value = line.partition("=")
        if equals:
            fields[key.strip()] = value.strip().strip("\"'")
    return Distribution(fields.get("ID", "").lower(), fields.get("VERSION_ID", ""))


def _paragraphs(text: str) -> Iterator[Mapping[str, str]]:
    """Of a Debian control file; only the first line of each field."""
    fields: dict[str, str] = {}
    for line in text.split("\n"):
        if not line.strip():
            if fields:
                yield fields
            fields = {}
        elif not line[0].isspace():
            key, colon, value = line.partition(":")
            if colon:
                fields[key.lower()] = value.strip()
    if fields:
        yield fields


def _debian(data: bytes, path: bytes, *, needs_status: bool) -> Iterator[Package]:
    for fields in _paragraphs(_text(data)):
        name, version = fields.get("package", ""), fields.get("version", "")
        if not name or not version:
            continue
        if needs_status and fields.get("status", "").split()[-1:] != ["installed"]:
            continue
        source = fields.get("source", "").partition(" ")[0]
        yield Package(
            "deb", name, version, fields.get("architecture", ""), "", fields.get("maintainer", ""),
            fields.get("homepage", ""), "" if source == name else source, _text(path),
        )  # fmt: skip


def _python(data: bytes, path: bytes) -> Package | None:
    headers = BytesHeaderParser().parsebytes(data)
    name, version = _one(headers.get("Name")), _one(headers.get("Version"))
    if not name or not version:
        return None
    classifiers = [str(one) for one in headers.get_all("Classifier", [])]
    # A URL of a project's many: "Homepage, https://..."
    urls = dict(str(one).partition(",")[::2] for one in headers.get_all("Project-URL", []))
    named = {key.strip().lower(): value.strip() for key, value in urls.items()}
    licensed = _license(_one(headers.get("License-Expression")), _one(headers.get("License")), classifiers)
    return Package(
        "pypi", name, version, "", licensed,
        _one(headers.get("Author")) or _one(headers.get("Author-email")) or _one(headers.get("Maintainer")),
        _one(headers.get("Home-page")) or named.get("homepage", ""), "", _text(path),
    )  # fmt: skip


def _one(value: object) -> str:
    """One line, without what no document can hold."""
    text = re.sub(r"\s+", " ", str(value or "")).strip()
    text = text.encode("utf-8", "replace").decode()
    return "" if text == "UNKNOWN" else text


# Trove classifiers that name exactly one licence; "BSD License" and the like do not
_CLASSIFIED = {
    "MIT License": "MIT", "Apache Software License": "Apache-2.0", "ISC License (ISCL)": "ISC",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0", "The Unlicense (Unlicense)": "Unlicense",
    "Python Software Foundation License": "PSF-2.0", "zlib/libpng License": "Zlib",
    "GNU General Public License v2 (GPLv2)": "GPL-2.0-only",
    "GNU General Public License v2 or later (GPLv2+)": "GPL-2.0-or-later",
    "GNU General Public License v3 (GPLv3)": "GPL-3.0-only",
    "GNU General Public License v3 or later (GPLv3+)": "GPL-3.0-or-later",
    "GNU Lesser General Public License v2 or later (LGPLv2+)": "LGPL-2.0-or-later",
    "GNU Lesser General Public License v3 (LGPLv3)": "LGPL-3.0-only",
    "GNU Lesser General Public License v3 or later (LGPLv3+)": "LGPL-3.0-or-later",
    "GNU Affero General Public License v3": "AGPL-3.0-only",
}  # fmt: skip


def _license(expression: str, text: str, classifiers: list[str]) -> str:
    """The expression, else what the classifiers say, else the name in the old free field."""
    if expression:
        return expression
    known = {_CLASSIFIED.get(one.rpartition(" :: ")[2], "") for one in classifiers if one.startswith("License ::")}
    known.discard("")
    if len(known) == 1:
        return known.pop()
    return text if len(text) <= _LONGEST_LICENSE else ""
