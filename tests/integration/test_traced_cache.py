"""A RUN that did not read what changed comes from the cache, and one that did does not: with real steps."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.integration.build_lab import Lab

pytestmark = pytest.mark.requires("root", "runc", "fuse")


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    """Of its own for each test: what another one built would be found by what it read."""
    lab = Lab(tmp_path)
    yield lab
    assert lab.leftovers() == {}
    lab.close()


class Project:
    """One context, built again and again."""

    def __init__(self, lab: Lab, name: str, files: dict[str, str]) -> None:
        self.lab = lab
        self.name = name
        self.folder = lab.context(name, files)

    def write(self, **files: str) -> None:
        self.lab.context(
            self.name, {path.replace("__", "/").replace("_dot_", "."): text for path, text in files.items()}
        )

    def steps(self, *argv: str) -> dict[str, dict[str, Any]]:
        """What --explain says, by the step's text."""
        done = self.lab.wherry("build", "--explain", "--format", "json", "-t", self.name, *argv, str(self.folder))
        assert done.returncode == 0, done.stderr
        found = [json.loads(line) for line in done.stdout.splitlines()]
        return {one["name"]: one for one in found}

    def runs(self, *argv: str) -> dict[str, str]:
        """Each RUN, by what it runs: "traced", "ordinary", or why it missed."""
        steps = self.steps(*argv)
        return {
            name.partition("RUN ")[2]: one["kind"] if one["hit"] else f"miss: {one['reason']}"
            for name, one in steps.items()
            if "RUN " in name
        }

    def listing(self) -> str:
        return self.lab.listing(self.name)


@pytest.fixture
def project(lab: Lab) -> Project:
    return Project(lab, "project", {"a.txt": "a\n", "b.txt": "b\n", "sub/c.txt": "c\n"})


def test_a_step_misses_only_when_what_it_read_changed(project: Project) -> None:
    project.write(Dockerfile="FROM busybox\nWORKDIR /app\nCOPY . /app\nRUN cat a.txt > /out\n")
    assert project.runs() == {"cat a.txt > /out": "miss: never built here"}
    project.write(b_dot_txt="other\n")
    assert project.runs() == {"cat a.txt > /out": "traced"}
    assert "'other\\n'" in project.listing()
    assert project.runs() == {"cat a.txt > /out": "ordinary"}
    project.write(a_dot_txt="changed\n")
    assert project.runs() == {"cat a.txt > /out": "miss: a.txt changed"}
    assert "out 'changed\\n'" in project.listing()
    project.write(b_dot_txt="third\n")
    assert project.steps()["RUN cat a.txt > /out"]["reason"] == "read 1 file of yours: a.txt"


def test_a_file_that_appears_in_a_listed_folder_is_named(project: Project) -> None:
    project.write(Dockerfile="FROM busybox\nCOPY . /app\nRUN echo /app/sub/* > /out\n")
    project.runs()
    project.write(sub__c_dot_txt="another content of the same name\n")
    assert project.runs() == {"echo /app/sub/* > /out": "traced"}
    project.write(sub__new_dot_txt="")
    assert project.runs() == {"echo /app/sub/* > /out": "miss: sub/new.txt appeared in /app/sub, which this step lists"}
    (project.folder / "sub" / "c.txt").unlink()
    assert project.runs() == {"echo /app/sub/* > /out": "miss: sub/c.txt vanished in /app/sub, which this step lists"}


def test_a_file_that_was_looked_for_in_vain_counts(project: Project) -> None:
    project.write(Dockerfile="FROM busybox\nCOPY . /app\nRUN if test -e /app/flag; then echo yes; fi > /out\n")
    project.runs()
    project.write(a_dot_txt="x")
    assert list(project.runs().values()) == ["traced"]
    project.write(flag="")
    assert list(project.runs().values()) == ["miss: flag appeared"]
    assert "out 'yes\\n'" in project.listing()


def test_each_stage_has_its_own_reads(project: Project) -> None:
    project.write(
        Dockerfile="FROM busybox AS one\nCOPY . /src\nRUN cat /src/a.txt > /a\nFROM busybox\nCOPY . /src\n"
        "COPY --from=one /a /a\nRUN cat /a /src/b.txt > /ab\n"
    )
    project.runs()
    project.write(sub__c_dot_txt="x")
    assert project.runs() == {"cat /src/a.txt > /a": "traced", "cat /a /src/b.txt > /ab": "traced"}
    project.write(b_dot_txt="x")
    assert project.runs() == {"cat /src/a.txt > /a": "traced", "cat /a /src/b.txt > /ab": "miss: b.txt changed"}
    project.write(a_dot_txt="y")
    steps = project.steps()
    assert steps["[one] RUN cat /src/a.txt > /a"]["reason"] == "a.txt changed"
    assert steps["[stage-1] RUN cat /a /src/b.txt > /ab"]["reason"] == "/a changed"
    assert "ab 'yx'" in project.listing()


