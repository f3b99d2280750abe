"""A FakeHost whose programs answer with recorded text."""

from __future__ import annotations

from collections.abc import Mapping

from wherry.host import Command, Completed
from wherry.host.fake import FakeHost


class AnsweringHost(FakeHost):
    def __init__(self, answers: Mapping[str, str]) -> None:
        super().__init__()
        self._answers = answers

    def run(self, command: Command) -> Completed:
        super().run(command)
        return Completed(0, self._answers[command.argv[0]].encode(), b"")
