"""The image verbs as a user types them, in this process."""

from __future__ import annotations

import io
import json
import os
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.unit.store import archives
from wherry.cli.main import main
from wherry.cli.render import human_size

Run = Callable[..., tuple[int, str, str]]
BASE = archives.layer_tar(etc__passwd="root")


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Run:
    monkeypatch.setenv("WHERRY_ROOT", str(tmp_path / "root"))

    def call(*argv: str) -> tuple[int, str, str]:
        code = main(list(argv))
        out, err = capfd.readouterr()
        return code, out, err

    return call


@pytest.fixture
def box(run: Run, tmp_path: Path) -> str:
    """An image of one layer, named box:latest; its id."""
    (tmp_path / "base.tar").write_bytes(BASE)
    return run("import", "-c", 'CMD ["sh"]', "-m", "made by hand", str(tmp_path / "base.tar"), "box")[1].strip()


def test_an_empty_store_has_a_table_of_nothing(run: Run) -> None:
    assert run("images") == (0, "REPOSITORY   TAG       IMAGE ID   CREATED   SIZE\n", "")
    assert run("images", "-q") == (0, "", "")


def test_images_lists_each_name(run: Run, box: str) -> None:
    run("tag", "box", "host:5000/team/box:v1")
    _, out, _ = run("images")
    assert [line.split()[:3] for line in out.splitlines()[1:]] == [
        ["box", "latest", box[7:19]],
        ["host:5000/team/box", "v1", box[7:19]],
    ]
    assert run("images", "-q", "--no-trunc", "box")[1] == f"{box}\n"
    doc = json.loads(run("images", "--format", "json", "host:5000/team/*")[1])
    assert (doc["Repository"], doc["Tag"], doc["ID"]) == ("host:5000/team/box", "v1", box[7:19])
    assert run("image", "ls", "--digests")[1].split()[:3] == ["REPOSITORY", "TAG", "DIGEST"]


def test_a_format_is_a_template(run: Run, box: str) -> None:
    short = box.removeprefix("sha256:")[:12]
    assert run("images", "--format", "{{.ID}}") == (0, f"{short}\n", "")
    assert (
        run("images", "--format", "table {{.Repository}}\\t{{.ID}}")[1]
        == f"REPOSITORY   IMAGE ID\nbox          {short}\n"
    )
    assert run("images", "-q", "--format", "{{.Tag}}")[1] == "latest\n"
    assert run("inspect", "-f", "{{.ID}}", "box") == run("inspect", "-f", "{{.Id}}", "box") == (0, f"{box}\n", "")
    code, out, err = run("inspect", "-f", "{{.ID", "box")
    assert (code, out) == (64, "")
    assert "template parsing error: template: :1: unclosed action" in err
    code, out, err = run("inspect", "-f", "{{.Nope}}", "box", "other")
    assert (code, out) == (1, "\n")
    assert 'template parsing error: template: :1:2: executing "" at <.Nope>: map has no entry for key "Nope"' in err
    assert "No such object: other" in err
    code, out, err = run("images", "--format", "{{.Nope}}")
    assert (code, out) == (1, "")
    assert "can't evaluate field Nope in type *formatter.imageContext" in err


def test_rmi_goes_on_after_a_failure(run: Run, box: str) -> None:
    code, out, err = run("rmi", "nope", "box")
    assert code == 1
    assert out.splitlines()[:2] == ["Untagged: box:latest", f"Deleted: {box}"]
    assert err == "wherry: No such image: nope:latest\n"
    assert run("rmi", "-f", "nope")[0] == 0


