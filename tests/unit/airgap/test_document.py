"""bundle.json, where its files stand, and its parts: from text that anybody may have written."""

from __future__ import annotations

import io
import json
import tarfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wherry.airgap.document import Absent, Bundle, Entry, Project, Since, parse
from wherry.airgap.layout import first_size, layout, padding, tail
from wherry.airgap.split import check_parts, number_of, part_name, parts_of
from wherry.errors import InputError, InvalidSpec, Unsupported, WherryError
from wherry.oci.digest import Digest
from wherry.store.save import tar_header

A, B = Digest.of(b"a"), Digest.of(b"b")
FIXED = tuple(Entry(name, 2, A) for name in ("oci-layout", "index.json", "manifest.json"))


def blob(data: bytes) -> Entry:
    return Entry(f"blobs/sha256/{Digest.of(data).hex}", len(data), Digest.of(data))


def bundle(*files: Entry, **changes: object) -> Bundle:
    found = Bundle((), (), (), None, (), (), (*FIXED, *sorted(files)))
    return found._replace(**changes)  # type: ignore[arg-type]


def test_what_is_written_is_read() -> None:
    made = bundle(
        blob(b"x"),
        project=Project("shop", A, ("compose.yaml",), ("data",), ("run.sh",)),
        since=(Since(B, "old"),),
        absent=(Absent(A, 5, B),),
    )
    assert parse(made.to_bytes()) == made


def test_the_order_of_bytes_is_that_of_a_tar_of_gnu() -> None:
    datas = [b"x" * 600, b"y", b""]
    files = bundle(*map(blob, datas)).files
    first = b'{"schema":1}'
    contents = dict.fromkeys([one.name for one in FIXED], b"{}") | {blob(data).name: data for data in datas}
    contents["bundle.json.sha256"] = f"{Digest.of(first).hex}  bundle.json\n".encode()
    places, total = layout(first, files)
    out = tar_header("bundle.json", len(first)) + first + bytes(padding(len(first)))
    for place in places:
        assert place.at == len(out)
        data = contents.get(place.name, b"")
        out += place.header + data + bytes(padding(len(data)))
    out += tail(len(out))
    assert len(out) == total
    assert first_size(out[:512]) == len(first)
    with tarfile.open(fileobj=io.BytesIO(out)) as tar:
        names = {member.name: tar.extractfile(member) for member in tar if member.isreg()}
        read = {name: file.read() for name, file in names.items() if file}
    assert read == {"bundle.json": first, **contents}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"schema": 2}, "schema 2"),
        ({"schema": None}, "schema"),
        ({"files": []}, "not those of a bundle"),
        ({"files": [["../../etc/passwd", 1, A]]}, "not those of a bundle"),
        ({"files": [[one.name, 2, A] for one in FIXED] + [["blobs/sha256/../../x", 1, A]]}, "not its digest"),
        ({"files": [[one.name, 2, A] for one in FIXED] + [[f"blobs/sha256/{B.hex}", 1, A]]}, "not its digest"),
        ({"files": [[one.name, 2, A] for one in FIXED] + [[blob(b"x").name, 1, blob(b"x").digest]] * 2}, "order"),
        ({"files": [["oci-layout", -1, A]]}, "not a size"),
        ({"files": [["oci-layout", 1 << 63, A]]}, "not a size"),
        ({"files": [["oci-layout", True, A]]}, "not a size"),
        ({"files": [["oci-layout", 1, "sha256:00"]]}, "digest"),
        ({"files": [[1, 1, A]]}, "expected a string"),
        ({"files": [["oci-layout"]]}, "three values"),
        ({"absent": [[A, 1, B]]}, "not among"),
        ({"project": {"name": "../x", "manifest": A}}, "no project's name"),
        ({"project": {"name": ".ssh", "manifest": A}}, "no project's name"),
        ({"project": {"name": "a/b", "manifest": A}}, "no project's name"),
        ({"project": {"name": "x", "manifest": A, "files": ["/etc/passwd"]}}, "leads elsewhere"),
        ({"project": {"name": "x", "manifest": A, "folders": ["a/../../b"]}}, "leads elsewhere"),
        ({"models": [{"id": A, "names": ["\x1b[2J"], "size": 1}]}, "is no name"),
        ({"models": [{"id": A, "names": "x", "size": 1}]}, "expected a list"),
        ({"images": [3]}, "expected an object"),
    ],
)
def test_a_document_that_is_wrong_is_refused(change: dict[str, object], said: str) -> None:
    doc = json.loads(bundle().to_bytes()) | change
    with pytest.raises((InvalidSpec, Unsupported), match=said):
        parse(json.dumps(doc).encode())


@given(st.binary(max_size=600))
def test_any_bytes_are_a_bundle_or_refused(data: bytes) -> None:
    for read in (parse, first_size):
        try:
            read(data)
        except WherryError:
            pass


def test_a_tar_that_is_no_bundle_is_refused_with_what_takes_it() -> None:
    with pytest.raises(InvalidSpec, match="no bundle") as fault:
        first_size(tar_header("index.json", 3))
    assert "wherry load -i" in str(fault.value.hint)
    with pytest.raises(InvalidSpec, match="over the limit"):
        first_size(tar_header("bundle.json", 1 << 30))


@pytest.mark.parametrize(
    ("sizes", "said"),
    [
        ((100, 100, 50), ""),
        ((100, 100), "x.003 .it has 3."),
        ((100,), "x.002, x.003"),
        ((100, 90, 50), "x.002 is cut off: it has 90 bytes of 100"),
        ((90, 100, 50), "x.001 is cut off"),
        ((100, 100, 40), "x.003 is cut off: it has 40 bytes of 50"),
        ((100, 100, 60), "x.003 is too long"),
        ((100, 100, 50, 10), "x.004 is no part of this bundle"),
    ],
)
def test_what_is_wrong_with_the_parts_is_said(sizes: tuple[int, ...], said: str) -> None:
    paths = [part_name("x", i + 1) for i in range(len(sizes))]
    if not said:
        check_parts(paths, sizes, 250)
        return
    with pytest.raises(InvalidSpec, match=said):
        check_parts(paths, sizes, 250)


def test_names_of_parts() -> None:
    assert number_of("a/b.tar.012") == ("a/b.tar", 12)
    assert [number_of(name) for name in ("a.tar", "a.000", "a.1234", ".12")] == [None] * 4
    assert parts_of(100, 10) == 10
    with pytest.raises(InputError, match="more than 999"):
        parts_of(1000, 1)
