"""What expands in each instruction, and what is left for the shell."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from wherry.dockerfile import parse
from wherry.errors import DockerfileError

ENV = {"A": "one", "B": "two words", "N": "8000", "EMPTY": ""}


def expanded(text: str, env: Mapping[str, str] = ENV, *, head: str = "") -> Any:
    file = parse(f"{head}FROM a\n{text}\n".encode())
    return file.stages[0].instructions[0].expand(file.lex, env)


def test_from_expands_image_and_platform() -> None:
    file = parse(b"ARG V\nFROM --platform=${P:-linux/amd64} image:$V AS x\n")
    origin = file.stages[0].origin.expand(file.lex, {"V": "3"})
    assert (origin.image, origin.platform, origin.name) == ("image:3", "linux/amd64", "x")


def test_env_values_see_the_environment_before_the_instruction() -> None:
    assert expanded('ENV A=new C=$A "$A"=\'$A\' D="$B"').pairs == (
        ("A", "new"), ("C", "one"), ("one", "$A"), ("D", "two words"),
    )  # fmt: skip
    assert expanded('ENV C the $A "of it"').pairs == (("C", "the one of it"),)


def test_later_names_of_an_arg_see_the_earlier_ones() -> None:
    assert [pair[:2] for pair in expanded("ARG X=1 Y=$X$A Z W=").pairs] == [
        ("X", "1"), ("Y", "1one"), ("Z", None), ("W", ""),
    ]  # fmt: skip


def test_one_default_can_be_expanded_alone() -> None:
    file = parse(b"FROM a\nARG X=${NONE:?no} Y=$A\n")
    arg = file.stages[0].instructions[0]
    assert arg.expand_one(arg.pairs[1], file.lex, ENV).default == "one"  # type: ignore[union-attr]


def test_copy_expands_everything_but_its_stage() -> None:
    one = expanded("COPY --from=b --chown=$A:$A --chmod=$N --exclude=$A.* $A/x '$A' $B/")
    assert (one.sources, one.destination, one.chown, one.chmod) == (("one/x", "$A"), "two words/", "one:one", "8000")
    assert (one.exclude, one.from_stage) == (("one.*",), "b")


def test_add_expands_its_checksum_too() -> None:
    one = expanded("ADD --checksum=sha256:$A --chown=$A https://x/$A /d")
    assert (one.checksum, one.chown, one.sources) == ("sha256:one", "one", ("https://x/one",))


def test_heredoc_text_expands_unless_its_name_is_quoted() -> None:
    one = expanded("COPY <<E <<-'Q' /d/\n\"$A\" it's \\$A ${B}\nE\n\t$A\nQ")
    assert [file.content for file in one.files] == ['"one" it\'s $A two words\n', "$A\n"]
    again = one.expand(parse(b"FROM a").lex, ENV)
    assert again.files == one.files


def test_heredoc_text_has_the_backslash_as_its_escape_whatever_the_file_says() -> None:
    one = expanded("COPY <<E /d\n`$A \\$A\nE", head="# escape=`\n")
    assert one.files[0].content == "`one $A\n"


def test_the_escape_of_the_file_counts_in_words() -> None:
    assert expanded("WORKDIR c:\\$A`$A", head="# escape=`\n").path == "c:\\one$A"


@pytest.mark.parametrize(
    "text", ["RUN $A", "CMD $A", "ENTRYPOINT $A", 'SHELL ["$A"]', "HEALTHCHECK CMD $A", "MAINTAINER $A"]
)
def test_what_the_shell_or_nobody_expands_stays(text: str) -> None:
    file = parse(f"FROM a\n{text}\n".encode())
    one = file.stages[0].instructions[0]
    assert one.expand(file.lex, ENV) is one


def test_onbuild_is_expanded_by_the_build_that_it_triggers() -> None:
    one = expanded("ONBUILD COPY $A /x")
    assert one.trigger == "COPY $A /x"
    assert one.instruction.expand(parse(b"FROM a").lex, ENV).sources == ("one",)


def test_run_expands_the_values_of_its_mounts_only() -> None:
    one = expanded(
        "RUN --mount=type=$T,target=/c/$A,uid=$N,from=seed --mount=type=tmpfs,target=/x $A", ENV | {"T": "cache"}
    )
    assert one.command.args == ("$A",)
    first, second = one.mounts
    assert (first.type, first.target, first.uid, first.from_stage) == ("cache", "/c/one", 8000, "seed")
    assert (first.read_only, second.read_only, second.type) == (False, False, "tmpfs")


def test_the_stage_of_a_mount_is_known_before_anything_expands() -> None:
    file = parse(b"FROM a AS seed\nFROM b\nRUN --mount=from=seed,target=$HERE true\n")
    assert file.stages[1].instructions[0].mounts[0].from_stage == "seed"  # type: ignore[union-attr]


def test_a_mount_that_becomes_wrong_by_its_variables_is_an_error_then() -> None:
    with pytest.raises(DockerfileError, match="unsupported mount type 'one'") as caught:
        expanded("RUN --mount=type=$A,target=/x true")
    assert caught.value.where == "Dockerfile:2"


def test_expose_makes_ports_of_words_ranges_and_variables() -> None:
    one = expanded('EXPOSE $N 443/TCP 53-55/udp $MANY 443 "80"', ENV | {"MANY": "90 91/sctp"})
    assert one.ports == (
        "53/udp", "54/udp", "55/udp", "80/tcp", "90/tcp", "91/sctp", "443/tcp", "8000/tcp",
    )  # fmt: skip


@pytest.mark.parametrize("port", ["x", "70000", "9-8", "80/icmp", "-1", "80/tcp/udp", "1-2-3", "8O", "$A"])
def test_a_bad_port_is_named(port: str) -> None:
    with pytest.raises(DockerfileError, match="EXPOSE: invalid") as caught:
        expanded(f"EXPOSE 80 {port}")
    assert caught.value.where == "Dockerfile:2"


@pytest.mark.parametrize("signal", ["SIGTERM", "term", "9", "SIGRTMIN+3", "RTMAX-1", "$S"])
def test_a_signal_keeps_its_spelling(signal: str) -> None:
    assert expanded(f"STOPSIGNAL {signal}", {"S": "HUP"}).signal == ("HUP" if signal == "$S" else signal)


@pytest.mark.parametrize("signal", ["SIGTREM", "0", "999", "RTMIN+99", "-9", "$A"])
def test_a_signal_that_is_none_is_an_error(signal: str) -> None:
    with pytest.raises(DockerfileError, match="invalid signal") as caught:
        expanded(f"STOPSIGNAL {signal}")
    assert caught.value.hint == ("did you mean SIGTERM?" if signal == "SIGTREM" else None)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("WORKDIR ${X:?set it}", "X: set it"),
        ("USER ${A", "missing '}'"),
        ("VOLUME ${A=b}", "unsupported modifier"),
        ("LABEL a=${:x}", "bad substitution"),
        ("COPY ${A^} /x", "unsupported modifier"),
        ("ADD a ${A#\\x}", "invalid escape"),
        ("EXPOSE '80", "single-quote"),
        ("COPY <<E /x\n${A\nE", "in the text of <<E"),
    ],
)
def test_a_word_that_can_not_expand_names_its_line(text: str, message: str) -> None:
    with pytest.raises(DockerfileError) as caught:
        expanded(text)
    assert message in caught.value.message
    assert caught.value.where == "Dockerfile:2"
    assert ">>>" in caught.value.source


def test_a_lone_heredoc_is_a_script_for_the_shell_or_by_its_shebang() -> None:
    one = expanded("RUN <<-E\n\techo a\n\tE").command
    assert (one.line, one.script) == ("echo a\n", None)
    one = expanded("RUN <<E\n#!/usr/bin/env python3\nprint(1)\nE").command
    assert one.script is not None
    assert one.script.content == "#!/usr/bin/env python3\nprint(1)\n"


def test_other_heredocs_go_to_the_shell_as_they_are_written() -> None:
    one = expanded("RUN cat <<-A <<'B' > /x\n\ta\n\tA\nb\nB").command
    assert one.line == "cat <<-A <<'B' > /x\n\ta\nA\nb\nB"
    assert one.script is None
