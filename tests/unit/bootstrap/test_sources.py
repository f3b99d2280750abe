"""tests/cases/bootstrap/sources: the host's apt sources, and what of them an image may know (for trixie)."""

from __future__ import annotations

from pathlib import Path

import pytest

from wherry.bootstrap.sources import as_deb822, as_lines, choose, parse

CASES = Path(__file__).parents[2] / "cases" / "bootstrap" / "sources"
KEYRING = "/usr/share/keyrings/debian-archive-keyring.pgp"


@pytest.mark.parametrize("case", sorted(CASES.iterdir()), ids=lambda path: path.name)
def test_only_debians_own_signed_web_sources_are_chosen(case: Path) -> None:
    (source,) = case.glob("in.*")
    chosen = choose(parse(source.name, source.read_text()), "trixie")
    assert "".join(f"{s.uri} {s.suite} {' '.join(s.components)}\n" for s in chosen) == (case / "result").read_text()


def test_what_is_written_reads_back_the_same() -> None:
    chosen = choose([], "trixie")
    for name, text in (("x.list", as_lines(chosen, KEYRING)), ("x.sources", as_deb822(chosen, KEYRING))):
        again = parse(name, text)
        assert {one.signed_by for one in again} == {KEYRING}
        assert choose(again, "trixie") == chosen
