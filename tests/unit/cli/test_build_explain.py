from __future__ import annotations

import io
import json

import pytest

from wherry.build.explain import Explained
from wherry.cli.build import VERB
from wherry.cli.build_explain import no_cache_filter, teller
from wherry.cli.flags import FlagError, parse
from wherry.cli.render import Output

STEPS = (
    Explained("COPY . /app", False, "none", "main.py changed"),
    Explained("RUN x", True, "traced", "read 1 file of yours: \x1b[31m", ("a",), "do something"),
)


class Screen:
    def __init__(self) -> None:
        self.out, self.err = io.StringIO(), io.StringIO()
        self.output = Output(self.out, self.err, {})


def test_text_goes_behind_the_progress_on_standard_error() -> None:
    screen = Screen()
    told = teller(parse("build", VERB, ["--explain", "."]), screen.output)
    assert told is not None
    told(STEPS)
    told.show()
    assert screen.out.getvalue() == ""
    assert screen.err.getvalue().startswith("\nCOPY . /app: miss: main.py changed\nRUN x: hit (read 1 file of yours: ")
    assert screen.err.getvalue().endswith(")\n  advice: do something\n")
    assert "\x1b" not in screen.err.getvalue()


def test_json_goes_to_standard_output_an_object_on_each_line() -> None:
    screen = Screen()
    told = teller(parse("build", VERB, ["--explain", "--format", "json", "."]), screen.output)
    assert told is not None
    told(STEPS)
    told.show()
    first, second = map(json.loads, screen.out.getvalue().splitlines())
    assert {name: value for name, value in first.items() if name != "source"} == {
        "name": "COPY . /app", "hit": False, "kind": "none", "reason": "main.py changed", "reads": [], "advice": "",
    }  # fmt: skip
    assert (second["reads"], screen.err.getvalue()) == (["a"], "")


def test_nothing_is_told_unasked_or_of_no_steps() -> None:
    screen = Screen()
    assert teller(parse("build", VERB, ["."]), screen.output) is None
    told = teller(parse("build", VERB, ["--explain", "."]), screen.output)
    assert told is not None
    told.show()
    assert screen.err.getvalue() == ""


def test_a_check_builds_everything_and_has_nothing_to_explain() -> None:
    with pytest.raises(FlagError, match="--explain"):
        teller(parse("build", VERB, ["--explain", "--check-reproducible", "."]), Screen().output)


def test_stages_may_be_named_one_by_one_or_together() -> None:
    args = parse("build", VERB, ["--no-cache-filter", "a,b", "--no-cache-filter=c", "."])
    assert no_cache_filter(args) == ("a", "b", "c")