def test_history_and_inspect(run: Run, box: str) -> None:
    _, out, _ = run("history", "box")
    assert out.splitlines()[0].split() == ["IMAGE", "CREATED", "CREATED", "BY", "SIZE", "COMMENT"]
    assert out.splitlines()[1].startswith(box[7:19])
    assert out.splitlines()[1].endswith("made by hand")
    assert run("history", "-q", "--no-trunc", "box")[1] == f"{box}\n"
    (doc,) = json.loads(run("image", "inspect", "box")[1])
    assert (doc["Id"], doc["RepoTags"], doc["Config"]["Cmd"]) == (box, ["box:latest"], ["sh"])
    assert json.loads(run("image", "inspect", "--format", "json", "box")[1]) == doc


def test_inspect_prints_what_was_found_and_names_what_was_not(run: Run, box: str) -> None:
    code, out, err = run("image", "inspect", "box", "bux")
    assert code == 1
    assert [one["Id"] for one in json.loads(out)] == [box]
    assert err == "Error: No such image: bux:latest\nhint: did you mean box?\n"
    code, out, err = run("inspect", "--type", "image", "bux")
    assert (code, out) == (1, "[]\n")
    assert run("inspect", "--type", "colour", "box")[0] == 1


def test_save_to_a_file_and_load_it(run: Run, box: str, tmp_path: Path) -> None:
    path = str(tmp_path / "out.tar")
    assert run("save", "-o", path, "box") == (0, "", "")
    assert os.stat(path).st_mode & 0o777 == 0o600
    run("rmi", "box")
    assert run("load", "-i", path) == (0, "Loaded image: box:latest\n", "")
    assert run("images", "-q", "--no-trunc")[1] == f"{box}\n"
    run("save", "-o", path, box)
    run("rmi", "box")
    assert run("load", "-q", "-i", path) == (0, f"Loaded image ID: {box}\n", "")


