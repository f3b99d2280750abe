"""From `models` to services that serve them."""

from __future__ import annotations

from typing import Any

import pytest

from wherry.compose.model import Model, Project, Service
from wherry.compose.model_parts import Mount, ServiceModel
from wherry.compose.models import FOLDER, Place, expand, implied, local_path, service_name
from wherry.compose.models_fetch import choose_file
from wherry.errors import InputError


def _project(model: Model, x: dict[str, Any] | None = None, **service: Any) -> Project:
    service.setdefault("models", {"llm": ServiceModel()})
    service.setdefault("networks", {"default": None})
    web = Service(name="web", image="app", **service)
    return Project(
        name="demo", working_dir="/p", services={"web": web, "db": Service(name="db", image="db")},
        models={"llm": model}, environment={"HOME": "/home/me"}, extensions={"x-wherry": x} if x else {},
    )  # fmt: skip


MINE = {"image": "my/server", "port": 9000}


def test_a_model_is_served_by_a_service_of_its_own() -> None:
    model = Model(model="./tiny.gguf", context_size=2048, runtime_flags=("--no-mmap",))
    found = implied(_project(model))
    helper = found.services["model-llm"]
    assert helper.image == "ghcr.io/ggml-org/llama.cpp:server"
    assert " ".join(helper.command or ()) == (
        "--model /model --alias llm --host 0.0.0.0 --port 8080 --ctx-size 2048 --no-mmap"
    )
    assert helper.volumes == (Mount(type="bind", source="/p/tiny.gguf", target="/model", read_only=True),)
    assert list(helper.networks) == ["default"]
    assert helper.healthcheck is not None
    assert list(helper.healthcheck.test) == ["CMD", "curl", "-fsS", "http://localhost:8080/health"]


def test_those_that_use_it_get_its_address_and_its_name_and_wait_for_it() -> None:
    web = implied(_project(Model(model="ai/smollm2"), environment={"A": "1"})).services["web"]
    assert web.environment == {"A": "1", "LLM_URL": "http://model-llm:8080/v1/", "LLM_MODEL": "ai/smollm2"}
    assert web.depends_on["model-llm"].condition == "service_healthy"


def test_the_names_of_the_variables_can_be_chosen() -> None:
    given = {"llm": ServiceModel(endpoint_var="AI_URL", model_var="AI_NAME")}
    web = implied(_project(Model(model="./m"), models=given)).services["web"]
    assert web.environment == {"AI_URL": "http://model-llm:8080/v1/", "AI_NAME": "llm"}


def test_the_server_can_be_chosen_for_one_model_and_for_all() -> None:
    model = Model(
        model="ai/m", extensions={"x-wherry": {"path": "/api/", "command": ["serve", "{model}", "-n={name}"]}}
    )
    found = implied(_project(model, {"models": MINE | {"gpus": "all"}}))
    helper = found.services["model-llm"]
    assert (helper.image, list(helper.command or ())) == ("my/server", ["serve", "/model", "-n=ai/m"])
    assert helper.environment == {"MODEL_PATH": "/model", "MODEL_NAME": "ai/m", "MODEL_PORT": "9000"}
    assert helper.healthcheck is None
    assert helper.gpus[0].count == -1
    assert found.services["web"].environment["LLM_URL"] == "http://model-llm:9000/api/"
    assert found.services["web"].depends_on["model-llm"].condition == "service_started"


def test_what_the_file_says_is_not_read_as_a_place_twice() -> None:
    model = Model(model="./{port}", extensions={"x-wherry": {"command": ["{model}"]}})
    place = Place(Mount(type="bind", source="/p/{port}", target="/model/{port}"), "/model/{port}")
    helper = expand(_project(model), {"llm": place}).services["model-llm"]
    assert list(helper.command or ()) == ["/model/{port}"]


def test_a_volume_of_the_engines_is_one_of_the_projects() -> None:
    place = Place(Mount(type="volume", source="model-llm", target=FOLDER), FOLDER, "wherry-artifact-1234")
    found = expand(_project(Model(model="ai/m")), {"llm": place})
    assert (found.volumes["model-llm"].name, found.volumes["model-llm"].external) == ("wherry-artifact-1234", True)


def test_a_project_that_has_its_services_stays_as_it_is() -> None:
    found = implied(_project(Model(model="ai/m")))
    assert implied(found) is found


def test_a_project_without_models_stays_as_it_is() -> None:
    project = _project(Model(model="ai/m"), models={})
    assert implied(project) is project


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("./m.gguf", "/p/m.gguf"), ("../m", "/m"), ("/srv/m", "/srv/m"), ("~/m", "/home/me/m"), (".", "/p"),
        ("ai/smollm2", None), ("localhost:5000/m:1", None), ("m.gguf", None),
    ],
)  # fmt: skip
def test_what_begins_as_a_path_is_one(text: str, path: str | None) -> None:
    assert local_path(_project(Model(model=text)), Model(model=text)) == path


@pytest.mark.parametrize(
    ("wishes", "words"),
    [
        ({"imag": "x"}, "unknown key 'imag'"), ({"port": "x"}, "'x' is no port"), ({"port": 0}, "0 is no port"),
        ({"path": "v1"}, "does not begin with /"), ({"command": "serve"}, "command must be a list"),
        ({"gpus": 2}, "only `all` is known"), ({"image": ""}, "no name of an image"), (["x"], "must be a mapping"),
    ],
)  # fmt: skip
def test_wishes_that_make_no_sense_are_refused(wishes: Any, words: str) -> None:
    with pytest.raises(InputError, match=r"models\.llm\.x-wherry") as caught:
        implied(_project(Model(model="ai/m", extensions={"x-wherry": wishes})))
    assert words in str(caught.value)


def test_a_service_that_reaches_nothing_by_name_is_refused() -> None:
    with pytest.raises(InputError, match='service "web" uses model "llm" and has network_mode host'):
        implied(_project(Model(model="ai/m"), network_mode="host", networks={}))


def test_a_name_that_is_taken_is_said() -> None:
    project = _project(Model(model="ai/m"))
    taken = project.replace(services={**project.services, "model-llm": Service(name="model-llm", image="x")})
    with pytest.raises(InputError, match="served by a service model-llm, and there is one"):
        implied(taken)


def test_names_are_names_in_dns() -> None:
    assert [service_name(key) for key in ("llm", "My_Model.v2")] == ["model-llm", "model-my-model-v2"]


@pytest.mark.parametrize(
    ("names", "path"),
    [
        (["model.gguf", "LICENSE"], "/model/model.gguf"),
        (["m-00001-of-00002.gguf", "m-00002-of-00002.gguf"], "/model/m-00001-of-00002.gguf"),
        (["model.gguf", "mmproj.gguf"], "/model/model.gguf"),
        (["a.gguf", "b.gguf"], "/model"),
        (["config.json", "model.safetensors"], "/model"),
        ([], "/model"),
    ],
)
def test_the_one_file_of_a_model_is_found(names: list[str], path: str) -> None:
    assert choose_file(FOLDER, names) == path
