"""docker's JSON of equal objects: the same keys, the same types, the same values but for those of docs/inspect.md."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.compat.shapes import Difference, Shape, allowed, document, fits, own_values, shapes, walk
from tests.compat.sides import Side

pytestmark = pytest.mark.requires("root", "runc", "nft", "ip", "busybox", "docker", "dockerd", "docker-registry")
SHAPES = shapes()


@pytest.fixture(scope="module")
def seen() -> dict[str, list[Difference]]:
    """Of the shapes that were compared already."""
    return {}


def compared(shape: Shape, sides: tuple[Side, Side], seen: dict[str, list[Difference]]) -> list[Difference]:
    if shape.title not in seen:
        with ThreadPoolExecutor(2) as pool:
            docker, wherry = pool.map(lambda side: document(side, shape), sides)
        seen[shape.title] = list(walk(docker, wherry, own_values(shape.kind)))
    return seen[shape.title]


@pytest.mark.parametrize("shape", [pytest.param(one, id=one.title) for one in SHAPES])
def test_docker_and_wherry_show_the_same(
    shape: Shape, sides: tuple[Side, Side], seen: dict[str, list[Difference]]
) -> None:
    known = allowed(shape.kind)
    found = [one for one in compared(shape, sides, seen) if not any(fits(path, one.path) for path in known)]
    assert not found, "\n".join(["", shape.setup, shape.shows, *(f"  {one.path}: {one.what}" for one in found)])


@pytest.mark.parametrize("kind", sorted({one.kind for one in SHAPES}))
def test_each_difference_of_the_page_is_one(
    kind: str, sides: tuple[Side, Side], seen: dict[str, list[Difference]]
) -> None:
    found = [one.path for shape in SHAPES if shape.kind == kind for one in compared(shape, sides, seen)]
    stale = [path for path in allowed(kind) if not any(fits(path, one) for one in found)]
    assert stale == [], "they do not differ any more: take them out of docs/inspect.md"
