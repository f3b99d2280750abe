"""What changed, to what is done: cases as data, and that merged work comes to the same."""

from __future__ import annotations

import json
import posixpath
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from wherry.compose.model_parts import Hook
from wherry.compose.watch_plan import Filter, Put, Rule, Work, merge, plan, replay, skips
from wherry.dockerfile.ignore import Matcher
from wherry.fs.tree_watch import Changes

CASES = sorted((Path(__file__).parents[2] / "cases/compose/watch").glob("*.json"))


def _rules(case: dict[str, Any]) -> list[Rule]:
    hidden = Matcher(case["dockerignore"]) if "dockerignore" in case else None
    return [
        Rule(
            one.get("service", "web"),
            one["action"],
            Filter(
                one["path"],
                Matcher(one.get("ignore", ())),
                Matcher(one["include"]) if "include" in one else None,
                case.get("context", ""),
                hidden,
                frozenset(case.get("always", ())),
            ),
            posixpath.normpath(posixpath.join("/", one["target"])) if "target" in one else "",
            Hook(command=one["exec"]) if "exec" in one else None,
        )
        for one in case["rules"]
    ]


def _shown(work: Work) -> dict[str, Any]:
    shown = {
        "rebuild": work.rebuild,
        "removes": list(work.removes),
        "puts": [list(one) for one in work.puts],
        "restart": work.restart,
        "execs": [hook.command for hook in work.execs],
        "changes": work.changes,
    }
    return {name: value for name, value in shown.items() if value}


@pytest.mark.parametrize("path", CASES, ids=lambda path: str(path.stem))
def test_changes_become_work(path: Path) -> None:
    case = json.loads(path.read_text())
    changes = Changes(tuple(sorted(case["changed"])), tuple(sorted(case["removed"])))
    works = plan(_rules(case), changes)
    assert {service: _shown(work) for service, work in works.items()} == case["works"]


@pytest.mark.parametrize("path", CASES, ids=lambda path: str(path.stem))
def test_what_counts_is_never_skipped_nor_in_a_folder_that_is(path: Path) -> None:
    case = json.loads(path.read_text())
    rules = _rules(case)
    is_skipped = skips(rules)
    for changed in case["changed"]:
        if not any(rule.filter.takes(changed) for rule in rules):
            continue
        assert not is_skipped(changed, False)
        # Folders above a rule's path are none of the watch's business
        above = posixpath.dirname(changed)
        while any(above.startswith(rule.filter.root) for rule in rules):
            assert not is_skipped(above, True)
            above = posixpath.dirname(above)


def test_folders_that_nobody_wants_are_skipped() -> None:
    rules = [
        Rule("web", "sync", Filter("/p", Matcher(["node_modules"]), None, "/p", Matcher([".venv"])), "/app"),
        Rule("web", "rebuild", Filter("/p/package.json", Matcher([]))),
    ]
    is_skipped = skips(rules)
    assert [name for name in (".git", "node_modules", ".venv", "src") if is_skipped(f"/p/{name}", True)] == [
        ".git",
        "node_modules",
        ".venv",
    ]


def test_a_folder_that_one_rule_wants_is_watched() -> None:
    wants = Rule("web", "rebuild", Filter("/p/node_modules", Matcher([])))
    others = Rule("web", "sync", Filter("/p", Matcher(["node_modules"])), "/app")
    assert not skips([others, wants])("/p/node_modules", True)


def test_a_new_container_gets_what_was_synced_before_and_counts_still() -> None:
    rules = [
        Rule("web", "sync", Filter("/p", Matcher(["*.log"])), "/app"),
        Rule("web", "rebuild", Filter("/q", Matcher([]))),
    ]
    known = {"/app/a": "/p/a", "/app/b.log": "/p/b.log", "/x": "/q/x"}
    assert replay(rules, known) == (Put("/p/a", "/app/a"),)


PATHS = st.sampled_from(["/a", "/a/b", "/a/b/c", "/a/d", "/e", "/e/f"])


@st.composite
def works(draw: st.DrawFn) -> Work:
    """What a plan may give: no put at or below a remove but newer ones, puts sorted."""
    targets = sorted(draw(st.sets(PATHS, max_size=4)))
    removes = draw(st.sets(PATHS, max_size=2).map(sorted))
    topmost = [one for one in removes if not any(one != two and one.startswith(two + "/") for two in removes)]
    puts = tuple(Put(f"{draw(st.integers(0, 99))}", target) for target in targets if target not in topmost)
    return Work(draw(st.booleans()), tuple(topmost), puts, draw(st.booleans()), (), len(puts) + len(topmost))


def _apply(files: dict[str, str], work: Work) -> dict[str, str]:
    """A container's files, targets to sources; what a put finds at a folder's place does not matter here."""
    kept = {
        path: source
        for path, source in files.items()
        if not any(path == gone or path.startswith(gone + "/") for gone in work.removes)
    }
    return kept | {one.target: one.source for one in work.puts}


@example(Work(removes=("/a",)), Work(puts=(Put("0", "/a"),)), {"/a/b": "image"})
@given(works(), works(), st.dictionaries(PATHS, st.just("image"), max_size=4))
def test_merged_work_comes_to_the_same(earlier: Work, later: Work, files: dict[str, str]) -> None:
    both = merge(earlier, later)
    assert _apply(files, both) == _apply(_apply(files, earlier), later)
    assert (both.rebuild, both.restart) == (earlier.rebuild or later.rebuild, earlier.restart or later.restart)
    assert both.changes == earlier.changes + later.changes
