"""Steps that give several layers: the tree is the same, and the layer of a wheel is the same everywhere."""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.docs_text import PROJECT, runnable
from tests.integration.build_lab import Lab
from tests.registries.programs import Docker
from tests.registries.real import DockerRegistry
from tests.unit.build.split.wheels import SITE, install, listing, split, write
from wherry.host import Overlay
from wherry.host.linux import LinuxHost
from wherry.image.packages.merged import Merged
from wherry.oci.config import History

MAIN = "import sys; from wherry.cli.main import main; sys.exit(main(sys.argv[1:]))"

pytestmark = pytest.mark.requires("root", "runc", "busybox")

# As pip leaves a wheel: install NAME VERSION MIB. The library is sparse, so that its size costs nothing
INSTALL = """\
#!/bin/sh
set -e
site=${SITE:-/usr/lib/python3/site-packages}
info=$site/$1-$2.dist-info
mkdir -p $site/$1/lib $info /usr/bin
truncate -s ${3}M $site/$1/lib/lib$1.so
echo "version = '$2'" > $site/$1/__init__.py
echo "#!/usr/bin/python3" > /usr/bin/$1-run; chmod 755 /usr/bin/$1-run
echo "Name: $1" > $info/METADATA
echo pip > $info/INSTALLER
[ -z "$4" ] || touch $info/REQUESTED
cd $site
for file in $1/lib/lib$1.so $1/__init__.py $1-$2.dist-info/METADATA; do
  echo "$file,sha256=x,$(stat -c %s $file)"
done > $info/RECORD
echo "/usr/bin/$1-run,sha256=x,$(stat -c %s /usr/bin/$1-run)" >> $info/RECORD
for file in INSTALLER RECORD ${4:+REQUESTED}; do echo "$1-$2.dist-info/$file,,"; done >> $info/RECORD
"""


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    lab = Lab(tmp_path_factory.mktemp("split"))
    (lab.folder / "busybox" / "bin" / "install-wheel").write_text(INSTALL)
    (lab.folder / "busybox" / "bin" / "install-wheel").chmod(0o755)
    lab.add_image("python", lab.folder / "busybox")
    (lab.folder / "busybox" / "etc" / "motd").write_text("another base image")
    lab.add_image("python:other", lab.folder / "busybox")
    yield lab
    assert lab.leftovers() == {}
    lab.close()


def built(lab: Lab, text: str, *argv: str, **files: str) -> str:
    folder = Path(tempfile.mkdtemp(dir=lab.folder))
    context = lab.context(folder.name, {"Dockerfile": text, **files})
    return lab.build(context, *argv)


def history(lab: Lab, image: str) -> list[History]:
    return [one for one in lab.engine.images.config(lab.engine.images.resolve(image).id).history if not one.empty_layer]


def comments(lab: Lab, image: str) -> list[str]:
    """Of the layers above the base."""
    return [one.comment for one in history(lab, image)[1:]]


def digest(lab: Lab, image: str, comment: str) -> str:
    record = lab.engine.images.resolve(image)
    (at,) = [number for number, one in enumerate(history(lab, image)) if one.comment == f"wherry: {comment}"]
    return record.layers[at]


TWO_STEPS = (
    "FROM python\nRUN install-wheel torch 2.3.0 20 && install-wheel click 8.1 1 y\nRUN install-wheel six 1.0 1\n"
)


def test_a_heavy_package_has_a_layer_and_an_entry_in_the_history_of_its_own(lab: Lab) -> None:
    image = built(lab, TWO_STEPS, "-t", "app")
    assert comments(lab, image) == [
        "wherry: torch 2.3.0", "wherry: click 8.1", "buildkit.dockerfile.v0", "buildkit.dockerfile.v0",
    ]  # fmt: skip
    steps = [one.created_by for one in history(lab, image)[1:]]
    assert steps[0] == steps[1] == steps[2] != steps[3]
    shown = lab.wherry("history", "app").stdout.splitlines()
    assert [line for line in shown if "wherry: torch 2.3.0" in line and " 21MB " in line]
    assert built(lab, TWO_STEPS) == image, "from the cache"
    assert built(lab, TWO_STEPS, "--no-cache") == image, "anew"


