"""pip and uv install wheels of torch's and nvidia's size and shape: each is a layer, the same in every image."""

from __future__ import annotations

import base64
import hashlib
import json
import shutil
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.integration.lesson import Lesson
from wherry.engine import Engine
from wherry.host.linux import LinuxHost
from wherry.oci.config import ImageConfig
from wherry.settings import Paths, Settings

pytestmark = pytest.mark.requires("root", "runc", "mmdebstrap", "mirror")

MIB = 1 << 20


def wheel(
    folder: Path, name: str, version: str, files: Mapping[str, bytes], *, scripts: str = "", needs: str = ""
) -> None:
    """A wheel as the index has it."""
    info = f"{name}-{version}.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    metadata += "".join(f"Requires-Dist: {one}\n" for one in needs.split())
    whole = {
        **files, f"{info}/METADATA": metadata.encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }  # fmt: skip
    if scripts:
        whole[f"{info}/entry_points.txt"] = f"[console_scripts]\n{scripts}\n".encode()
    rows = []
    with zipfile.ZipFile(
        folder / f"{name}-{version}-py3-none-any.whl", "w", zipfile.ZIP_DEFLATED, compresslevel=1
    ) as out:
        for path, data in whole.items():
            digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
            rows.append(f"{path},sha256={digest},{len(data)}")
            out.writestr(path, data)
        out.writestr(f"{info}/RECORD", "\n".join([*rows, f"{info}/RECORD,,"]) + "\n")


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """torch needs two nvidia packages, which share a folder and its __init__.py, and some small ones."""
    folder = tmp_path_factory.mktemp("wheels")
    code = {f"torch/nn/m{number}.py": f"def f{number}(self, weight_decay):\n    return {number}\n".encode()
            for number in range(60)}  # fmt: skip
    wheel(folder, "torch", "2.3.0", {
        **code, "torch/__init__.py": b"__version__ = '2.3.0'\n", "torch/lib/libtorch_cpu.so": bytes(70 * MIB),
        "torch/cli.py": b"def main():\n    print('torch runs')\n", "functorch/__init__.py": b"",
    }, scripts="torchrun = torch.cli:main", needs="nvidia-cublas-cu12 nvidia-cudnn-cu12 sympy")  # fmt: skip
    for name, size in (("cublas", 20), ("cudnn", 17)):
        wheel(folder, f"nvidia_{name}_cu12", "12.1", {
            "nvidia/__init__.py": b"", f"nvidia/{name}/__init__.py": b"",
            f"nvidia/{name}/lib/lib{name}.so": bytes(size * MIB),
        })  # fmt: skip
    wheel(folder, "sympy", "1.12", {"sympy/__init__.py": b"x = 1\n"})
    wheel(folder, "numpy", "2.0.0", {"numpy/__init__.py": b"y = 2\n", "numpy/core.so": bytes(20 * MIB)})
    return folder


class Images:
    """Builds with the lesson's base, the wheels in the context, and nothing from an index."""

    def __init__(self, lesson: Lesson, wheels: Path) -> None:
        self.lesson, self.wheels = lesson, wheels
        self.engine = Engine(
            Settings(Paths.for_user(lesson.env, 0, str(lesson.root)), lesson.env, 0, "/"), LinuxHost({})
        )

    def build(self, name: str, steps: str, *argv: str, base: str = "BASE") -> ImageConfig:
        context = self.lesson.context(f"split-{name}", {"Dockerfile": f"FROM {base}\n{steps}\n"})
        if not (context / "wheels").exists():
            shutil.copytree(self.wheels, context / "wheels")
        self.lesson.must("build", "-t", f"split:{name}", *argv, str(context))
        return self.engine.images.config(self.engine.images.resolve(f"split:{name}").id)


@pytest.fixture(scope="module")
def images(lesson: Lesson, wheels: Path) -> Iterator[Images]:
    made = Images(lesson, wheels)
    yield made
    made.engine.close()


def layers(config: ImageConfig) -> dict[str, str]:
    """Comment → DiffID, of the layers that have one of ours."""
    steps = [one for one in config.history if not one.empty_layer]
    pairs = zip(steps, config.diff_ids, strict=True)
    return {
        one.comment.removeprefix("wherry: "): diff_id for one, diff_id in pairs if one.comment.startswith("wherry: ")
    }


PIP = "RUN --mount=type=bind,target=/w pip install --no-index --find-links /w/wheels"


