from __future__ import annotations

from tests.unit.bootstrap.answering import AnsweringHost
from wherry.bootstrap.elf import Elf
from wherry.bootstrap.libraries import Libraries, owners, parse_cache, parse_owners, wanted

CACHE = """\
2 libs found in cache `/etc/ld.so.cache'
\tlibssl.so.3 (libc6,x86-64) => /lib/x86_64-linux-gnu/libssl.so.3
\tlibz.so.1 (libc6,x86-64) => /lib/x86_64-linux-gnu/libz.so.1
\tlibz.so.1 (libc6) => /lib32/libz.so.1
\tlibown.so.1 (libc6,x86-64) => /nowhere/libown.so.1
"""
OWNERS = """\
libssl3t64:amd64: /usr/lib/x86_64-linux-gnu/libssl.so.3
diversion by something from: /usr/lib/x86_64-linux-gnu/libz.so.1
zlib1g:amd64, zlib1g-other:amd64: /lib/x86_64-linux-gnu/libz.so.1
"""


def test_the_linkers_cache_gives_the_64_bit_path() -> None:
    assert parse_cache(CACHE)["libz.so.1"] == "/lib/x86_64-linux-gnu/libz.so.1"


def test_dpkgs_answer_gives_the_package_without_its_architecture() -> None:
    assert parse_owners(OWNERS) == {
        "/usr/lib/x86_64-linux-gnu/libssl.so.3": "libssl3t64",
        "/lib/x86_64-linux-gnu/libz.so.1": "zlib1g",
    }


def test_a_library_that_comes_along_is_not_wanted() -> None:
    files = [
        ("/x/bin/python3.10", Elf(62, ("libpython3.10.so.1.0", "libc.so.6"), "", "")),
        ("/x/lib/libpython3.10.so.1.0", Elf(62, ("libm.so.6",), "libpython3.10.so.1.0", "")),
    ]
    assert wanted(files) == ("libc.so.6", "libm.so.6")


def test_libraries_that_no_package_holds_are_named() -> None:
    host = AnsweringHost({"/sbin/ldconfig": CACHE, "dpkg-query": OWNERS})
    found = owners(host, ("libgone.so.9", "libown.so.1"))
    assert found == Libraries((), ("libgone.so.9", "libown.so.1"))