def test_the_split_changes_nothing_in_the_tree(lab: Lab) -> None:
    text = (
        "FROM python\nRUN install-wheel torch 2.3.0 20 y && mkdir -m 2750 /data && chown 7:8 /usr/lib/python3 &&"
        " ln /usr/lib/python3/site-packages/torch/__init__.py /data/same && ln -s x /usr/bin/link\n"
        "RUN rm -r /usr/lib/python3/site-packages/torch* /usr/bin/torch-run /usr/bin/link &&"
        " install-wheel torch 2.4.0 30 && install-wheel numpy 1.0 17\n"
    )
    one, several = built(lab, text, "--no-split-packages"), built(lab, text)
    assert len(lab.layers(several)) > len(lab.layers(one)) == 3
    assert lab.listing(several) == lab.listing(one)


def test_the_same_wheel_is_one_layer_in_every_image(lab: Lab) -> None:
    images = [
        built(lab, "FROM python\nRUN install-wheel torch 2.3.0 20 y\n"),
        built(lab, "FROM python:other\nWORKDIR /app\nRUN install-wheel numpy 1.0 17; install-wheel torch 2.3.0 20\n"),
        # Installed over another version, whose folder was removed: what hides that is a layer below
        built(lab, "FROM python\nRUN install-wheel torch 2.2.0 18\nRUN cd /usr/lib/python3/site-packages && "
                   "rm -r torch torch-2.2.0.dist-info && install-wheel torch 2.3.0 20\n"),
        # Copied out of another stage
        built(lab, "FROM python AS made\nRUN install-wheel torch 2.3.0 20\n"
                   "FROM python:other\nCOPY --from=made /usr /usr\n"),
    ]  # fmt: skip
    assert len({digest(lab, image, "torch 2.3.0") for image in images}) == 1
    assert comments(lab, images[2])[2:] == ["wherry: removals", "wherry: torch 2.3.0", "buildkit.dockerfile.v0"]
    assert "torch-2.2.0" not in lab.listing(images[2])


def test_the_same_wheel_twice_in_one_image_is_the_same_layer_twice(lab: Lab) -> None:
    text = (
        "FROM python\nRUN install-wheel torch 2.3.0 20 && touch /usr/lib/python3/site-packages/torch/mine\n"
        "RUN rm -r /usr/lib/python3/site-packages/torch /usr/bin/torch-run && install-wheel torch 2.3.0 20\n"
    )
    whole, several = built(lab, text, "--no-split-packages"), built(lab, text, "-t", "twice")
    layers = lab.engine.images.resolve(several).layers
    assert len(layers) - len(set(layers)) == 1
    assert lab.listing(several) == lab.listing(whole)
    shown = lab.wherry("run", "--rm", "--network", "none", "twice", "ls", "/usr/lib/python3/site-packages/torch")
    assert shown.stdout.split() == ["__init__.py", "lib"], shown.stderr
    assert lab.wherry("image", "diff", whole, several).stdout == "no difference\n"


def test_a_traced_step_has_the_same_layers_from_the_cache(lab: Lab) -> None:
    text = "FROM python\nCOPY . /app/\nRUN cat /app/requirements.txt && install-wheel torch 2.3.0 20\nRUN touch /done\n"
    context = lab.context("traced", {"Dockerfile": text, "requirements.txt": "torch", "main.py": "1"})
    first = lab.build(context)
    (context / "main.py").write_text("another program")
    done = lab.wherry("build", "--progress", "plain", "-t", "traced", str(context))
    assert re.search(r"RUN cat .*\n#\d+ CACHED", done.stderr), done.stderr
    assert lab.engine.images.resolve("traced").id == lab.build(context, "--no-cache") != first
    assert comments(lab, "traced")[1:3] == ["wherry: torch 2.3.0", "buildkit.dockerfile.v0"]
    assert digest(lab, "traced", "torch 2.3.0") == digest(lab, first, "torch 2.3.0")


def test_a_virtual_environment_is_split_too(lab: Lab) -> None:
    text = "FROM python\nRUN SITE=/opt/venv/lib/python3/site-packages install-wheel torch 2.3.0 20\n"
    assert comments(lab, built(lab, text))[0] == "wherry: torch 2.3.0"


def test_a_large_file_is_a_layer_of_its_own_and_stays_when_code_changes(lab: Lab) -> None:
    text = "FROM python\nCOPY . /app/\n"
    found = []
    for number, code in enumerate(("print(1)", "print(2)")):
        context = lab.context(f"large{number}", {"Dockerfile": text, "main.py": code})
        with open(context / "weights.bin", "wb") as file:
            file.truncate(64 << 20)
            file.write(b"weights")
        found.append(lab.build(context))
    assert [comments(lab, image) for image in found] == [["wherry: app/weights.bin", "buildkit.dockerfile.v0"]] * 2
    assert digest(lab, found[0], "app/weights.bin") == digest(lab, found[1], "app/weights.bin")
    assert lab.engine.images.resolve(found[0]).layers[-1] != lab.engine.images.resolve(found[1]).layers[-1]
    assert f"file 0644 0:0 app/weights.bin {64 << 20} bytes" in lab.listing(found[1])
    made = built(lab, "FROM python\nRUN mkdir /m; truncate -s 65M /m/b; truncate -s 70M /m/a; touch /m/c\n")
    assert comments(lab, made) == ["wherry: m/a", "wherry: m/b", "buildkit.dockerfile.v0"]


