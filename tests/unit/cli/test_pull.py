"""pull, manifest inspect, --pull and images --digests over a registry in memory."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from tests.unit.engine.shelf import Registries, Shelf, encode
from tests.unit.engine.test_pull import ARCH, BASE, add, fresh, index, platform
from wherry.cli import flags, images, manifest
from wherry.cli import pull as pull_verb
from wherry.cli import push as push_verb
from wherry.cli.content_trust import refuse_content_trust
from wherry.cli.render import Output
from wherry.cli.run_image import require_image
from wherry.engine import Engine
from wherry.errors import InputError, NotFound, Unreachable, Unsupported
from wherry.oci import mediatype
from wherry.runtime.options import RunOptions


class Cli:
    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.stdout, self.stderr = io.StringIO(), io.StringIO()
        self.out = Output(self.stdout, self.stderr, {})

    def __call__(self, module: ModuleType, *argv: str, name: str = "") -> list[str]:
        verb = module.VERB[name] if name else module.VERB
        args = flags.parse("wherry x", verb, list(argv))
        code = module.run(name, self.engine, args, self.out) if name else module.run(self.engine, args, self.out)
        assert code == 0
        return self.said()

    def said(self) -> list[str]:
        text = self.stdout.getvalue()
        self.stdout.truncate(0)
        self.stdout.seek(0)
        return text.splitlines()

    def errors(self) -> list[str]:
        return self.stderr.getvalue().splitlines()


@pytest.fixture
def cli(tmp_path: Path) -> Iterator[Cli]:
    with fresh(tmp_path) as engine:
        yield Cli(engine)


@pytest.fixture
def shelf(cli: Cli) -> Shelf:
    made = Shelf()
    cli.engine.__dict__["registries"] = Registries(home=made)
    return made


def test_the_default_tag_is_said_and_the_whole_name_comes_last(cli: Cli, shelf: Shelf) -> None:
    there = add(shelf, BASE, tag="latest")
    lines = cli(pull_verb, "python")
    assert lines[:2] == ["Using default tag: latest", "latest: Pulling from library/python"]
    assert lines[-3:] == [
        f"Digest: {there['digest']}",
        "Status: Downloaded newer image for python:latest",
        "docker.io/library/python:latest",
    ]
    assert cli(pull_verb, "-q", "python") == ["docker.io/library/python:latest"]
    assert "Status: Image is up to date for python:latest" in cli(pull_verb, "python")


def test_all_tags_are_told_one_by_one(cli: Cli, shelf: Shelf) -> None:
    one, two = add(shelf, BASE, tag="1"), add(shelf, BASE, tag="2", annotations={"x": "y"})
    lines = [line for line in cli(pull_verb, "-a", "app") if ": Pul" not in line or "from" in line]
    assert [line for line in lines if not line.startswith(BLOB(two))] == [
        "1: Pulling from library/app",
        *[line for line in lines if line.endswith("Download complete")],
        f"Digest: {one['digest']}",
        "2: Pulling from library/app",
        f"Digest: {two['digest']}",
        "Status: Downloaded newer image for app",
        "docker.io/library/app",
    ]
    assert cli(pull_verb, "-a", "-q", "app") == ["docker.io/library/app"]


def BLOB(descriptor: dict[str, str]) -> str:
    return descriptor["digest"][7:19]


@pytest.mark.parametrize("name", ["app:1", "app@sha256:" + "0" * 64])
def test_all_tags_of_one_tag_is_refused(cli: Cli, shelf: Shelf, name: str) -> None:
    with pytest.raises(InputError, match="tag can't be used with --all-tags/-a"):
        cli(pull_verb, "-a", name)
    assert shelf.asked == []


def test_a_platform_that_is_none_is_refused(cli: Cli, shelf: Shelf) -> None:
    with pytest.raises(InputError, match="invalid platform"):
        cli(pull_verb, "--platform", "a/b/c/d", "app")


def test_images_lists_each_tag_with_each_digest(cli: Cli, shelf: Shelf) -> None:
    image = add(shelf, BASE, tag="1")
    top = shelf.tag("2", encode(index(image | platform(ARCH))), mediatype.INDEX)
    cli(pull_verb, "app:1")
    cli(pull_verb, "app:2")
    rows = [line.split()[:3] for line in cli(images, "--digests")[1:]]
    digests = sorted([image["digest"], top["digest"]])
    assert rows == [["app", tag, digest] for tag in ("1", "2") for digest in digests]
    assert [line.split()[:2] for line in cli(images)[1:]] == [["app", "1"], ["app", "2"]]
    assert {json.loads(line)["Digest"] for line in cli(images, "--format", "json")} == {"<none>"}
    for tag in ("1", "2"):
        cli.engine.images.remove(f"app:{tag}", force=False)


def test_a_pull_by_digest_is_a_row_without_a_tag(cli: Cli, shelf: Shelf) -> None:
    there = add(shelf, BASE)
    cli(pull_verb, f"app@{there['digest']}")
    assert [line.split()[:2] for line in cli(images)[1:]] == [["app", "<none>"]]
    assert [line.split()[:3] for line in cli(images, "--digests")[1:]] == [["app", "<none>", there["digest"]]]


def test_manifest_inspect_shows_what_the_registry_has(cli: Cli, shelf: Shelf) -> None:
    image = add(shelf, BASE, tag="1")
    top = index(image | platform(ARCH), annotations={"kept": "yes"})
    shelf.tag("all", encode(top), mediatype.INDEX)
    name = "manifest inspect"
    assert json.loads("".join(cli(manifest, "app:all", name=name))) == top
    (one,) = json.loads("".join(cli(manifest, "-v", "app:all", name=name)))
    assert (one["Ref"], one["Descriptor"]["platform"]) == (
        f"app:all@{image['digest']}",
        {"architecture": ARCH, "os": "linux"},
    )
    alone = json.loads("".join(cli(manifest, "-v", "app:1", name=name)))
    assert alone["Descriptor"]["platform"] == {"architecture": ARCH, "os": "linux"}
    assert alone["OCIManifest"] == json.loads(shelf.blobs[image["digest"]])
    with pytest.raises(NotFound, match="no such manifest: app:none"):
        cli(manifest, "app:none", name=name)
    assert cli.engine.image_store.list() == []


def options(**more: str) -> RunOptions:
    return RunOptions(**more)  # type: ignore[arg-type]


def test_run_fetches_what_is_missing_with_everything_on_stderr(cli: Cli, shelf: Shelf) -> None:
    add(shelf, BASE, tag="latest")
    require_image(cli.engine, "app", options(pull="missing"), cli.out)
    assert cli.said() == []
    assert cli.errors()[:2] == ["Unable to find image 'app:latest' locally", "latest: Pulling from library/app"]
    assert cli.errors()[-1] == "Status: Downloaded newer image for app:latest"
    shelf.fault = Unreachable("no network")
    require_image(cli.engine, "app", options(pull="missing"), cli.out)
    with pytest.raises(Unreachable) as caught:
        require_image(cli.engine, "app", options(pull="always"), cli.out)
    assert caught.value.hint == "without --pull always the image that is here is used"


def test_run_never_asks_when_it_may_not(cli: Cli, shelf: Shelf) -> None:
    with pytest.raises(NotFound, match="No such image: app:latest"):
        require_image(cli.engine, "app", options(pull="never"), cli.out)
    assert shelf.asked == []


def test_quiet_says_nothing_and_a_slip_is_answered_with_the_nearest(cli: Cli, shelf: Shelf) -> None:
    add(shelf, BASE, tag="latest")
    require_image(cli.engine, "webshop", options(pull="always"), cli.out, quiet=True)
    assert cli.errors() == []
    shelf.names.clear()
    with pytest.raises(NotFound) as caught:
        require_image(cli.engine, "webshpo", options(pull="missing"), cli.out, quiet=True)
    assert caught.value.hint == "did you mean webshop?"


def test_run_with_another_platform_fetches_that(cli: Cli, shelf: Shelf) -> None:
    entries = [add(shelf, BASE, tag="", arch=arch) | platform(arch) for arch in (ARCH, "s390x")]
    shelf.tag("latest", encode(index(*entries)), mediatype.INDEX)
    require_image(cli.engine, "app", options(pull="missing"), cli.out)
    require_image(cli.engine, "app", options(pull="missing", platform="linux/s390x"), cli.out)
    assert cli.engine.images.config(cli.engine.images.resolve("app").id).platform.architecture == "s390x"


@pytest.mark.parametrize(
    ("argv", "env", "refused"),
    [
        ([], {}, False),
        ([], {"DOCKER_CONTENT_TRUST": "1"}, True),
        ([], {"DOCKER_CONTENT_TRUST": "0"}, False),
        (["--disable-content-trust"], {"DOCKER_CONTENT_TRUST": "1"}, False),
        (["--disable-content-trust=false"], {}, True),
    ],
)
def test_who_asks_for_content_trust_is_told_that_there_is_none(
    argv: list[str], env: dict[str, str], refused: bool
) -> None:
    for verb in (pull_verb.VERB, push_verb.VERB):
        args = flags.parse("wherry x", verb, [*argv, "image"])
        if refused:
            with pytest.raises(Unsupported, match="content trust"):
                refuse_content_trust(args, env)
        else:
            refuse_content_trust(args, env)