def test_a_step_that_gives_the_same_files_disturbs_nothing_behind_it(project: Project) -> None:
    """Early cutoff: it reads a.txt, and what it makes of it is the same."""
    project.write(Dockerfile="FROM busybox\nCOPY . /app\nRUN wc -l < /app/a.txt > /n\nRUN cat /n /n > /nn\n")
    project.runs()
    project.write(a_dot_txt="another line\n")
    assert project.runs() == {"wc -l < /app/a.txt > /n": "miss: a.txt changed", "cat /n /n > /nn": "traced"}
    project.write(a_dot_txt="two\nlines\n")
    runs = project.runs()
    assert runs["wc -l < /app/a.txt > /n"] == "miss: a.txt changed"
    assert runs["cat /n /n > /nn"] == "miss: the step before gave other files"


@pytest.mark.parametrize(
    ("dockerfile", "command"),
    [
        ("COPY --link . /app\nRUN cat /app/a.txt > /out\n", "cat /app/a.txt > /out"),
        ("ADD . /app\nRUN cat /app/a.txt > /out\n", "cat /app/a.txt > /out"),
        ("COPY . /app\nRUN <<END\ncat /app/a.txt > /out\nEND\n", "<<END"),
        ("COPY . /app\nRUN --network=none cat /app/a.txt > /out\n", "--network=none cat /app/a.txt > /out"),
        ("COPY --chown=app . /app\nRUN chmod 777 /tmp\nUSER app\nRUN cat /app/a.txt > /tmp/out\n",
         "cat /app/a.txt > /tmp/out"),
        ("ARG A=1\nCOPY . /app\nARG B=2\nRUN cat /app/a.txt > /out\n", "cat /app/a.txt > /out"),
        ("COPY . /app\nRUN --mount=type=bind,source=a.txt,target=/a cat /a > /out\n",
         "--mount=type=bind,source=a.txt,target=/a cat /a > /out"),
        ("COPY . /app\nRUN --mount=type=tmpfs,target=/t cp /app/a.txt /t/x && cat /t/x > /out\n",
         "--mount=type=tmpfs,target=/t cp /app/a.txt /t/x && cat /t/x > /out"),
        ("COPY . /app\nRUN --mount=type=cache,target=/c cat /app/a.txt > /out\n",
         "--mount=type=cache,target=/c cat /app/a.txt > /out"),
        ("COPY . /app\nRUN rm -r /app/sub && cat /app/a.txt > /out\n", "rm -r /app/sub && cat /app/a.txt > /out"),
    ],
)  # fmt: skip
def test_with_all_that_a_dockerfile_can_say(project: Project, dockerfile: str, command: str) -> None:
    project.write(Dockerfile=f"FROM busybox\n{dockerfile}")
    project.runs()
    project.write(b_dot_txt="other\n")
    assert project.runs()[command] == "traced"
    project.write(a_dot_txt="changed\n")
    assert project.runs()[command].startswith("miss: ")
    assert "out 'changed\\n'" in project.listing()
    cached = project.listing()
    project.runs("--no-cache")
    assert project.listing() == cached


def test_what_an_image_says_on_build_is_traced_too(lab: Lab, project: Project) -> None:
    base = lab.context(
        "onbuild-base", {"Dockerfile": "FROM busybox\nONBUILD COPY . /app\nONBUILD RUN cat /app/a.txt > /o\n"}
    )
    lab.build(base, "-t", "onbuild")
    project.write(Dockerfile="FROM onbuild\n")
    project.runs()
    project.write(b_dot_txt="other\n")
    assert project.runs() == {"cat /app/a.txt > /o": "traced"}
    project.write(a_dot_txt="other\n")
    assert project.runs() == {"cat /app/a.txt > /o": "miss: a.txt changed"}