def test_a_file_just_below_the_limit_is_not(lab: Lab) -> None:
    image = built(lab, f"FROM python\nRUN truncate -s {(64 << 20) - 1} /a; touch /b\n")
    assert comments(lab, image) == ["buildkit.dockerfile.v0"]


def test_a_linked_copy_is_split_too(lab: Lab) -> None:
    text = "FROM python AS made\nRUN mkdir /m; truncate -s 64M /m/a; touch /m/b\n"
    assert comments(lab, built(lab, text + "FROM python\nCOPY --link --from=made /m /m\n")) == [
        "wherry: m/a",
        "buildkit.dockerfile.v0",
    ]


def test_the_layers_of_an_image_have_a_limit(lab: Lab) -> None:
    many = " && ".join(f"install-wheel p{number:02} 1 {17 if number else 16}" for number in range(32))
    said = comments(lab, built(lab, f"FROM python\nRUN {many}\n"))
    assert len(said) == 30
    assert "wherry: p01 1" in said
    assert said[-2:] == ["wherry: p00 1, p29 1, p30 1 and 1 more", "buildkit.dockerfile.v0"]


def test_the_tree_shows_which_packages_are_in_which_layer(lab: Lab) -> None:
    built(lab, TWO_STEPS, "-t", "app")
    drawn = lab.wherry("image", "tree", "app").stdout.splitlines()
    found = [re.split(r"\s{2,}", line.strip(" │├└─"))[0] for line in drawn[3:]]
    assert found == ["layer 1", "layer 2", "torch 2.3.0", "layer 3", "click 8.1", "layer 4", "layer 5", "six 1.0"]
    tree = json.loads(lab.wherry("image", "tree", "--format", "json", "app").stdout)
    layers = tree["children"][0]["children"]
    assert [one["digest"] for one in layers] == list(lab.engine.images.resolve("app").layers)
    (torch,) = layers[1]["children"]
    assert (torch["name"], torch["kind"], torch["digest"]) == ("torch 2.3.0", "package", None)
    assert torch["size"] > 20 << 20


def test_history_names_all_packages_when_nothing_is_cut(lab: Lab) -> None:
    small = " && ".join(f"install-wheel s{number} 1 1" for number in range(5))
    built(lab, f"FROM python\nRUN {small} && install-wheel torch 2 16\n", "-t", "many")
    assert "wherry: s0 1, s1 1, s2 1 and 2 more" in lab.wherry("history", "many").stdout
    assert "wherry: s0 1, s1 1, s2 1, s3 1, s4 1\n" in lab.wherry("history", "--no-trunc", "many").stdout
    rows = [json.loads(line) for line in lab.wherry("history", "--format", "json", "many").stdout.splitlines()]
    assert rows[1]["Comment"] == "wherry: s0 1, s1 1, s2 1 and 2 more"


def test_a_diff_of_two_images_goes_by_package_and_by_file(lab: Lab) -> None:
    built(
        lab,
        "FROM python\nRUN install-wheel torch 2.3.0 20 && install-wheel six 1 1\nRUN echo 1 > /app.py\n",
        "-t",
        "d:1",
    )
    built(lab, "FROM python\nRUN install-wheel torch 2.4.0 30\nRUN echo 12 > /app.py; chmod 600 /app.py\n", "-t", "d:2")
    done = lab.wherry("image", "diff", "d:1", "d:2")
    assert (done.returncode, done.stderr) == (0, "")
    lines = [re.split(r"\s{2,}", line) for line in done.stdout.splitlines()]
    assert lines[1][:4] == ["six", "removed", "1", "-"]
    assert lines[2][:5] == ["torch", "changed", "2.3.0", "2.4.0", "+10.5MB"]
    assert lines[5] == ["/app.py", "changed", "+1B", "content, mode"]
    assert lines[-1][0].startswith("files and folders: ")
    whole = lab.wherry("image", "diff", "-a", "d:1", "d:2").stdout
    assert f"/{SITE}/torch/lib/libtorch.so" in whole
    doc = json.loads(lab.wherry("image", "diff", "--format", "json", "d:1", "d:2").stdout)
    assert [one["Name"] for one in doc["Packages"]] == ["six", "torch"]
    assert {one["Package"] for one in doc["Files"]} == {"", "six", "torch"}
    template = "{{range .Packages}}{{.Name}} {{.To}};{{end}}"
    assert lab.wherry("image", "diff", "--format", template, "d:1", "d:2").stdout == "six ;torch 2.4.0;\n"
    assert lab.wherry("image", "diff", "d:1", "d:1").stdout == "no difference\n"


