"""`compose watch` with real containers: what is edited here arrives there."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from threading import Condition, Thread

import pytest

from tests.integration.container_lab import Wherry, eventually

pytestmark = pytest.mark.requires("root", "busybox", "runc", "nft")

SLEEPS = "    init: true\n    command: sleep 1000\n    stop_signal: KILL\n"
NO_NETWORK = "    network_mode: none\n"


class Watch:
    """`wherry compose watch` beside the test, its output line by line."""

    def __init__(self, wherry: Wherry, folder: Path, *args: str) -> None:
        self._process = wherry.spawn(
            "compose", "--project-directory", str(folder), "-f", str(folder / "compose.yaml"), *args,
            stderr=subprocess.STDOUT,
        )  # fmt: skip
        self.lines: list[str] = []
        self._bell = Condition()
        self._reader = Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout
        for line in self._process.stdout:
            with self._bell:
                self.lines.append(line.decode("utf-8", "replace").rstrip("\n"))
                self._bell.notify_all()

    def wait_for(self, text: str, timeout_s: float = 60) -> None:
        with self._bell:
            found = self._bell.wait_for(lambda: any(text in line for line in self.lines), timeout_s)
            assert found, f"{text!r} did not come: {self.lines}"

    def stop(self, signo: int = signal.SIGINT) -> int:
        self._process.send_signal(signo)
        code = self._process.wait(60)
        self._reader.join(20)
        return code

    def close(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        self._reader.join(20)
        if self._process.stdout:
            self._process.stdout.close()


class Lab:
    """A folder with a compose.yaml, and its containers."""

    def __init__(self, wherry: Wherry, folder: Path) -> None:
        self.wherry, self.folder = wherry, folder
        self.watches: list[Watch] = []
        (folder / "src").mkdir()

    def write(self, name: str, text: str) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.with_name(path.name + ".new~")  # as editors do; the watch sees no half of it
        fresh.write_text(text)
        os.rename(fresh, path)

    def compose(self, *args: str) -> str:
        return self.wherry(
            "compose", "--project-directory", str(self.folder), "-f", f"{self.folder}/compose.yaml", *args
        ).stdout

    def watch(self, *args: str, command: tuple[str, ...] = ("watch",)) -> Watch:
        watch = Watch(self.wherry, self.folder, *command, *args)
        self.watches.append(watch)
        watch.wait_for("Watch enabled")
        return watch

    def inside(self, container: str, path: str) -> Path:
        return Path(f"/proc/{self.wherry.pid(container)}/root{path}")

    def arrives(self, container: str, path: str, text: str | None) -> None:
        """Until the file has that text, or is gone."""

        def is_there() -> bool:
            found = self.inside(container, path)
            try:
                return not found.exists() if text is None else found.read_text() == text
            except FileNotFoundError:
                return False

        eventually(is_there, f"{path} in {container} to be {text!r}; {self.watches[-1].lines}")

    def id(self, container: str) -> str:
        return self.wherry("inspect", "-f", "{{.Id}}", container).stdout.strip()

    def unnamed_images(self) -> set[str]:
        """Those of other tests too, as the root is the session's."""
        return set(self.wherry("images", "-q", "--no-trunc", "--filter", "dangling=true").stdout.split())


@pytest.fixture
def lab(wherry: Wherry, tmp_path: Path) -> Iterator[Lab]:
    folder = tmp_path.resolve() / "demo"
    folder.mkdir()
    made = Lab(wherry, folder)
    yield made
    for watch in made.watches:
        watch.close()
    if (folder / "compose.yaml").exists():
        made.compose("down", "-t", "0")


def test_edits_new_files_and_removals_reach_every_replica(lab: Lab) -> None:
    lab.write("compose.yaml", "services:\n  web:\n    image: busybox\n" + SLEEPS + NO_NETWORK + (
        "    user: bob\n    scale: 2\n    develop:\n      watch:\n"
        "        - {path: ./src, action: sync, target: /app, ignore: ['*.log']}\n"
    ))  # fmt: skip
    lab.write("src/old", "old")
    watch = lab.watch()
    for name in ("demo-web-1", "demo-web-2"):
        assert lab.wherry.status(name) == "running", "watch brings the services up"
    lab.write("src/x.log", "ignored")
    lab.write("src/deep/down/new", "new")
    lab.write("src/old", "edited")
    for name in ("demo-web-1", "demo-web-2"):
        lab.arrives(name, "/app/deep/down/new", "new")
        lab.arrives(name, "/app/old", "edited")
        status = lab.inside(name, "/app/deep/down/new").stat()
        assert (status.st_uid, status.st_gid) == (1000, 1000), "it belongs to the service's user"
        assert not lab.inside(name, "/app/x.log").exists()
    os.unlink(lab.folder / "src/deep/down/new")
    os.rmdir(lab.folder / "src/deep/down")
    for name in ("demo-web-1", "demo-web-2"):
        lab.arrives(name, "/app/deep/down", None)
    assert watch.stop() == 130
    assert lab.wherry.status("demo-web-1") == "running", "the services outlive the watch"


