from __future__ import annotations

import pytest

from wherry.build.graph import Copy, Graph, Run, Source, Workdir
from wherry.build.options import Base, BuildOptions
from wherry.build.plan import plan
from wherry.dockerfile import parse
from wherry.errors import DockerfileError, InputError, NotFound
from wherry.oci.config import ContainerConfig, History, ImageConfig
from wherry.oci.digest import DiffID
from wherry.oci.platform import Platform

AMD64 = Platform("linux", "amd64")
LAYER = DiffID.of(b"base")
PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
BASES = {
    "busybox": ContainerConfig(cmd=("sh",)),
    "python:3.10": ContainerConfig(
        env=("PATH=/usr/local/bin:/bin", "LANG=C.UTF-8"), entrypoint=("/e",), cmd=("python3",), working_dir="/w",
        user="app", labels={"a": "1"}, exposed_ports=("80/tcp",), volumes=("/v",),
    ),
    "with-bad-trigger": ContainerConfig(on_build=("COPY --from=7 /x /",)),
    "with-triggers": ContainerConfig(on_build=("RUN echo triggered", "COPY x /y", "ENV FROM_TRIGGER=1")),
}  # fmt: skip


def find(name: str, platform: Platform | None) -> Base:
    if name == "for-arm":
        return Base(name, ImageConfig(Platform("linux", "arm64")), (LAYER,))
    if name not in BASES:
        raise NotFound(f"the base image {name} is not on this machine")
    config = ImageConfig(AMD64, BASES[name], (LAYER,), (History("base"),))
    return Base(name, config, (LAYER,))


def made(text: str, **options: object) -> Graph:
    return plan(parse(text.encode()), BuildOptions(**options), find)  # type: ignore[arg-type]


def ops(text: str, **options: object) -> list[object]:
    return [vertex.op for vertex in made(text, **options).vertices]


def last(text: str, **options: object) -> Run:
    op = made(text, **options).vertices[-1].op
    assert isinstance(op, Run)
    return op


def env_of(run: Run) -> dict[str, str]:
    return dict(word.split("=", 1) for word in run.env)


def fails(text: str, **options: object) -> DockerfileError:
    with pytest.raises(DockerfileError) as caught:
        made(text, **options)
    assert caught.value.where
    assert ">>>" in caught.value.source
    return caught.value


def test_the_lesson_becomes_four_vertices_and_its_config() -> None:
    graph = made(
        "FROM python:3.10\nWORKDIR /app\nCOPY . /app\nRUN pip install -r requirements.txt\nEXPOSE 8000\n"
        'CMD ["uvicorn", "main:app"]\n'
    )
    assert [vertex.name for vertex in graph.vertices] == [
        "[1/4] FROM python:3.10",
        "[2/4] WORKDIR /app",
        "[3/4] COPY . /app",
        "[4/4] RUN pip install -r requirements.txt",
    ]
    assert [vertex.needs for vertex in graph.vertices] == [(), (0,), (1,), (2,)]
    assert graph.vertices[0].op == Source("python:3.10", (LAYER,))
    assert graph.vertices[1].op == Workdir("/app", "app")
    assert graph.vertices[2].op == Copy(("",), "/app")
    assert graph.uses_context
    config = graph.config.config
    assert config.cmd == ("uvicorn", "main:app")
    assert config.entrypoint == ("/e",)
    assert config.exposed_ports == ("80/tcp", "8000/tcp")
    assert config.working_dir == "/app"
    assert graph.config.created == "1980-01-01T00:00:00Z"


