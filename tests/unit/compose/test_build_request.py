"""A service's `build` as a request to the builder."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from wherry.cancel import Cancel
from wherry.compose.build_request import BuildWishes, built_from, prepared
from wherry.compose.model import Project, Secret, Service
from wherry.compose.model_build import Build, Ulimit
from wherry.compose.model_parts import FileReference
from wherry.engine import Engine
from wherry.engine.builds import BuildRequest
from wherry.errors import InputError, NotFound, Unsupported
from wherry.host.fake import FakeHost
from wherry.settings import Paths, Settings


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    paths = Paths.for_user({}, 1000, str(tmp_path / "root"))
    os.makedirs(paths.tmp, exist_ok=True)
    return Engine(Settings(paths, {}, 1000, str(tmp_path)), FakeHost())


def _service(folder: Path, **build: Any) -> Service:
    return Service(name="web", build=Build(context=str(folder), **build))


def _request(engine: Engine, folder: Path, wishes: BuildWishes | None = None, **build: Any) -> BuildRequest:
    service = _service(folder, **build)
    project = Project(name="demo", working_dir=str(folder), services={"web": service})
    with prepared(engine, project, service, Cancel(), wishes or BuildWishes()) as request:
        return request


def test_the_image_is_named_by_project_and_service_and_knows_both(engine: Engine, tmp_path: Path) -> None:
    request = _request(engine, tmp_path, tags=["other:1"], labels={"a": "b"})
    assert [one.familiar for one in request.tags] == ["demo-web:latest", "other:1"]
    assert request.dockerfile == f"{tmp_path}/Dockerfile"
    assert request.options.labels == {
        "a": "b", "com.docker.compose.project": "demo", "com.docker.compose.service": "web",
    }  # fmt: skip


def test_all_that_shapes_the_result_is_passed_on(engine: Engine, tmp_path: Path) -> None:
    request = _request(
        engine, tmp_path, dockerfile="prod.Dockerfile", target="serve", args={"A": "1", "UNSET": None}, no_cache=True,
        network="host", shm_size=1 << 20, ulimits={"nofile": Ulimit(single=9)}, extra_hosts={"x": ["1.2.3.4"]},
        additional_contexts={"base": "docker-image://alpine"},
    )  # fmt: skip
    options = request.options
    assert request.dockerfile == f"{tmp_path}/prod.Dockerfile"
    assert (options.target, options.build_args, options.no_cache) == ("serve", {"A": "1"}, True)
    assert (options.network, options.shm_size, options.ulimits) == ("host", 1 << 20, (("nofile", 9, 9),))
    assert options.hosts == (("x", "1.2.3.4"),)
    assert options.contexts["base"].kind == "image"


def test_the_command_line_adds_to_the_file(engine: Engine, tmp_path: Path) -> None:
    wishes = BuildWishes(no_cache=True, pull=True, args=(("A", "2"),))
    options = _request(engine, tmp_path, wishes, args={"A": "1", "B": "3"}).options
    assert (options.no_cache, options.pull, options.build_args) == (True, True, {"A": "2", "B": "3"})


def test_an_inline_dockerfile_is_read_instead_of_a_file(engine: Engine, tmp_path: Path) -> None:
    request = _request(engine, tmp_path, dockerfile_inline="FROM scratch\n")
    assert request.dockerfile == "-"
    assert request.stdin is not None
    assert request.stdin.read(100) == b"FROM scratch\n"


def test_a_secret_is_a_file_or_a_value_that_is_gone_afterwards(engine: Engine, tmp_path: Path) -> None:
    secrets = {"key": Secret(file="/keys/a"), "word": Secret(environment="WORD", content="s3cret")}
    service = _service(tmp_path, secrets=[FileReference(source="key"), FileReference(source="word", target="w")])
    project = Project(name="demo", working_dir=str(tmp_path), services={"web": service}, secrets=secrets)
    with prepared(engine, project, service, Cancel()) as request:
        first, second = request.secrets
        assert (first.id, first.path, second.id) == ("key", "/keys/a", "w")
        assert Path(second.path).read_text() == "s3cret"
        assert Path(second.path).stat().st_mode & 0o077 == 0
    assert not os.path.exists(second.path)


def test_a_secret_that_is_not_declared_is_an_error(engine: Engine, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match='"web" refers to undefined build secret key'):
        _request(engine, tmp_path, secrets=[FileReference(source="key")])


def test_a_service_that_uses_anothers_image_is_built_after_it(tmp_path: Path) -> None:
    base = Service(name="base", build=Build(context=str(tmp_path)))
    web = _service(tmp_path, additional_contexts={"b": "service:base", "c": "docker-image://alpine"})
    project = Project(name="demo", working_dir=str(tmp_path), services={"web": web, "base": base})
    assert built_from(project, web) == ("base",)


def test_its_context_is_then_the_others_image(engine: Engine, tmp_path: Path) -> None:
    base = Service(name="base", image="b:1", build=Build(context=str(tmp_path)))
    web = _service(tmp_path, additional_contexts={"b": "service:base"})
    project = Project(name="demo", working_dir=str(tmp_path), services={"web": web, "base": base})
    with prepared(engine, project, web, Cancel()) as request:
        assert tuple(request.options.contexts["b"]) == ("image", "b:1")


@pytest.mark.parametrize(
    ("build", "words"),
    [
        ({"privileged": True}, "privileged builds"),
        ({"entitlements": ["security.insecure"]}, "privileged builds"),
        ({"isolation": "hyperv"}, "for Windows"),
        ({"network": "mine"}, "on the network 'mine'"),
    ],
)
def test_what_the_builder_can_not_do_is_said(engine: Engine, tmp_path: Path, build: dict[str, Any], words: str) -> None:
    with pytest.raises(Unsupported, match=words):
        _request(engine, tmp_path, **build)


def test_the_platform_of_the_service_must_be_one_that_it_is_built_for(engine: Engine, tmp_path: Path) -> None:
    service = _service(tmp_path, platforms=["linux/s390x"]).replace(platform="linux/riscv64")
    project = Project(name="demo", working_dir=str(tmp_path), services={"web": service})
    with pytest.raises(InputError, match="MUST include"), prepared(engine, project, service, Cancel()):
        pass
    assert str(_request(engine, tmp_path, platforms=["linux/s390x"]).options.platform) == "linux/s390x"
