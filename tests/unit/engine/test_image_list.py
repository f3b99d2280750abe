from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wherry.engine import Engine
from wherry.engine.filters import Filter, parse_filters, parse_moment
from wherry.engine.image_list import KEYS, compiled
from wherry.errors import InputError
from wherry.host.fake import FakeHost
from wherry.oci.config import ContainerConfig, History, ImageConfig
from wherry.oci.digest import DiffID
from wherry.oci.platform import Platform
from wherry.oci.reference import Reference
from wherry.settings import Paths, Settings

HOUR = 3600 * 10**9


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    settings = Settings(Paths(f"{tmp_path}/root", f"{tmp_path}/run"), {}, 1000, "/")
    with Engine(settings, FakeHost()) as made:
        yield made


def add(engine: Engine, *names: str, day: int = 1, labels: dict[str, str] | None = None,
        history: tuple[History, ...] = (), layers: tuple[str, ...] = ()) -> str:  # fmt: skip
    diff_ids = []
    with engine.leases.hold("test") as lease:
        for text in layers:
            with engine.layers.workdir() as folder:
                Path(folder, "fs").mkdir()
                diff_ids.append(DiffID.of(text.encode()))
                engine.layers.commit(folder, diff_ids[-1], len(text), lease)
        config = ImageConfig(
            Platform("linux", "amd64"), ContainerConfig(labels=labels or {}), tuple(diff_ids), history,
            created=f"2026-01-{day:02}T00:00:00Z",
        )  # fmt: skip
        return engine.image_store.create(config, [Reference.parse(name) for name in names]).id


def names(engine: Engine, *filters: str) -> list[str]:
    return [" ".join(one.tags) or "<none>" for one in engine.images.list(parse_filters(filters, KEYS))]


@pytest.fixture
def shelf(engine: Engine) -> Engine:
    add(engine, "shop/api:1", "shop/api:2", day=1, labels={"team": "a", "x": ""})
    add(engine, "shop/web", day=2, labels={"team": "b"})
    add(engine, day=3)
    add(engine, "ghcr.io/acme/tool:v1", day=4)
    return engine


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        ((), ["ghcr.io/acme/tool:v1", "<none>", "shop/web:latest", "shop/api:1 shop/api:2"]),
        (("dangling=true",), ["<none>"]),
        (("dangling=false",), ["ghcr.io/acme/tool:v1", "shop/web:latest", "shop/api:1 shop/api:2"]),
        (("label=team",), ["shop/web:latest", "shop/api:1 shop/api:2"]),
        (("label=team=a",), ["shop/api:1 shop/api:2"]),
        (("label=team", "label=x"), ["shop/api:1 shop/api:2"]),
        (("label!=team",), ["ghcr.io/acme/tool:v1", "<none>"]),
        (("before=shop/web",), ["shop/api:1 shop/api:2"]),
        (("since=shop/web",), ["ghcr.io/acme/tool:v1", "<none>"]),
        (("since=shop/api:1", "before=ghcr.io/acme/tool:v1"), ["<none>", "shop/web:latest"]),
        (("until=2026-01-02T12:00:00Z",), ["shop/web:latest", "shop/api:1 shop/api:2"]),
        (("reference=shop/*",), ["shop/web:latest", "shop/api:1 shop/api:2"]),
        (("reference=shop/api:2",), ["shop/api:2"]),
        (("reference=shop/api:[2-9]",), ["shop/api:2"]),
        (("reference=shop/api:[^1]",), ["shop/api:2"]),
        (("reference=shop/ap[a-i]:[12]",), ["shop/api:1 shop/api:2"]),
        (("reference=shop/api",), ["shop/api:1 shop/api:2"]),
        (("reference=*",), []),
        (("reference=*/*",), ["shop/web:latest", "shop/api:1 shop/api:2"]),
        (("reference=*/*/tool:v?",), ["ghcr.io/acme/tool:v1"]),
        (("reference=shop/web", "reference=shop/api:1"), ["shop/web:latest", "shop/api:1"]),
        (("reference=shop/api", "label=team=b"), []),
    ],
)
def test_filters_are_dockers(shelf: Engine, filters: tuple[str, ...], found: list[str]) -> None:
    assert names(shelf, *filters) == found


@pytest.mark.parametrize(
    ("text", "said"),
    [("dangling", "bad format"), ("colour=red", "invalid filter 'colour'"),
     ("dangling=perhaps", r"dangling=\[perhaps\]"),
     ("reference=[z-a]", "syntax error"), ("until=soon", "failed to parse value as time or duration: \"soon\"")],
)  # fmt: skip
def test_wrong_filters_are_named(shelf: Engine, text: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        names(shelf, text)


@given(st.text(alphabet="a*?[]\\^-/:", max_size=10))
def test_any_pattern_is_tried_and_none_breaks(pattern: str) -> None:
    with suppress(InputError):
        compiled(pattern).fullmatch("a-b/c:d")


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("24h", 1000 * HOUR - 24 * HOUR),
        ("1h30m", 1000 * HOUR - HOUR - HOUR // 2),
        ("90s", 1000 * HOUR - HOUR // 40),
        ("1.5h", 1000 * HOUR - HOUR - HOUR // 2),
        ("3600", HOUR),
        ("1970-01-02", 24 * HOUR),
        ("1970-01-01T01:00:00", HOUR),
        ("1970-01-01T01:00:00Z", HOUR),
        ("1970-01-01T01:00:00+01:00", 0),
    ],
)
def test_moments(text: str, moment: int) -> None:
    if moment:
        assert parse_moment(text, 1000 * HOUR) == moment


@pytest.mark.parametrize("text", ["", "h", "24x", "-5h", "tomorrow"])
def test_what_is_no_moment_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="failed to parse value as time"):
        parse_moment(text, 0)


def test_a_label_filter_with_a_not(engine: Engine) -> None:
    assert parse_filters(["label!=a=b"], KEYS) == (Filter("label!", "a=b"),)


def test_history_gives_each_step_its_layers_size_the_newest_first(engine: Engine) -> None:
    steps = (
        History("base", "2026-01-01T00:00:00Z"),
        History("ENV A=b", "2026-01-02T00:00:00Z", empty_layer=True),
        History("COPY . /", "2026-01-03T00:00:00Z", "buildkit"),
    )
    image = add(engine, "app", history=steps, layers=("12345", "678", "9"))
    rows = engine.images.history("app")
    assert [(row.image, row.created_by, row.size, row.comment) for row in rows] == [
        (image, "", 1, ""),
        ("<missing>", "COPY . /", 3, "buildkit"),
        ("<missing>", "ENV A=b", 0, ""),
        ("<missing>", "base", 5, ""),
    ]


def test_inspect_has_dockers_keys(engine: Engine) -> None:
    add(engine, "app", labels={"a": "b"}, layers=("base", "top"))
    doc = engine.images.inspect("app")
    assert list(doc) == [
        "Id", "RepoTags", "RepoDigests", "Parent", "Comment", "Created", "DockerVersion", "Author", "Config",
        "Architecture", "Os", "Size", "GraphDriver", "RootFS", "Metadata",
    ]  # fmt: skip
    assert doc["RootFS"]["Layers"] == [DiffID.of(b"base"), DiffID.of(b"top")]
    assert doc["GraphDriver"]["Data"]["UpperDir"].endswith(f"{DiffID.of(b'top').hex}/fs")
    assert doc["Config"]["Labels"] == {"a": "b"}
    assert doc["Config"]["Cmd"] is None