@pytest.mark.parametrize(
    ("argv", "status", "said"),
    [
        (["python", "nowhere"], 1, "nowhere:latest"),
        (["nowhere", "python"], 1, "nowhere:latest"),
        (["--format", "{{.Nope}}", "python", "python"], 1, "can't evaluate field Nope"),
        (["python"], 1, "requires"),
        (["--nope", "python", "python"], 125, "unknown flag"),
    ],
)
def test_a_diff_that_can_not_be_made_says_why(lab: Lab, argv: list[str], status: int, said: str) -> None:
    done = lab.wherry("image", "diff", *argv)
    assert (done.returncode, done.stdout) == (status, "")
    assert said in done.stderr


def test_images_of_many_layers_pass_through_docker_and_a_registry(lab: Lab) -> None:
    text = (
        TWO_STEPS
        + 'RUN mkdir /m; truncate -s 64M /m/a\nCMD ["cat", "/usr/lib/python3/site-packages/torch/__init__.py"]\n'
    )
    image = built(lab, text, "-t", "shop/api")
    said = "version = '2.3.0'\n"
    with (
        tempfile.TemporaryDirectory(prefix="split-", ignore_cleanup_errors=True) as folder,
        DockerRegistry(Path(folder, "r")) as registry,
        Docker(Path(folder, "d"), registry) as docker,
    ):
        name = f"{registry.host}/shop/api"
        assert lab.wherry("tag", "shop/api", name).returncode == 0
        pushed = lab.wherry("push", name)
        assert pushed.returncode == 0, pushed.stderr
        docker.pull(name)
        assert docker.run("run", "--rm", "--network", "none", name) == said
        saved = lab.wherry("save", "-o", f"{folder}/out.tar", "shop/api")
        assert saved.returncode == 0, saved.stderr
        docker.run("load", "-q", "-i", f"{folder}/out.tar")
        assert docker.run("run", "--rm", "--network", "none", "shop/api") == said
        inspected = json.loads(docker.run("image", "inspect", "shop/api"))[0]
        assert inspected["RootFS"]["Layers"] == list(lab.engine.images.resolve(image).layers)
        assert docker.run("history", "-q", "--no-trunc", "shop/api").split()[0] == image
        assert "wherry: torch 2.3.0" in docker.run("history", "shop/api")
        assert lab.wherry("save", "-o", f"{folder}/twice.tar", "twice").returncode == 0
        docker.run("load", "-q", "-i", f"{folder}/twice.tar")
        shown = docker.run("run", "--rm", "--network", "none", "twice", "ls", "/usr/lib/python3/site-packages/torch")
        assert shown.split() == ["__init__.py", "lib"]
        # A second image with the same wheel: its layer is there already
        other = built(lab, "FROM python\nRUN install-wheel torch 2.3.0 20 y\n", "-t", f"{registry.host}/shop/other")
        again = lab.wherry("push", f"{registry.host}/shop/other")
        assert again.returncode == 0, again.stderr
        heavy = digest(lab, other, "torch 2.3.0")[7:19]
        assert re.search(rf"{heavy}: (Layer already exists|Mounted from shop/api)", again.stdout + again.stderr)
        fresh = Path(folder, "fresh")
        for argv in (["pull", name], ["load", "-i", f"{folder}/out.tar"]):
            done = lab.wherry("--root", str(fresh), *argv)
            assert done.returncode == 0, done.stderr
        shown = lab.wherry("--root", str(fresh), "inspect", "--format", "json", name)
        assert json.loads(shown.stdout)["Id"] == image


