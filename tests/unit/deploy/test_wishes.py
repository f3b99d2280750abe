"""What is asked of a deployment, in each of its places, and which place wins."""

from __future__ import annotations

from pathlib import Path

import pytest

from wherry.deploy import secrets, wishes
from wherry.deploy.application import Gpu, Secret, Weights
from wherry.deploy.wishes import Wishes, over, port_number
from wherry.errors import InputError


@pytest.mark.parametrize(("text", "milli"), [("0.5", 500), ("2", 2000), ("500m", 500), ("1.125", 1125), ("0.25", 250)])
def test_cpus_are_read_as_people_and_kubernetes_write_them(text: str, milli: int) -> None:
    assert wishes.cpu_m(text) == milli


@pytest.mark.parametrize("text", ["0", "-1", "", "1.2345", "two", "1e3", "0m"])
def test_what_is_no_number_of_cpus_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="cpu"):
        wishes.cpu_m(text)


@pytest.mark.parametrize(("text", "size"), [("512m", 512 << 20), ("2g", 2 << 30), ("4GiB", 4 << 30), ("1.5g", 3 << 29)])
def test_memory_is_read_as_docker_reads_it(text: str, size: int) -> None:
    assert wishes.memory_bytes(text) == size


@pytest.mark.parametrize("text", ["512", "", "much", "-2g"])
def test_memory_that_no_program_runs_in_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="memory"):
        wishes.memory_bytes(text)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("1", Gpu(1)),
        ("2:nvidia-l4", Gpu(2, "nvidia-l4")),
        ("nvidia-t4", Gpu(1, "nvidia-t4")),
        ("0", None),
        ("none", None),
    ],
)
def test_gpus_are_a_number_and_a_kind(text: str, found: Gpu | None) -> None:
    assert wishes.gpu(text) == found


@pytest.mark.parametrize("text", ["", "x y", "-1", "100:l4", "1:a b"])
def test_other_gpus_are_refused(text: str) -> None:
    with pytest.raises(InputError, match="gpu"):
        wishes.gpu(text)


def test_weights_keep_a_registry_with_a_port_and_a_tag() -> None:
    assert wishes.weights("127.0.0.1:5000/iris:3:/models/iris/") == Weights("127.0.0.1:5000/iris:3", "/models/iris")
    with pytest.raises(InputError, match="REFERENCE:/FOLDER"):
        wishes.weights("iris:3")


def test_grace_is_rounded_up_to_whole_seconds() -> None:
    assert [wishes.grace_s(one) for one in ("30", "1m30s", "1500ms")] == [30, 90, 2]
    with pytest.raises(InputError, match="grace"):
        wishes.grace_s("2h")


def test_the_upper_place_wins_and_variables_of_both_are_kept() -> None:
    found = over(Wishes(image="a", env={"X": "2"}), Wishes(image="b", name="n", env={"X": "1", "Y": "1"}))
    assert (found.image, found.name, dict(found.env or {})) == ("a", "n", {"X": "2", "Y": "1"})


def test_a_variable_that_becomes_a_secret_is_no_variable_any_more() -> None:
    found = over(Wishes(secrets={"KEY": Secret("KEY", "env", "KEY")}), Wishes(env={"KEY": "typed", "Y": "1"}))
    assert dict(found.env or {}) == {"Y": "1"}
    back = over(Wishes(env={"KEY": "open"}), found)
    assert back.secrets is None


def test_a_port_of_the_upper_place_settles_which_of_several() -> None:
    assert over(Wishes(port=80), Wishes(ports=(80, 81))).ports is None


def test_a_secret_names_its_source() -> None:
    assert secrets.parse("KEY") == Secret("KEY", "env", "KEY")
    assert secrets.parse("KEY=file:/run/key") == Secret("KEY", "file", "/run/key")
    assert secrets.parse("KEY=ref:store/key") == Secret("KEY", "ref", "store/key")


def test_a_secret_that_was_typed_by_mistake_is_not_repeated() -> None:
    with pytest.raises(InputError) as told:
        secrets.parse("KEY=hunter2")
    assert "hunter2" not in f"{told.value} {told.value.hint}"


def test_a_secrets_value_loses_only_its_last_line_end(tmp_path: object) -> None:
    file = f"{tmp_path}/key"
    with open(file, "w") as out:
        out.write(" a b \n")
    assert secrets.value_of(Secret("KEY", "file", file), {}, "/") == " a b "
    assert secrets.value_of(Secret("KEY", "env", "K"), {"K": "v"}, "/") == "v"
    with pytest.raises(InputError, match="not set"):
        secrets.value_of(Secret("KEY", "env", "K"), {}, "/")
    with pytest.raises(InputError, match="cannot read"):
        secrets.value_of(Secret("KEY", "file", "gone"), {}, "/nowhere")


@pytest.mark.parametrize(("value", "words"), [("", "is empty here"), ("a\0b", "NUL")])
def test_a_secret_that_no_store_takes_is_refused_without_its_value(value: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "key").write_text(value + "\n")
    for secret, env in ((Secret("KEY", "env", "K"), {"K": value}), (Secret("KEY", "file", "key"), {})):
        with pytest.raises(InputError, match=words) as told:
            secrets.value_of(secret, env, str(tmp_path))
        assert "a\0b" not in f"{told.value.message} {told.value.hint}"


def test_dockers_two_ports_are_one_here() -> None:
    with pytest.raises(InputError, match="no TCP port") as told:
        port_number("8080:8000")
    assert "the port in the container alone" in (told.value.hint or "")