# Recorded: what docker 26.1.5 writes for this Dockerfile
EVERYTHING = """\
ARG G=1
FROM busybox AS one
MAINTAINER me <me@x>
ARG A=1 B
ARG HTTP_PROXY
ENV X=1 Y="two words"
LABEL l=1 "m n"=2
SHELL ["/bin/sh","-xc"]
WORKDIR rel
RUN echo hi $A > f
RUN ["/bin/true"]
USER app
WORKDIR /srv/x/y
RUN <<EOF
echo one
echo two
EOF
EXPOSE 80 53/udp 90-91
VOLUME /data ["/x"]
VOLUME ["/v1","/v2"]
STOPSIGNAL SIGINT
HEALTHCHECK --interval=5s CMD echo ok
ONBUILD RUN echo trig
ENTRYPOINT ["/bin/sh"]
CMD echo cmd
COPY c.txt d/a.txt dst/
COPY --chown=app --chmod=0700 c.txt d /q/
ADD ar.bin /unp
COPY --chown=1:staff <<A <<B /here/
$A text
A
bee
B
RUN true
COPY --link c.txt /linked
"""
HISTORY = """\
MAINTAINER me <me@x>
ARG A=1 B
ARG HTTP_PROXY
ENV X=1 Y=two words
LABEL l=1 m n=2
SHELL [/bin/sh -xc]
WORKDIR /rel
RUN |3 A=1 B=7 HTTP_PROXY=zz /bin/sh -xc echo hi $A > f # buildkit
RUN |3 A=1 B=7 HTTP_PROXY=zz /bin/true # buildkit
USER app
WORKDIR /srv/x/y
RUN |3 A=1 B=7 HTTP_PROXY=zz /bin/sh -xc echo one
echo two
 # buildkit
EXPOSE map[53/udp:{} 80/tcp:{} 90/tcp:{} 91/tcp:{}]
VOLUME [/data [/x]]
VOLUME [/v1 /v2]
STOPSIGNAL SIGINT
HEALTHCHECK &{["CMD-SHELL" "echo ok"] "5s" "0s" "0s" "0s" '\\x00'}
ENTRYPOINT ["/bin/sh"]
CMD ["/bin/sh" "-xc" "echo cmd"]
COPY c.txt d/a.txt dst/ # buildkit
COPY --chown=app --chmod=0700 c.txt d /q/ # buildkit
ADD ar.bin /unp # buildkit
COPY --chown=1:staff <<A <<B /here/ # buildkit
RUN |3 A=1 B=7 HTTP_PROXY=zz /bin/sh -xc true # buildkit
COPY c.txt /linked # buildkit
"""


def test_history_and_config_are_those_that_docker_writes() -> None:
    graph = made(EVERYTHING, build_args={"B": "7", "HTTP_PROXY": "zz"})
    history = graph.config.history[1:]
    assert "".join(f"{one.created_by}\n" for one in history) == HISTORY
    assert {one.comment for one in history} == {"buildkit.dockerfile.v0"}
    with_layer = {one.created_by.split()[0] for one in history if not one.empty_layer}
    assert with_layer == {"RUN", "COPY", "ADD", "WORKDIR"}
    assert graph.config.author == "me <me@x>"
    assert graph.config.config.to_json() == {
        "User": "app",
        "ExposedPorts": {"53/udp": {}, "80/tcp": {}, "90/tcp": {}, "91/tcp": {}},
        "Env": [PATH, "X=1", "Y=two words"],
        "Cmd": ["/bin/sh", "-xc", "echo cmd"],
        "Healthcheck": {"Test": ["CMD-SHELL", "echo ok"], "Interval": 5000000000},
        "ArgsEscaped": True,
        "Volumes": {"/data": {}, "/v1": {}, "/v2": {}, "[/x]": {}},
        "WorkingDir": "/srv/x/y",
        "Entrypoint": ["/bin/sh"],
        "OnBuild": ["RUN echo trig"],
        "Labels": {"l": "1", "m n": "2"},
        "StopSignal": "SIGINT",
        "Shell": ["/bin/sh", "-xc"],
    }


def test_one_history_entry_with_a_layer_for_each_layer() -> None:
    graph = made(EVERYTHING)
    layers = 1 + sum(not isinstance(vertex.op, Source) for vertex in graph.vertices)
    assert sum(not one.empty_layer for one in graph.config.history) == layers