def test_a_build_argument_a_command_and_the_base_are_named_when_they_change(lab: Lab, project: Project) -> None:
    text = "FROM busybox\nARG MODE=x\nCOPY . /app\nRUN cat /app/a.txt > /out\n"
    project.write(Dockerfile=text)
    project.runs()
    assert project.runs("--build-arg", "MODE=y") == {"cat /app/a.txt > /out": "miss: ENV MODE changed"}
    project.write(Dockerfile=text.replace("> /out", "> /put"))
    assert project.runs("--build-arg", "MODE=y") == {"cat /app/a.txt > /put": "miss: the command changed"}
    project.write(Dockerfile=text.replace("> /out", "> /put").replace("FROM busybox", "FROM busybox\nUSER 0"))
    assert project.runs("--build-arg", "MODE=y") == {"cat /app/a.txt > /put": "miss: USER changed"}


def test_no_cache_builds_anew_and_remembers_what_the_steps_read(project: Project) -> None:
    project.write(Dockerfile="FROM busybox\nCOPY . /app\nRUN cat /app/a.txt > /out\n")
    assert project.runs("--no-cache") == {"cat /app/a.txt > /out": "miss: --no-cache"}
    project.write(b_dot_txt="other\n")
    assert project.runs() == {"cat /app/a.txt > /out": "traced"}


def test_only_the_named_stages_are_made_anew(project: Project) -> None:
    project.write(
        Dockerfile="FROM busybox AS one\nRUN echo 1 > /one\nFROM busybox AS two\nRUN echo 2 > /two\n"
        "FROM busybox\nCOPY --from=one /one /one\nCOPY --from=two /two /two\nRUN cat /one /two > /both\n"
    )
    project.runs()
    assert project.runs("--no-cache-filter", "TWO") == {
        "echo 1 > /one": "ordinary", "echo 2 > /two": "miss: --no-cache-filter", "cat /one /two > /both": "ordinary",
    }  # fmt: skip
    assert project.runs("--no-cache-filter", "one,stage-2") == {
        "echo 1 > /one": "miss: --no-cache-filter", "echo 2 > /two": "ordinary",
        "cat /one /two > /both": "miss: --no-cache-filter",
    }  # fmt: skip


def test_without_traces_all_that_is_below_counts(project: Project) -> None:
    project.write(Dockerfile="FROM busybox\nCOPY . /app\nRUN cat /app/a.txt > /out\n")
    project.runs("--no-traced-cache")
    project.write(b_dot_txt="other\n")
    assert project.runs("--no-traced-cache") == {"cat /app/a.txt > /out": "miss: the step before gave other files"}
    project.write(b_dot_txt="third\n", wherry_dot_toml="[build]\ntraced-cache = false\n")
    assert project.runs() == {"cat /app/a.txt > /out": "miss: the step before gave other files"}


def test_a_damaged_record_is_dropped_and_said(project: Project) -> None:
    project.write(Dockerfile="FROM busybox\nCOPY . /app\nRUN cat /app/a.txt > /damaged\n")
    project.runs()
    with project.lab.engine.db.write() as connection:
        connection.execute("UPDATE traced_paths SET paths = x'00'")
    project.write(b_dot_txt="other\n")
    (said,) = project.runs().values()
    assert said.startswith("miss: ")
    assert said.endswith("(1 damaged records of it were dropped)")


def test_a_result_that_was_pruned_is_made_again(project: Project) -> None:
    project.write(Dockerfile="FROM busybox\nCOPY . /app\nRUN cat /app/a.txt > /pruned\n")
    project.runs()
    assert project.lab.wherry("builder", "prune", "-af").returncode == 0
    assert project.runs() == {"cat /app/a.txt > /pruned": "miss: its result was removed since"}


def test_a_failed_build_is_explained_as_far_as_it_came(project: Project) -> None:
    project.write(Dockerfile="FROM busybox\nCOPY . /app\nRUN cat /app/a.txt > /out\nRUN false\n")
    done = project.lab.wherry("build", "--explain", str(project.folder))
    assert done.returncode != 0
    assert "RUN cat /app/a.txt > /out: miss: never built here" in done.stderr
    assert "RUN false: " not in done.stderr


def test_the_text_stands_behind_the_progress_and_advice_below_its_step(project: Project) -> None:
    project.write(Dockerfile="FROM busybox\nCOPY . /app\nRUN cat /app/.git/HEAD > /out\n", _dot_git__HEAD="x\n")
    done = project.lab.wherry("build", "--explain", "--progress", "plain", str(project.folder))
    said = done.stderr.split("\n\n")[-1]
    assert said == (
        "COPY . /app: miss: never built here\nRUN cat /app/.git/HEAD > /out: miss: never built here\n"
        "  advice: it reads .git, which each commit changes: name .git in .dockerignore\n"
    )
    assert done.stdout == ""


