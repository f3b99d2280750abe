"""Waiting for a container, with one that is played."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import pytest

from wherry.api.container import Container
from wherry.errors import Conflict, NotFound
from wherry.testing.ready import NotReady, exits, is_healthy, listens, says, wait_for
from wherry.testing.throwaway import _published


class Played:
    """Looks the same to `wait_for` as a container; each look at `is_running` takes the next state."""

    name = "played"

    def __init__(self, states: list[str], log: str = "", code: int = 0, health: str = "") -> None:
        self._states, self._log, self._code, self.health = states, log, code, health
        self.pid = 0

    @property
    def is_running(self) -> bool:
        return (self._states.pop(0) if len(self._states) > 1 else self._states[0]) == "running"

    def lines(self, *, follow: bool = False, tail: int = -1) -> Iterator[tuple[str, bytes]]:
        yield from (("stdout", line.encode()) for line in self._log.splitlines(keepends=True))

    def logs(self, *, tail: int = -1) -> str:
        return self._log

    def inspect(self) -> dict[str, Any]:
        return {"State": {"Pid": self.pid, "Status": self._states[0], "ExitCode": self._code}}


def played(*states: str, log: str = "", code: int = 0, health: str = "") -> Container:
    return cast(Container, Played(list(states), log, code, health))


def test_a_line_that_matches_is_enough() -> None:
    wait_for(played("running", log="a\nready now\n"), says("^ready"), 0)
    with pytest.raises(NotReady, match="waited 0 s in vain until a line matches 'never'; its last lines:\na"):
        wait_for(played("running", log="a\n"), says("never"), 0)


def test_a_question_that_an_ended_container_can_t_answer_is_not_the_news() -> None:
    def look(container: Container) -> bool:
        raise NotFound("8000/tcp of container played is not published")

    with pytest.raises(NotReady, match=r"it ended with code 3 before look; its last lines:\nboom"):
        wait_for(played("exited", log="boom\n", code=3), look, 60)
    with pytest.raises(NotReady, match="it ended with code 3"):
        wait_for(played("running", "exited", log="boom\n", code=3), look, 60)
    with pytest.raises(NotFound, match="not published"):
        wait_for(played("running"), look, 60)


def test_a_container_without_a_log_is_said_to_be_not_ready_too() -> None:
    class Silent(Played):
        def logs(self, *, tail: int = -1) -> str:
            raise Conflict("configured logging driver does not support reading")

    with pytest.raises(NotReady, match=r"it ended with code 0 before .*; configured logging driver does not support"):
        wait_for(cast(Container, Silent(["exited"])), listens(80), 60)


def test_what_it_did_in_its_last_moment_counts() -> None:
    wait_for(played("exited", log="ready\n"), says("ready"), 60)


def test_a_container_that_ended_is_not_waited_for() -> None:
    with pytest.raises(NotReady, match="it ended with code 7 before it is healthy; it wrote nothing"):
        wait_for(played("running", "exited", code=7), is_healthy(), 60)


def test_health_and_exit_codes() -> None:
    wait_for(played("running", health="healthy"), is_healthy(), 0)
    wait_for(played("exited"), exits(0), 60)
    with pytest.raises(NotReady, match="before it ends with code 0"):
        wait_for(played("exited", code=1), exits(0), 60)


def test_ones_own_condition_needs_no_name() -> None:
    wait_for(played("running"), lambda container: True, 0)


def test_nothing_listens_in_a_container_without_a_process() -> None:
    assert not listens(1)(played("exited"))


@pytest.mark.parametrize(
    ("port", "expected"),
    [(8000, "127.0.0.1::8000"), ("53/udp", "127.0.0.1::53/udp"), ("80:80", "80:80"), ("0.0.0.0::1", "0.0.0.0::1")],
)
def test_a_port_alone_is_published_on_loopback(port: int | str, expected: str) -> None:
    assert _published(port) == expected