def test_stages_that_the_target_does_not_need_are_left_out_with_their_base_images() -> None:
    text = "FROM nowhere AS unused\nRUN x\nFROM busybox AS a\nRUN a\nFROM busybox\nCOPY --from=a /x /\n"
    assert [type(op) for op in ops(text)] == [Source, Run, Copy]
    assert [type(op) for op in ops(text, target="a")] == [Source, Run]


def test_a_target_can_be_given_by_name_in_any_case_or_by_number() -> None:
    text = "FROM busybox AS build\nRUN a\nFROM busybox AS prod\nRUN b\n"
    for target in ("BUILD", "0"):
        assert last(text, target=target).argv == ("/bin/sh", "-c", "a")
    with pytest.raises(InputError, match="'biuld' could not be found") as caught:
        made(text, target="biuld")
    assert caught.value.hint == "did you mean build?"


def test_copy_from_takes_a_stage_by_name_by_number_or_an_image() -> None:
    text = "FROM busybox AS a\nRUN a\nFROM scratch\nCOPY --from={} /x /\n"
    for name in ("a", "A", "0"):
        graph = made(text.format(name))
        assert graph.vertices[-1].inputs == (1,)
    graph = made(text.format("python:3.10"))
    assert graph.vertices[graph.vertices[-1].inputs[0]].op == Source("python:3.10", (LAYER,))
    assert not graph.uses_context


def test_a_stage_index_that_is_not_there_is_an_error() -> None:
    for text in ("FROM busybox\nCOPY --from=7 /x /\n", "FROM with-bad-trigger\n"):
        assert "invalid stage index 7" in str(fails(text))


def test_stages_that_need_each_other_are_an_error() -> None:
    fault = fails("FROM busybox AS a\nCOPY --from=b /x /\nFROM busybox AS b\nCOPY --from=a /x /\n")
    assert "circular" in str(fault)


def test_a_base_image_that_is_not_here_says_its_name() -> None:
    with pytest.raises(NotFound, match="nowhere"):
        made("FROM nowhere\n")


def test_the_triggers_of_the_base_run_first_and_are_gone_from_the_result() -> None:
    graph = made("FROM with-triggers\nRUN after $FROM_TRIGGER\n")
    assert [vertex.name for vertex in graph.vertices[1:]] == [
        "[2/4] RUN echo triggered", "[3/4] COPY x /y", "[4/4] RUN after 1",
    ]  # fmt: skip
    assert graph.config.config.on_build == ()


def test_triggers_of_a_stage_run_in_the_stage_that_is_built_from_it() -> None:
    graph = made("FROM busybox AS a\nONBUILD RUN hello\nFROM a\nRUN b\n")
    assert [op.argv[-1] for op in map(_run_of, graph.vertices[1:])] == ["hello", "b"]


def _run_of(vertex: object) -> Run:
    op = vertex.op  # type: ignore[attr-defined]
    assert isinstance(op, Run)
    return op


def test_global_arguments_are_for_from_and_for_an_arg_that_takes_them_over() -> None:
    text = "ARG V=3.10\nARG D=${V}x\nFROM python:$V\nRUN a\nARG V\nARG D\nRUN b\n"
    graph = made(text)
    assert "V" not in env_of(_run_of(graph.vertices[1]))
    assert env_of(_run_of(graph.vertices[2]))["V"] == "3.10"
    assert env_of(_run_of(graph.vertices[2]))["D"] == "3.10x"


def test_a_build_argument_wins_over_the_default_and_is_unseen_without_arg() -> None:
    assert env_of(last("FROM busybox\nARG A=1\nRUN x\n", build_args={"A": "2"}))["A"] == "2"
    assert "A" not in env_of(last("FROM busybox\nRUN x\n", build_args={"A": "2"}))