def test_each_heavy_wheel_is_a_layer_and_the_same_one_in_every_image(images: Images, lesson: Lesson) -> None:
    first = layers(images.build("one", f"{PIP} torch"))
    assert list(first) == ["nvidia-cublas-cu12 12.1", "nvidia-cudnn-cu12 12.1", "torch 2.3.0", "sympy 1.12"]
    text = "FROM BASE\nRUN echo another > /etc/motd; useradd -m app; mkdir /opt/x\nENV LANG=C.UTF-8\n"
    lesson.must("build", "-t", "split:base", str(lesson.context("split-base", {"Dockerfile": text})))
    other = images.build(
        "two", f"WORKDIR /srv\n{PIP} numpy sympy && date > /when\n{PIP} -v torch==2.3.0", base="split:base"
    )
    second = layers(other)
    assert list(second) == [
        "numpy 2.0.0",
        "sympy 1.12",
        "nvidia-cublas-cu12 12.1",
        "nvidia-cudnn-cu12 12.1",
        "torch 2.3.0",
    ]
    for name in ("nvidia-cublas-cu12 12.1", "nvidia-cudnn-cu12 12.1", "torch 2.3.0"):
        assert second[name] == first[name], name
    alone = layers(images.build("three", f"{PIP} --no-deps nvidia-cudnn-cu12 && python -c 'import nvidia.cudnn'"))
    assert alone == {"nvidia-cudnn-cu12 12.1": first["nvidia-cudnn-cu12 12.1"]}
    assert lesson.must("run", "--rm", "--network", "none", "split:two", "torchrun") == "torch runs\n"
    shown = lesson.must("run", "--rm", "--network", "none", "split:two", "pip", "list", "--format", "json")
    assert {"torch", "nvidia_cublas_cu12", "numpy"} <= {one["name"] for one in json.loads(shown)}


def test_pip_sees_the_same_installation_split_or_not(images: Images, lesson: Lesson) -> None:
    images.build("split", f"{PIP} torch")
    images.build("whole", f"{PIP} torch", "--no-split-packages")
    assert lesson.must("image", "diff", "split:split", "split:whole") == "no difference\n"
    check = ["run", "--rm", "--network", "none"]
    for name in ("split", "whole"):
        lesson.must(*check, f"split:{name}", "pip", "check")
        gone = (
            "pip uninstall -qy torch nvidia-cublas-cu12 && ! ls /usr/local/lib/python3*/site-packages | grep -i torch"
        )
        lesson.must(*check, f"split:{name}", "sh", "-c", gone)


@pytest.mark.parametrize(
    ("name", "steps"),
    [
        ("venv", "RUN python -m venv /opt/venv\n" + PIP.replace("pip install", "/opt/venv/bin/pip install") + " torch"),
        ("target", f"{PIP} --target /app/vendor torch"),
        ("user", f"{PIP} --user torch"),
        ("prefix", f"{PIP} --prefix /opt/p torch"),
        ("copied", f"{PIP} --target /v torch\nFROM BASE\nCOPY --from=0 /v /app/v"),
    ],
)
def test_wheels_are_seen_wherever_they_are_installed(images: Images, lesson: Lesson, name: str, steps: str) -> None:
    found = layers(images.build(name, steps.replace("FROM BASE", f"FROM {lesson.base}")))
    assert [one.split()[0] for one in found][-4:] == ["nvidia-cublas-cu12", "nvidia-cudnn-cu12", "torch", "sympy"]


def test_another_version_above_leaves_nothing_of_the_old_one(images: Images, lesson: Lesson, wheels: Path) -> None:
    wheel(wheels, "torch", "2.4.0", {"torch/__init__.py": b"new", "torch/lib/libtorch_cpu.so": bytes(30 * MIB)})
    try:
        upgraded = layers(images.build("upgraded", f"{PIP} torch==2.3.0\n{PIP} --no-deps torch==2.4.0"))
        fresh = layers(images.build("fresh", f"{PIP} --no-deps torch==2.4.0"))
    finally:
        (wheels / "torch-2.4.0-py3-none-any.whl").unlink()
    assert upgraded["torch 2.4.0"] == fresh["torch 2.4.0"]
    ls = "cd /usr/local/lib/python3*/site-packages && find torch* functorch* ! -name '*.pyc' ! -type d | sort"
    said = lesson.must("run", "--rm", "--network", "none", "split:upgraded", "sh", "-c", ls, "sh")
    assert "2.3.0" not in said
    assert "functorch" not in said
    assert "torch/nn" not in said


@pytest.mark.requires("pypi")
def test_what_uv_installs_is_split_too(images: Images) -> None:
    steps = (
        "RUN pip install uv\nRUN --mount=type=bind,target=/w UV_LINK_MODE=copy"
        " uv pip install --system --no-index --find-links /w/wheels torch"
    )
    found = layers(images.build("uv", steps))
    assert list(found)[-4:] == ["nvidia-cublas-cu12 12.1", "nvidia-cudnn-cu12 12.1", "torch 2.3.0", "sympy 1.12"]
    again = layers(images.build("uv2", steps.replace("torch", "nvidia-cudnn-cu12")))
    assert again["nvidia-cudnn-cu12 12.1"] == found["nvidia-cudnn-cu12 12.1"]
