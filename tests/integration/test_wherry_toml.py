"""wherry.toml in the build context."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.build_lab import Lab

pytestmark = pytest.mark.requires("root", "runc", "busybox")


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    lab = Lab(tmp_path)
    yield lab
    assert lab.leftovers() == {}
    lab.close()


def caches(lab: Lab, context: Path, *argv: str) -> bool:
    """Whether a step was shown the download caches."""
    image = lab.build(context, "--no-cache", *argv)
    return "PIP_CACHE_DIR" in (Path(lab.layers(image)[1]) / "env").read_text()


def test_the_file_decides_where_no_flag_does(lab: Lab) -> None:
    text = "FROM busybox\nRUN env > /env\n"
    context = lab.context("c", {"Dockerfile": text, "wherry.toml": "[build]\nambient-cache = false\n"})
    assert caches(lab, context) is False
    assert caches(lab, context, "--no-ambient-cache=false") is True
    (context / "wherry.toml").write_text("[build]\nhost-ca = false\n")
    assert caches(lab, context) is True
    assert caches(lab, context, "--no-ambient-cache") is False


def test_it_is_the_contexts_and_found_from_anywhere(lab: Lab) -> None:
    context = lab.context("c", {"wherry.toml": "[build]\nambient-cache = false\n"})
    (lab.folder / "elsewhere").write_text("FROM busybox\nRUN env > /env\n")
    assert caches(lab, context, "-f", str(lab.folder / "elsewhere")) is False


def test_a_name_it_does_not_know_ends_the_build_before_it_begins(lab: Lab) -> None:
    context = lab.context("c", {"Dockerfile": "FROM busybox\n", "wherry.toml": "[build]\ntraced-cahce = false\n"})
    done = lab.wherry("build", str(context))
    assert done.returncode == 1
    assert "wherry.toml:2: traced-cahce is no switch" in done.stderr
    assert "did you mean traced-cache?" in done.stderr
    assert "transferring" not in done.stderr


def test_it_reaches_the_image_like_any_other_file_only(lab: Lab) -> None:
    files = {"Dockerfile": "FROM busybox\nCOPY sub /sub\n", "wherry.toml": "[build]\n", "sub/a": "a"}
    context = lab.context("c", files)
    assert "wherry.toml" not in lab.listing(lab.build(context))
    (context / "Dockerfile").write_text("FROM busybox\nCOPY . /all\n")
    assert "wherry.toml" in lab.listing(lab.build(context))