def test_arguments_are_inherited_by_stages_built_from_a_stage_only() -> None:
    text = "FROM busybox AS a\nARG X=1\nFROM {}\nRUN x\n"
    assert env_of(last(text.format("a")))["X"] == "1"
    assert "X" not in env_of(last(text.format("busybox")))


@pytest.mark.parametrize("text", ["ARG A=arg\nENV A=env\n", "ENV A=env\nARG A=arg\n"])
def test_env_beats_arg_in_either_order(text: str) -> None:
    assert env_of(last(f"FROM busybox\n{text}RUN x\n", build_args={"A": "given"}))["A"] == "env"


def test_a_default_sees_the_arguments_before_it() -> None:
    assert env_of(last("FROM busybox\nARG A=1 B=$A-2\nENV C=$B\nRUN x\n"))["C"] == "1-2"


def test_one_env_instruction_sees_the_environment_before_it() -> None:
    env = env_of(last("FROM busybox\nENV abc=hello\nENV abc=bye def=$abc\nENV ghi=$abc\nRUN x\n"))
    assert (env["abc"], env["def"], env["ghi"]) == ("bye", "hello", "bye")


def test_a_known_env_keeps_its_place() -> None:
    graph = made("FROM python:3.10\nENV A=1\nENV LANG=de\n")
    assert graph.config.config.env == ("PATH=/usr/local/bin:/bin", "LANG=de", "A=1")


def test_proxies_reach_run_without_arg_and_stay_out_of_env_and_history() -> None:
    graph = made("FROM busybox\nRUN x\n", build_args={"https_proxy": "http://p"})
    run = _run_of(graph.vertices[-1])
    assert run.hidden_env == ("https_proxy=http://p",)
    assert "https_proxy" not in env_of(run)
    assert "http://p" not in str(graph.config)
    assert graph.warnings == ()


def test_platform_arguments_must_be_asked_for() -> None:
    text = "FROM --platform=$BUILDPLATFORM busybox\n{}RUN x\n"
    assert "TARGETARCH" not in env_of(last(text.format("")))
    assert env_of(last(text.format("ARG TARGETARCH\n")))["TARGETARCH"] == "amd64"


def test_a_build_argument_that_nothing_takes_is_warned_about() -> None:
    assert made("FROM busybox\n", build_args={"X": "1"}).warnings == (
        "[Warning] One or more build-args [X] were not consumed",
    )


def test_entrypoint_takes_away_the_command_of_the_base_only() -> None:
    assert made('FROM busybox\nENTRYPOINT ["e"]\n').config.config.cmd is None
    assert made('FROM busybox\nCMD ["c"]\nENTRYPOINT ["e"]\n').config.config.cmd == ("c",)
    assert made('FROM busybox AS a\nCMD ["c"]\nFROM a\nENTRYPOINT ["e"]\n').config.config.cmd is None


def test_an_empty_entrypoint_takes_the_base_images_away() -> None:
    config = made("FROM python:3.10\nENTRYPOINT []\n").config.config
    assert config.entrypoint == ()


def test_scratch_has_no_vertex_and_the_default_path() -> None:
    graph = made("FROM scratch\nENV A=1\n")
    assert graph.vertices == ()
    assert graph.target is None
    assert graph.config.config.env == (PATH, "A=1")


def test_a_shebang_heredoc_is_a_program_of_its_own() -> None:
    run = last("FROM busybox\nRUN <<EOF\n#!/bin/awk -f\nBEGIN {}\nEOF\n")
    assert run.argv == ("/dev/pipes/EOF",)
    assert run.script == ("EOF", b"#!/bin/awk -f\nBEGIN {}\n")


def test_a_heredoc_behind_a_command_is_left_to_the_shell() -> None:
    run = last("FROM busybox\nRUN cat <<A <<B\n1\nA\n2\nB\n")
    assert run.argv == ("/bin/sh", "-c", "cat <<A <<B\n1\nA\n2\nB")