def test_a_step_of_two_builds_at_once_is_kept_once(project: Project) -> None:
    import threading

    project.write(Dockerfile="FROM busybox\nCOPY . /app\nRUN sleep 1; cat /app/a.txt > /twice\n")
    results: list[int] = []

    def build() -> None:
        results.append(project.lab.wherry("build", str(project.folder)).returncode)

    threads = [threading.Thread(target=build) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [0, 0]
    project.write(b_dot_txt="other\n")
    assert list(project.runs().values()) == ["traced"]


@pytest.mark.parametrize("flag", ["--traced", "--no-traced-cache"])
def test_the_folders_of_mountpoints_do_not_show_the_time_of_the_day(project: Project, flag: str) -> None:
    project.write(
        Dockerfile="FROM busybox\nCOPY a.txt /app/\nRUN --mount=type=cache,target=/made/c "
        "--mount=type=bind,source=a.txt,target=/made/f x=$(stat -c '%n %Y' / /etc /made); echo \"$x\" > /out\n"
    )
    project.runs(*([flag] if flag != "--traced" else []))
    assert "out '/ 315532800\\n/etc 315532800\\n/made 315532800\\n'" in project.listing()
    assert "made" not in [line.split()[3] for line in project.listing().splitlines()]


def servers_below(pid: int) -> list[int]:
    """The processes that show layers to a step, among the descendants of `pid`."""
    found, todo = [], [pid]
    while todo:
        one = todo.pop()
        for task in Path(f"/proc/{one}/task").glob("*/children"):
            with suppress(OSError):
                todo += map(int, task.read_text().split())
        with suppress(OSError):
            if b"wherry.trace import server" in Path(f"/proc/{one}/cmdline").read_bytes():
                found.append(one)
    return found


def test_a_server_that_is_killed_in_the_middle_costs_a_second_run(project: Project) -> None:
    project.write(Dockerfile="FROM busybox\nCOPY . /app\nRUN echo begun; sleep 3; cat /app/a.txt > /out; true\n")
    code = "import sys; from wherry.cli.main import main; sys.exit(main(sys.argv[1:]))"
    argv = [sys.executable, "-c", code, "--root", str(project.lab.root), "build", "--explain", "--progress", "plain"]
    with subprocess.Popen(
        [*argv, "-t", project.name, str(project.folder)], stderr=subprocess.PIPE, text=True, env=project.lab.env
    ) as build:
        assert build.stderr
        said = ""
        for line in build.stderr:
            said += line
            if line.endswith(" begun\n"):
                (server,) = servers_below(build.pid)
                os.kill(server, signal.SIGKILL)
                break
        said += build.stderr.read()
    assert build.returncode == 0, said
    assert "the trace of this step was lost" in said
    assert "(it could not be traced: " in said
    assert "out 'a\\n'" in project.listing()
    project.write(b_dot_txt="other\n")
    assert list(project.runs().values()) == ["miss: the step before gave other files"]


def test_who_the_step_runs_as_is_looked_up_in_what_was_copied(project: Project) -> None:
    """The step reads no passwd: the builder does, for it."""
    passwd = "root:x:0:0:root:/root:/bin/sh\nmine:x:{}:1001:mine:/:/bin/sh\n"
    project.write(
        Dockerfile="FROM busybox\nCOPY passwd /etc/passwd\nRUN chmod 777 /tmp\nUSER mine\nRUN echo > /tmp/o\n",
        passwd=passwd.format(1000),
    )
    project.runs()
    project.write(passwd=passwd.format(2000))
    assert project.runs() == dict.fromkeys(("chmod 777 /tmp", "echo > /tmp/o"), "miss: passwd changed")
    assert os.stat(f"{project.lab.layers(project.name)[-1]}/tmp/o").st_uid == 2000


def test_what_another_layer_hides_does_not_count(project: Project) -> None:
    """And what is hidden by a removal in an earlier step stays hidden."""
    project.write(
        Dockerfile="FROM busybox\nCOPY a.txt b.txt /app/\nRUN rm /app/a.txt\nCOPY b.txt /app/a.txt\n"
        "RUN cat /app/a.txt > /out\nRUN rm -r /app && mkdir /app\nRUN ls -A /app > /empty\n"
    )
    project.runs()
    project.write(a_dot_txt="no one sees it\n")
    runs = project.runs()
    assert runs["cat /app/a.txt > /out"] == "traced"
    assert runs["ls -A /app > /empty"] == "traced"
    project.write(b_dot_txt="seen\n")
    assert project.runs()["cat /app/a.txt > /out"] == "miss: b.txt changed"
    cached = project.listing()
    project.runs("--no-cache")
    assert project.listing() == cached
