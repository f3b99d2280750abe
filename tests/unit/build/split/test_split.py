"""A diff and the layers that it becomes."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.unit.build.split.wheels import SITE, install, listing, merged, split, write
from wherry.build.split.rules import Rules
from wherry.image.packages.layer import look, title
from wherry.image.tar import pack


@pytest.fixture
def work(tmp_path: Path) -> Path:
    (tmp_path / "fs").mkdir()
    return tmp_path


def titles(layers: list[Path]) -> list[str]:
    return [title(look(str(layer))) for layer in layers]


def names(layer: Path) -> list[str]:
    return sorted(path.removeprefix(SITE + "/") for path in listing(layer, files_only=True))


def timeless(entries: dict[str, tuple[object, ...]]) -> dict[str, tuple[object, ...]]:
    return {path: (*entry[:3], entry[4]) for path, entry in entries.items()}


def digests(layers: list[Path]) -> list[str]:
    return [pack.diff_id(str(layer))[0] for layer in layers]


def test_heavy_packages_come_first_by_name_then_the_small_ones_together_then_the_rest(work: Path) -> None:
    root = work / "fs"
    install(root, "torch", {"torch/lib.so": 3000, "torch/__init__.py": 5, "../../../bin/torchrun": 9})
    install(root, "nvidia-cublas", {"nvidia/cublas/lib.so": 2000})
    install(root, "click", {"click/__init__.py": 10})
    install(root, "six", {"six.py": 10})
    write(root, "var/log/pip.log", "installed")
    before = listing(root)
    layers = split(work)
    assert titles(layers[:3]) == ["nvidia-cublas 1", "torch 1", "click 1, six 1"]
    assert len(layers) == 4
    assert names(layers[1]) == ["torch-1.dist-info/METADATA", "torch/__init__.py", "torch/lib.so", "usr/bin/torchrun"]
    infos = [f"{name}-1.dist-info/{file}" for name in ("click", "nvidia_cublas", "six", "torch")
             for file in ("INSTALLER", "RECORD", "REQUESTED")]  # fmt: skip
    assert names(layers[3]) == [*infos, "var/log/pip.log"]
    assert timeless(merged(layers)) == timeless(before)


def test_the_same_wheel_gives_the_same_layer_beside_whatever_else_is_installed(tmp_path: Path) -> None:
    for number in (1, 2):
        root = tmp_path / str(number) / "fs"
        install(root, "torch", {"torch/lib.so": 3000, "torch/a/b.py": 5})
    (tmp_path / "2" / "fs" / SITE / "torch-1.dist-info" / "REQUESTED").unlink()
    record = tmp_path / "2" / "fs" / SITE / "torch-1.dist-info" / "RECORD"
    record.write_text(record.read_text() + "\ntorch-1.dist-info/direct_url.json,,")
    write(tmp_path / "2" / "fs", f"{SITE}/torch-1.dist-info/direct_url.json", "{}")
    write(tmp_path / "2" / "fs", f"{SITE}/torch/a/__pycache__/b.cpython-311.pyc", "made by an import, not by pip")
    install(tmp_path / "2" / "fs", "numpy", {"numpy/x.so": 4000})
    one, two = split(tmp_path / "1"), split(tmp_path / "2")
    assert titles(two)[:2] == ["numpy 1", "torch 1"]
    assert digests(two)[1] == digests(one)[0]


@pytest.mark.parametrize(
    "site",
    [
        "usr/local/lib/python3.10/site-packages", "root/.local/lib/python3.12/site-packages", "app/vendor",
        "opt/conda/lib/python3.11/site-packages", "app/.venv/lib/python3.13/site-packages",
    ],
)  # fmt: skip
def test_site_packages_may_be_anywhere(work: Path, site: str) -> None:
    install(work / "fs", "torch", {"torch/lib.so": 3000})
    (work / "fs" / site).parent.mkdir(parents=True)
    (work / "fs" / SITE).rename(work / "fs" / site)
    assert titles(split(work))[0] == "torch 1"


def test_without_a_heavy_package_a_diff_stays_one_layer(work: Path) -> None:
    install(work / "fs", "click", {"click/__init__.py": 10})
    before = listing(work / "fs")
    assert split(work) == [work / "fs"]
    assert listing(work / "fs").keys() == before.keys()


def test_a_file_that_two_packages_name_goes_with_the_rest(work: Path) -> None:
    install(work / "fs", "torch", {"torch/lib.so": 3000, "tests/__init__.py": 1})
    install(work / "fs", "numpy", {"numpy/lib.so": 3000, "tests/__init__.py": 1})
    layers = split(work)
    assert "tests/__init__.py" in names(layers[-1])
    assert "tests/__init__.py" not in names(layers[0]) + names(layers[1])


def test_a_small_file_that_wheels_agree_on_is_in_the_layer_of_each(tmp_path: Path) -> None:
    shared = {"nvidia/__init__.py": 3}
    for number, names_ in (("1", ("nvidia-a", "nvidia-b", "nvidia-small")), ("2", ("nvidia-b",))):
        root = tmp_path / number / "fs"
        for name in names_:
            install(root, name, {**shared, f"nvidia/{name}/lib.so": 10 if "small" in name else 2000})
            record = root / SITE / f"{name.replace('-', '_')}-1.dist-info" / "RECORD"
            record.write_text(record.read_text() + "\nnvidia/__pycache__/__init__.cpython-311.pyc,,")
        write(root, f"{SITE}/nvidia/__pycache__/__init__.cpython-311.pyc", "compiled")
        (root / SITE / "nvidia/__init__.py").chmod(0o640)
    before = listing(tmp_path / "1" / "fs")
    several, alone = split(tmp_path / "1"), split(tmp_path / "2")
    assert titles(several)[:3] == ["nvidia-a 1", "nvidia-b 1", "nvidia-small 1"]
    for layer in several[:3]:
        assert {"nvidia/__init__.py", "nvidia/__pycache__/__init__.cpython-311.pyc"} < set(names(layer))
    assert digests(several)[1] == digests(alone)[0]
    assert timeless(merged(several)) == timeless(before)


def test_a_name_that_no_package_has_goes_with_the_file_that_one_has(work: Path) -> None:
    root = work / "fs"
    install(root, "torch", {"torch/lib.so": 3000})
    (root / "opt/conda/pkgs").mkdir(parents=True)
    os.link(root / SITE / "torch/lib.so", root / "opt/conda/pkgs/lib.so")
    layers = split(work)
    assert names(layers[0]) == ["opt/conda/pkgs/lib.so", "torch-1.dist-info/METADATA", "torch/lib.so"]
    assert os.path.samefile(layers[0] / SITE / "torch/lib.so", layers[0] / "opt/conda/pkgs/lib.so")


def test_a_linked_file_is_never_copied(work: Path) -> None:
    for name in ("nvidia-a", "nvidia-b"):
        install(work / "fs", name, {"nvidia/__init__.py": 3, f"{name}/lib.so": 2000})
    os.link(work / "fs" / SITE / "nvidia/__init__.py", work / "fs" / "other")
    layers = split(work)
    assert names(layers[2])[-2:] == ["nvidia_b-1.dist-info/REQUESTED", "other"]
    assert os.path.samefile(layers[2] / "other", layers[2] / SITE / "nvidia/__init__.py")


def test_a_file_of_another_size_than_recorded_goes_with_the_rest(work: Path) -> None:
    install(work / "fs", "torch", {"torch/lib.so": 3000, "torch/conf.py": 5})
    write(work / "fs", f"{SITE}/torch/conf.py", "patched by the step")
    assert "torch/conf.py" in names(split(work)[-1])


def test_links_devices_and_empty_folders_go_with_the_rest(work: Path) -> None:
    root = work / "fs"
    install(root, "torch", {"torch/lib.so": 3000})
    (root / SITE / "torch" / "libtorch.so").symlink_to("lib.so")
    (root / SITE / "torch" / "empty").mkdir()
    os.mkfifo(root / SITE / "torch" / "pipe")
    layers = split(work)
    assert sorted(path for path in listing(layers[1]) if "torch/" in path) == [
        f"{SITE}/torch/empty", f"{SITE}/torch/libtorch.so", f"{SITE}/torch/pipe",
    ]  # fmt: skip


def test_hard_links_stay_together(work: Path) -> None:
    root = work / "fs"
    install(root, "torch", {"torch/lib.so": 3000, "torch/b.so": 10})
    install(root, "numpy", {"numpy/lib.so": 3000})
    os.link(root / SITE / "torch/lib.so", root / SITE / "torch/same.so")
    record = root / SITE / "torch-1.dist-info" / "RECORD"
    record.write_text(record.read_text() + "\ntorch/same.so,,3000")
    os.link(root / SITE / "torch/b.so", root / SITE / "numpy/b.so")
    numpy = root / SITE / "numpy-1.dist-info" / "RECORD"
    numpy.write_text(numpy.read_text() + "\nnumpy/b.so,,10")
    layers = split(work)
    assert names(layers[1]) == ["torch-1.dist-info/METADATA", "torch/lib.so", "torch/same.so"]
    assert os.path.samefile(layers[1] / SITE / "torch/lib.so", layers[1] / SITE / "torch/same.so")
    assert os.path.samefile(layers[-1] / SITE / "torch/b.so", layers[-1] / SITE / "numpy/b.so")


def test_folders_above_have_the_same_mode_in_each_layer_and_every_time_is_clamped(work: Path) -> None:
    install(work / "fs", "torch", {"torch/lib.so": 3000})
    write(work / "fs", f"{SITE}/other.py", "")
    (work / "fs" / "usr").chmod(0o2751)
    (work / "fs" / SITE).chmod(0o700)
    layers = split(work)
    assert len(layers) == 2
    for layer in layers:
        assert stat.S_IMODE((layer / "usr").stat().st_mode) == 0o2751
        assert stat.S_IMODE((layer / SITE).stat().st_mode) == 0o700
        assert {entry[3] for entry in listing(layer).values()} == {10**18}


@pytest.mark.parametrize("also", [True, False])
def test_large_files_are_layers_of_their_own_by_path(work: Path, also: bool) -> None:
    write(work / "fs", "models/b.bin", "b" * 6000)
    write(work / "fs", "models/a.bin", "a" * 5000)
    (work / "fs" / "models" / "same.bin").hardlink_to(work / "fs" / "models" / "a.bin")
    if also:
        write(work / "fs", "main.py", "")
    layers = split(work)
    assert [names(layer) for layer in layers] == [
        ["models/a.bin", "models/same.bin"], ["models/b.bin"], *([["main.py"]] if also else []),
    ]  # fmt: skip


def test_a_large_file_alone_is_the_layer_that_it_is_anyway(work: Path) -> None:
    write(work / "fs", "models/a.bin", "a" * 5000)
    assert split(work) == [work / "fs"]


def test_a_large_file_of_a_package_stays_in_the_package(work: Path) -> None:
    install(work / "fs", "torch", {"torch/lib.so": 9000})
    write(work / "fs", "weights.bin", "w" * 9000)
    assert titles(split(work))[:2] == ["torch 1", "weights.bin"]


def test_a_budget_keeps_the_largest(work: Path) -> None:
    for number in range(8):
        install(work / "fs", f"p{number}", {f"p{number}/lib.so": 1000 + number})
    write(work / "fs", "weights.bin", "w" * 9000)
    layers = split(work, share=6)
    assert titles(layers)[:4] == ["p6 1", "p7 1", "weights.bin", "p0 1, p1 1, p2 1 and 3 more"]
    assert len(layers) == 5


@pytest.mark.parametrize("share", [0, 1, 2, 3])
def test_without_a_budget_there_is_one_layer(work: Path, share: int) -> None:
    install(work / "fs", "torch", {"torch/lib.so": 3000})
    assert split(work, share=share) == [work / "fs"]


@pytest.mark.parametrize(("below", "share"), [(0, 32), (2, 31), (40, 12), (62, 1), (64, 1), (200, 1)])
def test_each_step_may_take_half_of_what_is_left(below: int, share: int) -> None:
    assert Rules().share(below) == share


@pytest.mark.parametrize("record", ["", '"', "\0", "../../../../../../etc/passwd,,\n/,,\n.,,\n..,,", ",,\n,,"])
def test_a_record_of_nonsense_takes_nothing(work: Path, record: str) -> None:
    install(work / "fs", "torch", {"torch/lib.so": 3000}, record=record)
    assert split(work) == [work / "fs"]


def test_what_a_record_names_behind_a_link_is_not_the_packages(work: Path) -> None:
    (work / "fs" / "usr/lib").mkdir(parents=True)
    (work / "fs" / "usr/lib64").symlink_to("lib")
    record = "../../../lib64/python3/site-packages/torch/lib.so,,3000\n../../../lib64,,\n"
    install(work / "fs", "torch", {"torch/lib.so": 3000}, record=record)
    assert split(work) == [work / "fs"]


PATHS = st.sampled_from(["a.py", "n/a.so", "n/b.so", "n/m/c.py", "t/x", "t/y/z", "../../../bin/r", "../../../e"])
WHEELS = st.dictionaries(
    st.sampled_from(["torch", "numpy", "click", "nvidia-x"]),
    st.dictionaries(PATHS, st.sampled_from([1, 700, 2000, 6000])),
    max_size=4,
)
OTHER_PATHS = st.sampled_from(["w.bin", f"{SITE}/n/w", f"{SITE}/t/y/w", "var/x"])
OTHERS = st.dictionaries(OTHER_PATHS, st.sampled_from([0, 9000]))
LINKS = st.lists(st.tuples(st.integers(0, 99), st.integers(0, 99)), max_size=3)


@given(wheels=WHEELS, others=OTHERS, links=LINKS, share=st.integers(0, 9))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_layers_together_are_the_diff(
    tmp_path_factory: pytest.TempPathFactory, wheels: dict[str, dict[str, int]], others: dict[str, int],
    links: list[tuple[int, int]], share: int,
) -> None:  # fmt: skip
    work = tmp_path_factory.mktemp("work")
    root = work / "fs"
    root.mkdir()
    for name, files in wheels.items():
        install(root, name, files)
    for path, size in others.items():
        write(root, path, "w" * size)
    files = sorted(listing(root, files_only=True))
    for one, two in links:
        if len(files) > 1:
            (root / files[two % len(files)]).with_suffix(".link").unlink(missing_ok=True)
            os.link(root / files[one % len(files)], (root / files[two % len(files)]).with_suffix(".link"))
    before = listing(root)
    layers = split(work, share=share)
    assert len(layers) <= max(1, share)
    after = merged(layers)
    assert timeless(after) == timeless(before)
    assert {entry[3] for entry in after.values()} == {10**18}