def test_labels_of_the_command_line_win() -> None:
    graph = made("FROM busybox\nLABEL a=1 b=2\n", labels={"b": "3"})
    assert graph.config.config.labels == {"a": "1", "b": "3"}


def test_workdir_is_relative_to_the_one_before() -> None:
    graph = made("FROM python:3.10\nWORKDIR a/./b\nWORKDIR ../c\nWORKDIR /\n")
    assert [vertex.op for vertex in graph.vertices[1:]] == [Workdir("/w/a/b", "app"), Workdir("/w/a/c", "app")]
    assert graph.config.config.working_dir == "/"


@pytest.mark.parametrize(
    ("dest", "result"),
    [("x", "/w/x"), ("x/", "/w/x/"), (".", "/w/"), ("./", "/w/"), ("/x/../y", "/y"), ("/", "/"), ("/x/.", "/x/")],
)
def test_a_destination_is_relative_to_workdir_and_keeps_its_slash(dest: str, result: str) -> None:
    op = ops(f"FROM busybox\nWORKDIR /w\nCOPY a {dest}\n")[-1]
    assert isinstance(op, Copy)
    assert op.dest == result


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("RUN --security=insecure true", "insecure is not supported yet"),
        ("RUN --device=nvidia.com/gpu=all true", "device is not supported yet"),
        ("ADD https://example.com/x /", "not supported yet"),
        ("ADD git@github.com:a/b.git /", "not supported yet"),
        ("COPY --chmod=9999 a /", "invalid chmod"),
        ("COPY [a /x", "syntax error in pattern"),
        ("COPY a$NOTHING$NOTHING2 $EMPTY", "destination is empty"),
    ],
)
def test_what_is_not_executed_yet_or_wrong_fails_before_anything_runs(line: str, says: str) -> None:
    assert says in str(fails(f"FROM busybox AS a\nRUN expensive\nFROM busybox\n{line}\n"))


def test_run_for_another_platform_is_refused_and_copy_is_not() -> None:
    text = "FROM --platform=linux/arm64 for-arm\n{}\n"
    assert "not supported yet" in str(fails(text.format("RUN x")))
    assert made(text.format("COPY a /")).config.platform == Platform("linux", "arm64")


def test_an_image_of_another_platform_is_refused() -> None:
    assert "image for-arm is for linux/arm64" in str(fails("FROM for-arm\n"))


def test_mounts_of_a_run_name_their_source() -> None:
    graph = made(
        "FROM busybox AS a\nFROM busybox\nWORKDIR /w\n"
        "RUN --mount=target=src --mount=type=bind,from=a,source=/x,target=/y,rw "
        "--mount=type=cache,target=/c,id=k,sharing=locked --mount=type=tmpfs,target=/t,size=1m true\n"
    )
    run = _run_of(graph.vertices[-1])
    assert [(m.kind, m.target, m.source, m.input, m.readonly) for m in run.mounts] == [
        ("bind", "/w/src", "/", None, True), ("bind", "/y", "/x", 0, False), ("cache", "/c", "/", None, False),
        ("tmpfs", "/t", "/", None, False),
    ]  # fmt: skip
    assert (run.mounts[2].id, run.mounts[2].sharing, run.mounts[3].size) == ("k", "locked", 1 << 20)
    assert graph.uses_context


def test_the_named_stages_are_made_anew_and_their_roots_are_not() -> None:
    text = "FROM busybox AS One\nRUN 1\nFROM One AS two\nRUN 2\nFROM two\nRUN 3\n"
    for names, anew in (((), []), (("one",), ["RUN 1"]), (("TWO", "stage-2"), ["RUN 2", "RUN 3"])):
        graph = made(text, no_cache_filter=names)
        assert [vertex.name.partition("] ")[2] for vertex in graph.vertices if vertex.no_cache] == anew