def test_a_save_that_fails_leaves_no_file(run: Run, box: str, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    code, _, err = run("save", "-o", str(tmp_path / "out" / "x.tar"), "box", "nope")
    assert code == 1
    assert "No such image: nope" in err
    assert os.listdir(tmp_path / "out") == []
    code, _, err = run("save", "-o", str(tmp_path / "missing" / "x.tar"), "box")
    assert code == 1
    assert "No such file or directory" in err


def test_save_into_a_pipe_and_to_a_device(run: Run, box: str) -> None:
    code, _, _ = run("save", "-o", "/dev/null", "box")
    assert code == 0
    assert Path("/dev/null").is_char_device()


def test_a_symbolic_name_for_the_output_is_replaced_not_followed(run: Run, box: str, tmp_path: Path) -> None:
    (tmp_path / "real").write_text("keep")
    os.symlink(tmp_path / "real", tmp_path / "link.tar")
    assert run("save", "-o", str(tmp_path / "link.tar"), "box")[0] == 0
    assert (tmp_path / "real").read_text() == "keep"


@pytest.mark.parametrize(
    ("change", "said"),
    [("RUN true", "run is not a valid change command"), ("CDM x", "cdm is not a valid change command"),
     ('CMD ["a"]\nRUN true', "run is not a valid change command"),
     ("ENV A=1\nFROM x", "from is not a valid change command"),
     ("", "an empty line is not a valid change command"), ("ENV", "ENV")],
)  # fmt: skip
def test_a_wrong_change_is_said_before_anything_is_imported(run: Run, tmp_path: Path, change: str, said: str) -> None:
    (tmp_path / "base.tar").write_bytes(BASE)
    code, _, err = run("import", "-c", change, str(tmp_path / "base.tar"), "box")
    assert code == 1
    assert said in err
    assert run("images", "-q")[1] == ""


def test_changes_shape_the_config(run: Run, tmp_path: Path) -> None:
    (tmp_path / "base.tar").write_bytes(BASE)
    changes = ["ENV A=1 B=2", 'ENTRYPOINT ["/bin/x"]', "EXPOSE 80", "LABEL a=b", "USER me", "VOLUME /data",
               "WORKDIR /srv", "STOPSIGNAL INT", "CMD a b", 'HEALTHCHECK CMD ["true"]', "ONBUILD RUN true"]  # fmt: skip
    flags = [word for change in changes for word in ("-c", change)]
    run("import", *flags, "--platform", "linux/arm64", str(tmp_path / "base.tar"), "box")
    (doc,) = json.loads(run("image", "inspect", "box")[1])
    config = doc["Config"]
    assert (config["Env"], config["Entrypoint"], config["Cmd"]) == (
        ["A=1", "B=2"],
        ["/bin/x"],
        ["/bin/sh", "-c", "a b"],
    )
    assert (list(config["ExposedPorts"]), config["Labels"], config["User"]) == (["80/tcp"], {"a": "b"}, "me")
    assert (list(config["Volumes"]), config["WorkingDir"], config["OnBuild"]) == (["/data"], "/srv", ["RUN true"])
    assert doc["Architecture"] == "arm64"


def test_the_same_tree_imported_twice_is_one_layer(run: Run, tmp_path: Path) -> None:
    layers = set()
    for number, mode in enumerate(("w", "w:gz")):
        with tarfile.open(tmp_path / f"{number}.tar", mode) as tar:  # type: ignore[call-overload]
            root = tarfile.TarInfo("./")
            root.type, root.mode = tarfile.DIRTYPE, 0o755
            tar.addfile(root)
            for name in ("b", "a") if number else ("a", "b"):
                entry = tarfile.TarInfo(name)
                entry.size, entry.mtime = 3, 5
                tar.addfile(entry, io.BytesIO(name.encode() * 3))
        run("import", str(tmp_path / f"{number}.tar"), f"box{number}")
        layers.add(json.loads(run("image", "inspect", f"box{number}")[1])[0]["RootFS"]["Layers"][0])
    assert len(layers) == 1


def test_image_prune_asks_and_takes_no_for_an_answer(run: Run, box: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("n\n"))
    code, out, _ = run("image", "prune", "-a")
    assert code == 0
    assert out == (
        "WARNING! This will remove all images without at least one container associated to them.\n"
        "Are you sure you want to continue? [y/N] "
    )
    assert run("images", "-q")[1] == f"{box[7:19]}\n"


def test_image_prune_takes_what_has_no_name_and_says_what_it_freed(run: Run, box: str, tmp_path: Path) -> None:
    assert run("image", "prune", "-f") == (0, "Total reclaimed space: 0B\n", "")
    run("import", str(tmp_path / "base.tar"), "box")  # the name moves to a new image
    _, out, _ = run("image", "prune", "-f")
    assert out.splitlines() == ["Deleted Images:", f"deleted: {box}", "", out.splitlines()[-1]]
    assert run("image", "prune", "-af", "--filter", "until=24h")[1] == "Total reclaimed space: 0B\n"
    _, out, _ = run("image", "prune", "-af")
    assert "untagged: box:latest" in out
    assert out.splitlines()[-1] != "Total reclaimed space: 0B"
    assert run("images", "-q")[1] == ""


def test_system_df_counts_shared_layers_once(run: Run, box: str, tmp_path: Path) -> None:
    run("import", "-m", "again", str(tmp_path / "base.tar"), "second")
    images = json.loads(run("system", "df", "--format", "json")[1].splitlines()[0])
    (one,) = json.loads(run("image", "inspect", "box")[1])
    # As docker: four digits here, three in the list of images
    assert (images["TotalCount"], images["Size"]) == ("2", human_size(one["Size"], digits=4))


def test_load_from_a_terminal_is_refused(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

        def fileno(self) -> int:
            return 0

    monkeypatch.setattr("sys.stdin", Terminal())
    code, _, err = run("load")
    assert code == 1
    assert "stdin is empty" in err


def test_names_cannot_steer_the_terminal(run: Run, tmp_path: Path) -> None:
    files = archives.docker_archive(BASE, tags=["\x1b[31mred:1"])
    code, out, err = run("load", "-i", archives.tar(files, tmp_path / "in"))
    assert code == 1
    assert "\x1b" not in out + err
