from __future__ import annotations

import pytest

from tests.unit.build.test_plan import AMD64, LAYER, find
from wherry.build.graph import Copy, Graph, Source
from wherry.build.named_context import GitSource, NamedContext, context_of, git_source, parse_context
from wherry.build.options import Base, BuildOptions
from wherry.build.plan import plan
from wherry.dockerfile import parse
from wherry.errors import InputError
from wherry.oci.config import ContainerConfig, ImageConfig
from wherry.oci.digest import DiffID
from wherry.oci.platform import Platform

OTHER = DiffID.of(b"other")


@pytest.mark.parametrize(
    ("text", "name", "context"),
    [
        ("lib=../lib", "lib", NamedContext("folder", "../lib")),
        ("busybox:latest=docker-image://alpine:3", "busybox", NamedContext("image", "alpine:3")),
        ("docker.io/library/python:3.10=x", "python:3.10", NamedContext("folder", "x")),
        ("a=oci-layout:///l@sha256:0", "a", NamedContext("oci", "/l@sha256:0")),
        ("a=https://h.example/r.git#v1:sub", "a", NamedContext("git", "https://h.example/r.git#v1:sub")),
        ("a=git@h.example:r", "a", NamedContext("git", "git@h.example:r")),
        ("a=github.com/o/r", "a", NamedContext("git", "github.com/o/r")),
        ("a=https://h.example/t.tar.gz", "a", NamedContext("url", "https://h.example/t.tar.gz")),
        ("a=b=c", "a", NamedContext("folder", "b=c")),
    ],
)
def test_what_a_context_is_follows_from_its_address(text: str, name: str, context: NamedContext) -> None:
    assert parse_context(text) == (name, context)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("foo", "invalid context value: foo, expected key=value"),
        ("=x", "invalid context name : invalid reference format"),
        ("Foo=x", "invalid context name Foo: invalid reference format"),
        ("a=docker-image://B", "failed to parse image reference of context a"),
        ("a=target:b", "unsupported context source target for a"),
    ],
)
def test_a_wrong_context_is_refused_in_dockers_words(text: str, says: str) -> None:
    with pytest.raises(InputError, match=says):
        parse_context(text)


@pytest.mark.parametrize("name", ["busybox", "busybox:latest", "docker.io/library/busybox", "BusyBox"])
def test_an_image_is_found_by_any_spelling(name: str) -> None:
    contexts = {"busybox": NamedContext("folder", "x")}
    assert context_of(contexts, name) == "busybox"
    assert context_of(contexts, "busybox:1") == ""
    assert context_of(contexts, "no such name!") == ""


@pytest.mark.parametrize(
    ("text", "source"),
    [
        ("https://h/r.git", GitSource("https://h/r.git")),
        ("https://h/r.git#v1", GitSource("https://h/r.git", "v1")),
        ("https://h/r.git#v1:a/b/", GitSource("https://h/r.git", "v1", "a/b")),
        ("https://h/r.git#:a", GitSource("https://h/r.git", "", "a")),
        ("https://h/r.git?branch=x&subdir=a%2Fb", GitSource("https://h/r.git", "refs/heads/x", "a/b")),
        ("https://h/r.git?tag=v1&keep-git-dir=true", GitSource("https://h/r.git", "refs/tags/v1", "", True)),
        ("git@h:r?submodules=false", GitSource("git@h:r", "", "", False, False)),
        ("github.com/o/r#c", GitSource("https://github.com/o/r", "c")),
    ],
)
def test_a_git_address_names_a_reference_and_a_folder(text: str, source: GitSource) -> None:
    assert git_source(text) == source


def test_a_git_reference_is_never_an_option_of_git() -> None:
    for text in ("https://h/r.git#--upload-pack=x", "https://h/r.git?ref=-x"):
        with pytest.raises(InputError, match="invalid git reference"):
            git_source(text)
    with pytest.raises(InputError, match="unexpected query"):
        git_source("https://h/r.git?colour=red")


def made(text: str, *names: str) -> Graph:
    def ours(name: str, platform: Platform | None) -> Base:
        if name.startswith("context:"):
            config = ImageConfig(AMD64, ContainerConfig(working_dir="/named", on_build=("RUN triggered",)), (OTHER,))
            return Base(name, config, (OTHER,))
        return find(name, platform)

    contexts = {name: NamedContext("folder", "x") for name in names}
    return plan(parse(text.encode()), BuildOptions(contexts=contexts), ours)


def test_a_context_takes_the_place_of_an_image() -> None:
    graph = made("FROM busybox:latest\nRUN x\n", "busybox")
    assert graph.vertices[0].op == Source("context:busybox", (OTHER,))
    assert graph.config.config.working_dir == "/named"


def test_a_context_takes_the_place_of_a_stage_and_its_instructions_do_not_run() -> None:
    graph = made("FROM nowhere AS st\nRUN never\nFROM busybox\nCOPY --from=st a /a\n", "st")
    assert [type(vertex.op).__name__ for vertex in graph.vertices] == ["Source", "Source", "Copy"]
    copied = graph.vertices[-1]
    assert isinstance(copied.op, Copy)
    assert graph.vertices[copied.inputs[0]].op == Source("context:st", (OTHER,))


def test_copy_and_mounts_read_from_a_context() -> None:
    graph = made("FROM busybox\nCOPY --from=lib a /a\nRUN --mount=from=lib,target=/x true\n", "lib")
    sources = [vertex.op for vertex in graph.vertices if isinstance(vertex.op, Source)]
    assert sources == [Source("busybox", (LAYER,)), Source("context:lib", (OTHER,))]


def test_other_names_are_what_they_were() -> None:
    assert made("FROM busybox AS st\nRUN x\n", "lib") == made("FROM busybox AS st\nRUN x\n")