def test_what_runs_is_restarted_or_told(lab: Lab) -> None:
    lab.write("compose.yaml", "services:\n  web:\n    image: busybox\n" + NO_NETWORK + (
        "    init: true\n    stop_signal: KILL\n    command: sh -c 'cat /etc/app.conf > /seen; sleep 1000'\n"
        "    develop:\n      watch:\n"
        "        - {path: ./app.conf, action: sync+restart, target: /etc/app.conf}\n"
        "        - path: ./src\n          action: sync+exec\n          target: /app\n"
        "          exec: {command: sh -c 'echo told $$WHO; echo $$WHO > /told', environment: {WHO: you}}\n"
    ))  # fmt: skip
    lab.write("app.conf", "one")
    watch = lab.watch()
    lab.write("app.conf", "two")
    watch.wait_for('service "web" restarted')
    lab.arrives("demo-web-1", "/seen", "two")
    lab.write("src/f", "x")
    watch.wait_for("demo-web-1: told you")
    lab.arrives("demo-web-1", "/told", "you\n")


BUILDS = (
    "services:\n  web:\n    build: .\n" + SLEEPS + NO_NETWORK + "    depends_on: [db]\n"
    "    develop:\n      watch:\n        - {path: ., action: rebuild, ignore: [compose.yaml, src]}\n"
    "        - {path: ./src, action: sync, target: /app}\n"
    "  db:\n    image: busybox\n" + SLEEPS + NO_NETWORK
)  # fmt: skip


def test_a_rebuild_replaces_its_own_containers_alone_and_one_that_fails_none(lab: Lab) -> None:
    lab.write("compose.yaml", BUILDS)
    lab.write("Dockerfile", "FROM busybox\nRUN echo 1 > /version\n")
    watch = lab.watch("--quiet")
    others = lab.unnamed_images()
    first, db = lab.id("demo-web-1"), lab.id("demo-db-1")
    lab.write("src/a", "a")
    lab.arrives("demo-web-1", "/app/a", "a")

    lab.write("Dockerfile", "FROM busybox\nRUN exit 7\n")
    watch.wait_for("Build failed. Error: ")
    assert lab.id("demo-web-1") == first
    lab.write("src/a", "still synced")
    lab.arrives("demo-web-1", "/app/a", "still synced")

    lab.write("Dockerfile", "FROM busybox\nRUN echo 2 > /version\n")
    watch.wait_for('service "web" successfully built')
    lab.arrives("demo-web-1", "/version", "2\n")
    assert lab.id("demo-web-1") != first
    lab.arrives("demo-web-1", "/app/a", "still synced")
    assert lab.id("demo-db-1") == db
    names = lab.wherry("ps", "-a", "--format", "{{.Names}}").stdout.split()
    assert sorted(names) == ["demo-db-1", "demo-web-1"]
    assert lab.unnamed_images() <= others, "the old image went"
    assert watch.stop() == 130


def test_a_stop_in_the_middle_of_a_rebuild_leaves_the_old_container(lab: Lab) -> None:
    lab.write("compose.yaml", BUILDS)
    lab.write("Dockerfile", "FROM busybox\nRUN echo 1 > /version\n")
    watch = lab.watch()
    first = lab.id("demo-web-1")
    lab.write("Dockerfile", "FROM busybox\nRUN echo it has begun; sleep 1000\n")
    watch.wait_for("it has begun")
    assert watch.stop() == 130
    assert lab.id("demo-web-1") == first
    assert lab.wherry.status("demo-web-1") == "running"


