"""CDI specs: the cases of tests/cases/cdi, files, folders and what they are asked for."""

from __future__ import annotations

import copy
import json
import os
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from wherry.errors import InvalidSpec, RuntimeFailure
from wherry.gpu import specs as specs_module
from wherry.gpu.apply import absent, apply, settled_nodes
from wherry.gpu.cdi import Edits, Mount
from wherry.gpu.parse import parse_spec
from wherry.gpu.source import read_document
from wherry.gpu.specs import Specs, read_specs

CASES = Path(__file__).parents[2] / "cases" / "cdi"
FAULTS = json.loads((CASES / "faults.json").read_text())
APPLIED = sorted((CASES / "applied").glob("*.yaml"))


@pytest.mark.parametrize("row", FAULTS, ids=lambda row: row["about"])
def test_a_fault_names_its_place(row: dict[str, Any]) -> None:
    with pytest.raises(InvalidSpec) as caught:
        parse_spec(row["spec"])
    assert caught.value.message == row["error"]


@pytest.mark.parametrize("path", APPLIED, ids=lambda path: path.stem)
def test_edits_change_the_container(path: Path) -> None:
    case = yaml.safe_load(path.read_text())
    edits = Specs(((0, parse_spec(case["spec"])),)).edits(case["ask"])
    doc = copy.deepcopy(case["before"])
    apply(doc, edits)
    assert doc == case["after"]


SPEC = {
    "cdiVersion": "0.5.0",
    "kind": "vendor.com/device",
    "devices": [{"name": name, "containerEdits": {"env": [f"{name.upper()}=1"]}} for name in ("one", "two")],
}


def write(folder: Path, name: str, **changes: Any) -> Path:
    folder.mkdir(exist_ok=True, parents=True)
    path = folder / name
    doc = {**SPEC, **changes}
    path.write_text(json.dumps(doc) if name.endswith(".json") else yaml.safe_dump(doc))
    return path


def test_specs_are_found_in_all_folders_in_json_and_yaml(tmp_path: Path) -> None:
    write(tmp_path / "etc", "a.json")
    write(tmp_path / "run", "b.yaml", kind="other.org/nic")
    write(tmp_path / "run", ".b.yaml.swp", kind="hidden.org/x")
    (tmp_path / "run" / "README").write_text("no spec")
    found = read_specs([str(tmp_path / "etc"), str(tmp_path / "run"), str(tmp_path / "nowhere")])
    assert found.names() == [
        "other.org/nic=one", "other.org/nic=two", "vendor.com/device=one", "vendor.com/device=two",
    ]  # fmt: skip
    assert found.edits(["vendor.com/device=two", "other.org/nic=one"]).env == ("TWO=1", "ONE=1")


def test_the_later_folder_wins(tmp_path: Path) -> None:
    write(tmp_path / "etc", "a.json")
    write(tmp_path / "run", "a.json", devices=[{"name": "one", "containerEdits": {"env": ["FROM=run"]}}])
    found = read_specs([str(tmp_path / "etc"), str(tmp_path / "run")])
    assert found.edits(["vendor.com/device=one"]).env == ("FROM=run",)
    assert found.edits(["vendor.com/device=two"]).env == ("TWO=1",)


def test_two_specs_of_one_folder_with_the_same_device_are_a_conflict_only_for_that_device(tmp_path: Path) -> None:
    first = write(tmp_path, "a.json")
    second = write(tmp_path, "b.json", devices=[{"name": "one", "containerEdits": {"env": ["X=1"]}}])
    found = read_specs([str(tmp_path)])
    assert found.edits(["vendor.com/device=two"]).env == ("TWO=1",)
    assert found.names() == ["vendor.com/device=two"]
    with pytest.raises(RuntimeFailure) as caught:
        found.edits(["vendor.com/device=one"])
    assert caught.value.hint == f"vendor.com/device=one is in {first} and in {second}: take it out of one of them"


@pytest.mark.parametrize(
    ("names", "shown", "hint"),
    [
        (["vendor.com/device=tow"], "vendor.com/device=tow", "did you mean vendor.com/device=two?"),
        (["vendor.com/device=9"], "vendor.com/device=9", "vendor.com/device has the devices one, two"),
        (
            ["a.com/b=1", "vendor.com/device=one", "a.com/b=2"],
            "a.com/b=1, a.com/b=2",
            "no spec for a.com/b in {dir}; there is vendor.com/device",
        ),
    ],
)
def test_what_can_not_be_had_is_named_with_the_reason(tmp_path: Path, names: list[str], shown: str, hint: str) -> None:
    write(tmp_path, "a.json")
    with pytest.raises(RuntimeFailure) as caught:
        read_specs([str(tmp_path)]).edits(names)
    assert caught.value.message == f"CDI device injection failed: unresolvable CDI devices {shown}"
    assert (caught.value.exit_code, caught.value.hint) == (125, hint.format(dir=tmp_path))