def test_the_commands_of_the_page_work(lab: Lab) -> None:
    work = lab.context(
        "page", {"Dockerfile": TWO_STEPS, "bin/wherry": f"#!/bin/sh\nexec {sys.executable} -c '{MAIN}' \"$@\"\n"}
    )
    (work / "bin" / "wherry").chmod(0o755)
    built(lab, TWO_STEPS.replace("2.3.0", "2.4.0"), "-t", "shop/api:2")
    env = {**lab.env, "PATH": f"{work}/bin:{lab.env['PATH']}", "WHERRY_ROOT": str(lab.root)}
    said = ""
    for block in runnable(PROJECT / "docs" / "packages.md"):
        done = subprocess.run(["bash", "-euc", block], cwd=work, env=env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{block}\n{done.stderr}"
        said += done.stdout
    assert "wherry: torch 2.3.0" in said
    assert "torch 2.3.0 2.4.0\n" in said


OPERATIONS = ("wheel", "remove", "again", "file", "folder", "link", "rename", "chmod", "fifo")


class Step:
    """What a RUN might do to a merged tree: at random, but the same for the same seed."""

    def __init__(self, seed: int, root: Path) -> None:
        self.random = random.Random(seed)
        self.root = root

    def act(self) -> None:
        operation = self.random.choice(OPERATIONS)
        inside = [path for path in sorted(self.root.rglob("*")) if not path.is_symlink()]
        some = self.random.choice(inside) if inside else self.root
        folder = some if some.is_dir() else some.parent
        name = self.random.choice(["a", "b", "lib.so", "x.py"])
        if operation == "wheel":
            self.wheel()
        elif operation == "remove" and some != self.root:
            self.remove(some)
        elif operation == "again" and some.is_dir() and some != self.root:
            self.remove(some)
            some.mkdir()
            write(some, name, "anew")
        elif operation == "file" and not (folder / name).is_dir():
            (folder / name).unlink(missing_ok=True)
            (folder / name).write_bytes(bytes(self.random.choice([1, 900, 6000])))
        elif operation == "folder":
            (folder / f"new{self.random.randrange(3)}").mkdir(exist_ok=True)
        elif operation == "link" and some.is_file() and not os.path.lexists(folder / "linked"):
            os.link(some, folder / "linked")
        elif operation == "rename" and some.is_file():
            some.rename(folder / "renamed")
        elif operation == "chmod":
            some.chmod(self.random.choice([0o700, 0o755, 0o2775]))
            os.chown(some, 7, 8)
        elif operation == "fifo" and not os.path.lexists(folder / "pipe"):
            os.mkfifo(folder / "pipe")

    def remove(self, path: Path) -> None:
        shutil.rmtree(path) if path.is_dir() else path.unlink()

    def wheel(self) -> None:
        name = self.random.choice(["torch", "numpy", "click"])
        for path in sorted((self.root / SITE).glob(f"{name}*")) if self.random.random() < 0.5 else []:
            self.remove(path)
        try:
            install(self.root, name, {f"{name}/lib.so": self.random.choice([10, 1500, 7000]), f"{name}/sub/x.py": 5,
                                      "../../../bin/run": 7})  # fmt: skip
        except OSError:
            pass  # a file stands where a folder should be


@pytest.mark.parametrize("seed", range(40))
def test_the_kernel_shows_the_same_tree_for_the_diff_and_for_its_layers(tmp_path: Path, seed: int) -> None:
    lower, work = tmp_path / "lower", tmp_path / "work"
    for folder in (lower, work / "fs", work / "overlay"):
        folder.mkdir(parents=True)
    before = Step(seed, lower)
    for _ in range(8):
        before.act()
    with mounted(tmp_path, Overlay((str(lower),), str(work / "fs"), str(work / "overlay"), volatile=True)) as root:
        step = Step(1000 + seed, root)
        for _ in range(12):
            step.act()
    whole = tmp_path / "whole"
    subprocess.run(["cp", "-a", str(work / "fs"), str(whole)], check=True)
    layers = split(work, lowers=(str(lower),))
    expected = shown(tmp_path, lower, whole)
    assert shown(tmp_path, lower, *layers) == expected
    with Merged([str(lower), *map(str, layers)]) as merged:
        assert {os.fsdecode(path): node.status.st_mode for path, node in merged.root.walk()} == {
            path: entry[0] for path, entry in expected.items() if path != "."
        }


@contextmanager
def mounted(folder: Path, overlay: Overlay) -> Iterator[Path]:
    host = LinuxHost({"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"})
    target = folder / "mounted"
    target.mkdir(exist_ok=True)
    fd = host.overlay(overlay)
    try:
        host.attach(fd, str(target))
    finally:
        os.close(fd)
    try:
        yield target
    finally:
        host.unmount(str(target))


def shown(folder: Path, *layers: Path) -> dict[str, tuple[object, ...]]:
    """The merged tree, without times: those of the copy are not clamped."""
    with mounted(folder, Overlay(tuple(map(str, layers)))) as root:
        return {path: (*entry[:3], entry[4]) for path, entry in listing(root).items()}