def test_a_rebuild_runs_no_step_that_did_not_read_what_changed(lab: Lab) -> None:
    lab.write("compose.yaml", BUILDS)
    lab.write("requirements.txt", "fastapi")
    lab.write("main.py", "1")
    lab.write(
        "Dockerfile",
        "FROM busybox\nCOPY . /srv\n"
        "RUN cat /srv/requirements.txt > /installed && cat /proc/sys/kernel/random/uuid > /ran\n",
    )
    watch = lab.watch()
    ran = lab.inside("demo-web-1", "/ran").read_text()
    lab.write("main.py", "2")
    watch.wait_for('service "web" successfully built')
    lab.arrives("demo-web-1", "/srv/main.py", "2")
    assert lab.inside("demo-web-1", "/ran").read_text() == ran, "the install did not run again"
    watch.lines.clear()
    lab.write("requirements.txt", "fastapi uvicorn")
    watch.wait_for('service "web" successfully built')
    lab.arrives("demo-web-1", "/installed", "fastapi uvicorn")


def test_a_container_that_somebody_else_made_anew_is_found(lab: Lab) -> None:
    lab.write("compose.yaml", "services:\n  web:\n    image: busybox\n" + SLEEPS + NO_NETWORK + (
        "    develop:\n      watch:\n        - {path: ./src, action: sync, target: /app}\n"
    ))  # fmt: skip
    lab.watch()
    lab.write("src/a", "a")
    lab.arrives("demo-web-1", "/app/a", "a")
    lab.wherry("rm", "-f", "demo-web-1")
    lab.compose("up", "-d")
    lab.arrives("demo-web-1", "/app/a", "a")
    lab.write("src/b", "b")
    lab.arrives("demo-web-1", "/app/b", "b")


def test_what_was_edited_before_comes_first_when_asked(lab: Lab) -> None:
    lab.write("compose.yaml", "services:\n  web:\n    image: busybox\n" + SLEEPS + NO_NETWORK + (
        "    develop:\n      watch:\n        - {path: ./src, action: sync, target: /app, initial_sync: true}\n"
    ))  # fmt: skip
    lab.write("src/before/a", "a")
    lab.compose("up", "-d")
    watch = lab.watch("--no-up")
    lab.arrives("demo-web-1", "/app/before/a", "a")
    assert watch.stop(signal.SIGTERM) == 130


@pytest.mark.requires("git")
def test_a_checkout_of_two_thousand_files_is_one_batch(lab: Lab) -> None:
    def git(*args: str) -> None:
        who = ("-c", "user.name=a", "-c", "user.email=a@b")
        subprocess.run(["git", "-C", str(lab.folder), *who, *args], check=True, capture_output=True)

    lab.write("compose.yaml", "services:\n  web:\n    image: busybox\n" + SLEEPS + NO_NETWORK + (
        "    develop:\n      watch:\n        - {path: ./src, action: sync, target: /app}\n"
    ))  # fmt: skip
    git("init", "-q", "-b", "main")
    for branch in ("one", "two"):
        for number in range(2000):
            (lab.folder / "src" / f"f{number}").write_text(f"{branch} {number}")
        git("checkout", "-q", "-b", branch)
        git("add", ".")
        git("commit", "-q", "-m", branch)
    watch = lab.watch()
    git("checkout", "-q", "one")
    lab.arrives("demo-web-1", "/app/f1999", "one 1999")
    assert [line for line in watch.lines if "Syncing" in line] == [
        'Syncing service "web" after 2000 changes were detected'
    ]


def test_what_cannot_be_watched_ends_it_before_anything_is_started(lab: Lab) -> None:
    lab.write("compose.yaml", "services:\n  web:\n    image: busybox\n" + SLEEPS + NO_NETWORK)
    argv = ("compose", "--project-directory", str(lab.folder), "-f", str(lab.folder / "compose.yaml"), "watch")
    done = lab.wherry(*argv, code=1)
    assert "none of the selected services is configured for watch" in done.stderr
    assert lab.wherry("ps", "-aq").stdout == ""


def test_up_watches_beside_the_logs_until_it_is_stopped(lab: Lab) -> None:
    lab.write("compose.yaml", "services:\n  web:\n    image: busybox\n" + NO_NETWORK + (
        "    init: true\n    stop_signal: KILL\n    command: sh -c 'echo reads; cat /etc/app.conf; sleep 1000'\n"
        "    develop:\n      watch:\n        - {path: ./app.conf, action: sync+restart, target: /etc/app.conf}\n"
    ))  # fmt: skip
    lab.write("app.conf", "one\n")
    watch = lab.watch(command=("up", "--watch"))
    watch.wait_for("web-1  | reads")
    lab.write("app.conf", "two\n")
    watch.wait_for("web-1  | two")
    assert any(line.startswith(" \u29bf Syncing service") for line in watch.lines)
    assert watch.stop() == 130
    assert lab.wherry.status("demo-web-1") == "exited"
