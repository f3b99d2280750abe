"""What dpkg and Python's packages say of themselves."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wherry.trust.inside import Inside
from wherry.trust.packages import Distribution, Package, inventory, wanted

STATUS = """Package: zlib1g
Status: install ok installed
Architecture: amd64
Source: zlib (1:1.3)
Version: 1:1.3.dfsg-3
Maintainer: Mark <mark@example.org>
Homepage: http://zlib.net/
Description: compression library
 Version: 9 is no field here.
Conffiles:
 /etc/x 0123

Package: gone
Status: deinstall ok config-files
Version: 1

Package: half
Status: install ok half-installed
Version: 1
"""


def found_in(root: Path, **files: str) -> tuple[Distribution, list[Package]]:
    for name, text in files.items():
        path = root / name.replace("__", "/").replace("DOT", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    with Inside([str(root)], wanted) as inside:
        return inventory(inside)


def python(root: Path, text: str) -> list[Package]:
    return found_in(root, **{"usr__lib__python3__app-1DOTdist-info__METADATA": text})[1]


def test_packages_of_dpkg_that_are_installed(tmp_path: Path) -> None:
    _, packages = found_in(tmp_path, var__lib__dpkg__status=STATUS)
    assert packages == [
        Package(
            "deb", "zlib1g", "1:1.3.dfsg-3", "amd64", "", "Mark <mark@example.org>", "http://zlib.net/", "zlib",
            "var/lib/dpkg/status",
        )
    ]  # fmt: skip


def test_packages_of_a_distroless_image(tmp_path: Path) -> None:
    _, packages = found_in(
        tmp_path,
        var__lib__dpkg__statusDOTd__base="Package: base-files\nVersion: 12.4\nArchitecture: amd64\n",
        var__lib__dpkg__statusDOTd__baseDOTmd5sums="Package: not\nVersion: this\n",
    )
    assert [(one.name, one.version) for one in packages] == [("base-files", "12.4")]


def test_the_distribution_is_named_by_os_release(tmp_path: Path) -> None:
    distribution, _ = found_in(tmp_path, usr__lib__osDOTrelease="", etc__x="")
    assert distribution == Distribution()
    (tmp_path / "usr/lib/os-release").write_text('ID=debian\nVERSION_ID="13"\n# x\nNONSENSE\n')
    (tmp_path / "etc" / "os-release").symlink_to("../usr/lib/os-release")
    assert found_in(tmp_path)[0] == Distribution("debian", "13")


def test_a_python_package_with_all_it_may_say(tmp_path: Path) -> None:
    (one,) = python(
        tmp_path,
        "Metadata-Version: 2.4\nName: Typing_Extensions\nVersion: 4.1\nAuthor-email: A <a@b.c>\n"
        "License-Expression: MIT OR Apache-2.0\nLicense: other\n"
        "Project-URL: Homepage, https://x.example/\n\nName: body\n",
    )
    assert one == Package(
        "pypi", "Typing_Extensions", "4.1", "", "MIT OR Apache-2.0", "A <a@b.c>", "https://x.example/", "",
        "usr/lib/python3/app-1.dist-info/METADATA",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("headers", "license_"),
    [
        ("License: BSD-3-Clause", "BSD-3-Clause"),
        ("License: BSD\nClassifier: License :: OSI Approved :: MIT License", "MIT"),
        ("License: BSD\nClassifier: License :: OSI Approved :: BSD License", "BSD"),
        ("Classifier: License :: OSI Approved :: MIT License\nClassifier: License :: X :: Apache Software License", ""),
        ("License: " + "x" * 65, ""),
        ("License: UNKNOWN", ""),
        ("", ""),
    ],
)  # fmt: skip
def test_the_licence_is_what_the_metadata_says_best(tmp_path: Path, headers: str, license_: str) -> None:
    (one,) = python(tmp_path, f"Name: a\nVersion: 1\n{headers}".strip() + "\n\n")
    assert one.license == license_


@pytest.mark.parametrize("text", ["", "Name: a\n", "Version: 1\n", "nonsense", "\n\nName: a\nVersion: 1\n"])
def test_metadata_without_a_name_or_version_is_no_package(tmp_path: Path, text: str) -> None:
    assert python(tmp_path, text) == []


def test_the_list_is_sorted_and_says_each_thing_once(tmp_path: Path) -> None:
    _, packages = found_in(
        tmp_path,
        **{
            "b__b-1DOTdist-info__METADATA": "Name: b\nVersion: 1\n",
            "a__a-1DOTegg-info__PKG-INFO": "Name: a\nVersion: 1\n",
            "var__lib__dpkg__status": STATUS + "\n" + STATUS,
        },
    )
    assert [(one.kind, one.name) for one in packages] == [("deb", "zlib1g"), ("pypi", "a"), ("pypi", "b")]


@given(st.binary(max_size=300))
def test_any_bytes_are_read_without_a_fault(data: bytes) -> None:
    from wherry.trust.packages import _debian, _distribution, _python

    for one in [*_debian(data, b"x", needs_status=False), _python(data, b"x")]:
        assert one is None or (one.name and one.version)
    _distribution(data)