def test_a_broken_spec_is_told_when_its_device_is_missed(tmp_path: Path) -> None:
    broken = write(tmp_path, "broken.json", kind="x")
    write(tmp_path, "good.json", kind="good.com/x")
    found = read_specs([str(tmp_path)])
    assert found.edits(["good.com/x=one"]).env == ("ONE=1",)
    with pytest.raises(RuntimeFailure) as caught:
        found.edits(["vendor.com/device=one"])
    assert caught.value.hint == f"{broken} could not be read: kind: 'x' is not of the form vendor.com/class"


def test_a_spec_that_anybody_may_write_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, "a.json")
    path.chmod(0o666)
    assert read_specs([str(tmp_path)]).faults == (
        (str(path), "others than root may write it, and its hooks run as root"),
    )


def test_yaml_is_read_once_for_each_change_of_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, cache = write(tmp_path / "cdi", "a.yaml"), str(tmp_path / "cache.json")
    first = read_specs([str(path.parent)], cache)
    from wherry.gpu import source

    monkeypatch.setattr(source, "_yaml", lambda *_: pytest.fail("read again"))
    assert read_specs([str(path.parent)], cache) == first
    monkeypatch.undo()
    write(tmp_path / "cdi", "a.yaml", kind="changed.com/device")
    assert read_specs([str(path.parent)], cache).kinds() == {"changed.com/device"}
    os.unlink(path)
    assert read_specs([str(path.parent)], cache).ranked == ()
    assert json.loads(Path(cache).read_text()) == {}


@pytest.mark.parametrize("text", ["[", "[]", "{", '{"/x": 1}', "\xff"])
def test_a_damaged_cache_is_only_slower(tmp_path: Path, text: str) -> None:
    write(tmp_path / "cdi", "a.yaml")
    (tmp_path / "cache.json").write_bytes(text.encode("latin-1"))
    assert read_specs([str(tmp_path / "cdi")], str(tmp_path / "cache.json")).kinds() == {"vendor.com/device"}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a: &x [1]\nb: *x", "YAML's aliases (*name) are not taken"),
        ("a: &a [*a]", "YAML's aliases (*name) are not taken"),
        ("a: 1\na: 2", "not YAML: line 2: the key 'a' is there twice"),
        ("a: [", "did not find expected node content"),
        ("!!python/object/apply:os.getpid []", "not YAML: line 1: could not determine a constructor"),
        ("a: 2020-01-01", "2020-01-01 is a date to YAML"),
        ("1: 2", "a key is no word"),
        ("[1]", "expected an object"),
        ("a: 1\n---\nb: 1", "not YAML: line 2: but found another document"),
        ("[" * 50_000, "not YAML: line 1"),
    ],
)
def test_yaml_that_is_no_plain_document_is_refused(text: str, reason: str) -> None:
    with pytest.raises(InvalidSpec, match=r"nvidia\.yaml: ") as caught:
        read_document(text.encode(), "/etc/cdi/nvidia.yaml")
    assert reason in caught.value.message


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(["cdiVersion", "kind", "devices", "containerEdits", "x"]), VALUES), st.data())
def test_any_document_is_a_spec_or_a_fault(doc: dict[str, Any], data: st.DataObject) -> None:
    if data.draw(st.booleans()):
        doc = {
            **SPEC,
            "containerEdits": {data.draw(st.sampled_from(["env", "mounts", "hooks", "deviceNodes", "intelRdt"])): doc},
        }
    try:
        parse_spec(doc)
    except InvalidSpec:
        pass


@given(st.binary(max_size=60))
def test_any_bytes_are_a_document_or_a_fault(data: bytes) -> None:
    for name in ("x.yaml", "x.json"):
        try:
            read_document(data, name)
        except InvalidSpec:
            pass


def test_a_node_is_read_from_the_host() -> None:
    spec = parse_spec({**SPEC, "containerEdits": {"deviceNodes": [{"path": "/dev/x", "hostPath": "/dev/null"}]}})
    (node,) = settled_nodes(spec.edits.device_nodes)
    assert (node.path, node.type, node.major, node.minor) == ("/dev/x", "c", 1, 3)


@pytest.mark.parametrize(
    ("node", "reason"),
    [
        ({"path": "/dev/nope"}, "failed to stat CDI host device '/dev/nope': no such file or directory"),
        ({"path": "/etc/passwd"}, "/etc/passwd is not a device node"),
        ({"path": "/dev/null", "type": "b"}, "/dev/null is no device node of the type that the spec says"),
    ],
)
def test_a_node_that_is_none_is_told(node: dict[str, Any], reason: str) -> None:
    spec = parse_spec({**SPEC, "containerEdits": {"deviceNodes": [node]}})
    with pytest.raises(RuntimeFailure) as caught:
        settled_nodes(spec.edits.device_nodes)
    assert caught.value.message == f"CDI device injection failed: {reason}"


def test_a_stale_spec_is_seen_by_the_files_that_it_names() -> None:
    edits = Edits(mounts=(Mount("/nope/libcuda.so.1", "/x"), Mount("tmpfs", "/y", "tmpfs"), Mount("/etc", "/z")))
    assert absent(edits) == ["/nope/libcuda.so.1"]
    assert specs_module.DEFAULT_DIRS == ("/etc/cdi", "/var/run/cdi")
