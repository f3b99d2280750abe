"""RUN --mount, --secret, --ssh and --build-context as a user has them; and what must never be found afterwards."""

from __future__ import annotations

import functools
import http.server
import io
import json
import os
import signal
import socket
import subprocess
import sys
import tarfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.docs_text import PROJECT, runnable
from tests.integration.build_lab import Lab
from wherry.build.graph import RunMount
from wherry.build.named_context import GitSource
from wherry.build.secrets import SshSource
from wherry.engine.build_fetch import fetch_git
from wherry.engine.build_ssh import Agents
from wherry.host.linux import LinuxHost

pytestmark = pytest.mark.requires("root", "runc", "busybox")
WORD = "s3cr3t-word-7d1f"


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    lab = Lab(tmp_path)
    yield lab
    lab.close()


def plain(lab: Lab, text: str, *argv: str, env: dict[str, str] | None = None) -> str:
    """What the build says; it must go well."""
    context = lab.context("context", {"Dockerfile": text})
    done = lab.wherry("build", "--progress", "plain", *argv, str(context), env=env)
    assert done.returncode == 0, done.stderr
    return done.stderr


def places_of(lab: Lab, word: bytes) -> list[str]:
    """Files of the root and of the run folder that hold the word."""
    run = Path(lab.engine.settings.paths.run)
    paths = [path for top in (lab.root, run) for path in top.rglob("*") if path.is_file() and not path.is_symlink()]
    return [str(path) for path in paths if word in path.read_bytes()]


SECRETS = """\
FROM busybox
COPY Dockerfile /context/
RUN --mount=type=secret,id=file grep -q 7d1f /run/secrets/file
RUN --mount=type=secret,id=file,env=TOKEN sh -c 'test "$TOKEN" = s3cr3t-word-$X' X=1 || test -n "$TOKEN"
RUN --mount=type=secret,id=var,target=/etc/key,mode=0444,uid=1000 test "$(stat -c %a:%u /etc/key)" = 444:1000
USER app
RUN --mount=type=secret,id=var,uid=1000 test "$(wc -c < /run/secrets/var)" -gt 10 && ! touch /run/secrets/var
"""


def test_a_secret_reaches_the_steps_and_nothing_else(lab: Lab) -> None:
    (lab.folder / "word").write_text(WORD)
    lending = ("--secret", "id=file,src=word", "--secret", "id=var,env=MY_WORD")
    plain(lab, SECRETS, "-t", "with", *lending, "--provenance=max", env={"MY_WORD": WORD})
    assert places_of(lab, WORD.encode()) == []
    assert WORD not in lab.wherry("history", "--no-trunc", "with").stdout
    assert WORD not in lab.wherry("image", "inspect", "with").stdout
    assert "run/" not in lab.listing("with")
    assert lab.leftovers() == {}


def test_another_secret_is_no_other_step(lab: Lab) -> None:
    text = "FROM busybox\nRUN --mount=type=secret,id=a wc -c < /run/secrets/a > /made\n"
    plain(lab, text, "--secret", "id=a,env=A", env={"A": "one"})
    assert "CACHED" in plain(lab, text, "--secret", "id=a,env=A", env={"A": "another one"})
    assert "CACHED" in plain(lab, text)
    assert text.count("id=a") == 1
    assert "[2/2] RUN" in plain(lab, text.replace("id=a", "id=b").replace("/a ", "/b "), "--secret", "id=b,env=A")


def test_while_the_step_runs_the_secret_is_on_no_disk(lab: Lab) -> None:
    """Looked for in the root, the run folder, and every file that a process of the build has open."""
    (lab.folder / "word").write_text(WORD)
    text = "FROM busybox\nRUN --mount=type=secret,id=a,env=TOKEN --mount=type=secret,id=a sleep 600\n"
    context = lab.context("context", {"Dockerfile": text})
    argv = ["build", "--secret", "id=a,src=word", str(context)]
    code = "import sys; from wherry.cli.main import main; sys.exit(main(sys.argv[1:]))"
    build = subprocess.Popen(
        [sys.executable, "-c", code, "--root", str(lab.root), *argv],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=lab.folder, env=lab.env,
    )  # fmt: skip
    try:
        wait_for(lambda: sleeping(600))
        assert places_of(lab, WORD.encode()) == []
    finally:
        build.send_signal(signal.SIGINT)
        build.wait(30)
    assert not sleeping(600)


def test_a_build_that_is_killed_with_a_secret_leaves_no_step_and_no_word(lab: Lab) -> None:
    text = "FROM busybox\nRUN --mount=type=secret,id=a,env=TOKEN sleep 601\n"
    context = lab.context("context", {"Dockerfile": text})
    code = "import sys; from wherry.cli.main import main; sys.exit(main(sys.argv[1:]))"
    build = subprocess.Popen(
        [sys.executable, "-c", code, "--root", str(lab.root), "build", "--secret", "id=a,env=A", str(context)],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=lab.folder,
        env={**lab.env, "A": WORD},
    )  # fmt: skip
    try:
        wait_for(lambda: sleeping(601))
    finally:
        build.kill()
        build.wait(30)
    wait_for(lambda: not sleeping(601))
    assert places_of(lab, WORD.encode()) == []
    plain(lab, "FROM busybox\nRUN true\n")
    assert lab.leftovers() == {}


def sleeping(seconds: int) -> bool:
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            if Path(f"/proc/{name}/cmdline").read_bytes() == f"sleep\0{seconds}\0".encode():
                return True
        except OSError:
            continue
    return False


def wait_for(ready: object) -> None:
    deadline = time.monotonic() + 60
    while not ready():  # type: ignore[operator]
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_an_error_does_not_quote_a_secret(lab: Lab) -> None:
    context = lab.context(
        "context", {"Dockerfile": "FROM busybox\nRUN --mount=type=secret,id=a cat /run/secrets/a; echo; exit 3\n"}
    )
    done = lab.wherry("build", "-q", "--secret", "id=a,env=A", str(context), env={"A": WORD})
    assert done.returncode == 1
    assert WORD not in done.stderr
    assert "***" in done.stderr


def test_what_is_required_and_not_given_says_so_where_it_is_asked_for(lab: Lab) -> None:
    for kind, says in (("secret,id=x", "secret x: not found"), ("ssh", "unset ssh forward key default")):
        text = f"FROM busybox\nRUN --mount=type={kind},required true\n"
        done = lab.wherry("build", str(lab.context("context", {"Dockerfile": text})))
        assert done.returncode == 1
        assert says in done.stderr
        assert f">>> RUN --mount=type={kind}" in done.stderr
        assert lab.leftovers() == {}


@pytest.mark.requires("ssh-agent")
def test_a_key_file_is_offered_by_an_agent_that_ends_with_the_build(lab: Lab) -> None:
    key = lab.folder / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "my key", "-f", str(key)], check=True)
    host = LinuxHost(lab.env)
    agents = Agents(lab.engine.settings, host, [SshSource("default", (str(key),))])
    mount = RunMount("ssh", "/run/agent", id="default", mode=0o600)
    try:
        with agents.socket(mount, str(lab.folder)) as path:
            assert "my key" in ssh_add(path, "-l")
            assert "Failed to remove" in ssh_add(path, "-D")
            assert "my key" in ssh_add(path, "-l")
            assert len(processes("wherry-ssh-")) == 1
    finally:
        agents.close()
    assert processes("wherry-ssh-") == []
    assert places_of(lab, b"PRIVATE KEY") == []


def ssh_add(agent: str, flag: str) -> str:
    done = subprocess.run(
        ["ssh-add", flag], env={**os.environ, "SSH_AUTH_SOCK": agent}, capture_output=True, text=True, check=False
    )
    return done.stdout + done.stderr


@pytest.mark.requires("ssh-agent")
def test_a_key_with_a_passphrase_says_what_to_do(lab: Lab) -> None:
    key = lab.folder / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "word", "-f", str(key)], check=True)
    context = lab.context("context", {"Dockerfile": "FROM busybox\nRUN --mount=type=ssh true\n"})
    done = lab.wherry("build", "--ssh", f"default={key}", str(context))
    assert done.returncode == 1
    assert "failed to add the key" in done.stderr
    assert "give --ssh default" in done.stderr
    assert processes("wherry-ssh-") == []
    assert lab.leftovers() == {}


def processes(mark: str) -> list[str]:
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            text = Path(f"/proc/{name}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if mark in text and "ssh-agent" in text:
            found.append(text)
    return found


def test_a_bind_of_a_stage_is_shown_without_a_copy_and_keeps_what_it_was(lab: Lab) -> None:
    said = plain(
        lab,
        "FROM busybox AS big\nRUN mkdir /d && head -c 50000000 /dev/zero > /d/f && chown 7:8 /d/f\n"
        "FROM busybox\nRUN --mount=from=big,source=/d,target=/x stat -c %s:%u:%g /x/f; du -s /x\n"
        "RUN --mount=from=big,source=/d,target=/x,rw rm /x/f && echo new > /x/g\n"
        "RUN --mount=from=big,source=/d,target=/x ls /x\n",
    )
    assert "50000000:7:8" in said
    assert said.rstrip().splitlines()[-4:]
    assert " f\n" in said
    assert " g\n" not in said
    assert lab.leftovers() == {}


def test_a_link_of_a_stage_never_leads_a_mount_to_this_machine(lab: Lab) -> None:
    (lab.folder / "host").write_text("of this machine")
    for link in (str(lab.folder), "/proc/self/root" + str(lab.folder), "../../../../../../.." + str(lab.folder)):
        context = lab.context(
            "context",
            {"Dockerfile": f"FROM busybox AS a\nRUN ln -s {link} /l\nFROM busybox\n"
             "RUN --mount=from=a,source=/l,target=/x cat /x/host\n"},
        )  # fmt: skip
        done = lab.wherry("build", str(context))
        assert done.returncode == 1
        assert "of this machine" not in done.stderr
        seed = lab.context(
            "seed",
            {"Dockerfile": f"FROM busybox AS a\nRUN ln -s {link} /l\nFROM busybox\n"
             "RUN --mount=type=cache,from=a,source=/l,target=/x cat /x/host\n"},
        )  # fmt: skip
        assert lab.wherry("build", str(seed)).returncode == 1


@contextmanager
def served(folder: Path) -> Iterator[str]:
    handler = functools.partial(_Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


def tarball(path: Path, **files: str) -> None:
    with tarfile.open(path, "w:gz") as archive:
        for name, text in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(text)
            archive.addfile(info, io.BytesIO(text.encode()))


def test_a_context_comes_as_a_tar_from_an_address(lab: Lab) -> None:
    site = lab.folder / "site"
    site.mkdir()
    tarball(site / "t.tar.gz", one="1", two="2")
    (site / "text").write_text("no archive")
    (lab.folder / "context").mkdir()
    (lab.folder / "context" / "Dockerfile").write_text("FROM busybox\nCOPY --from=t . /t/\n")
    with served(site) as address:
        lab.build(lab.folder / "context", "--build-context", f"t={address}/t.tar.gz", "-t", "out")
        for name, says in (("none", "the answer is 404"), ("text", "is no tar archive")):
            done = lab.wherry("build", "--build-context", f"t={address}/{name}", "context")
            assert done.returncode == 1
            assert says in done.stderr
    assert "file 0644 0:0 t/one '1'" in lab.listing("out")
    assert lab.leftovers() == {}


@pytest.fixture
def repository(tmp_path: Path) -> Iterator[str]:
    """The address of a git repository with two commits, the first of which has the tag v1."""
    folder = tmp_path / "git" / "r.git"
    folder.mkdir(parents=True)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]

    def git(*argv: str) -> None:
        who = ["-c", "user.name=a", "-c", "user.email=a", "-c", "init.defaultBranch=main"]
        subprocess.run(["git", *who, "-C", str(folder), *argv], check=True)

    git("init", "-q")
    (folder / "sub").mkdir()
    (folder / "sub" / "a").write_text("a")
    git("add", ".")
    git("commit", "-qm", "one")
    git("tag", "v1")
    (folder / "b").write_text("b")
    git("add", ".")
    git("commit", "-qm", "two")
    daemon = subprocess.Popen(
        ["git", "daemon", f"--base-path={tmp_path}/git", "--export-all", "--listen=127.0.0.1", f"--port={port}"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    wait_for(lambda: _listens(port))
    yield f"git://127.0.0.1:{port}/r.git"
    os.killpg(daemon.pid, signal.SIGTERM)
    daemon.wait(10)


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


@pytest.mark.requires("git")
def test_a_context_comes_from_git(lab: Lab, repository: str) -> None:
    context = lab.context("context", {"Dockerfile": "FROM busybox\nCOPY --from=new . /new\nCOPY --from=old . /old\n"})
    old = f"old={repository}#v1:sub"
    lab.build(context, "--build-context", f"new={repository}", "--build-context", old, "-t", "out")
    listing = lab.listing("out")
    assert "new/b 'b'" in listing
    assert "new/sub/a 'a'" in listing
    assert "old/a 'a'" in listing
    assert ".git" not in listing
    done = lab.wherry("build", "--build-context", f"new={repository}#none", "--build-context", old, str(context))
    assert done.returncode == 1
    assert "has no none" in done.stderr
    assert lab.leftovers() == {}


@pytest.mark.requires("git")
def test_a_commit_is_found_by_its_name(lab: Lab, repository: str) -> None:
    folder = lab.folder / "git" / "r.git"
    commit = subprocess.check_output(["git", "-C", str(folder), "rev-parse", "v1"], text=True).strip()
    for number, name in enumerate((commit, "v1", "main", "refs/heads/main")):
        target = lab.folder / f"out{number}"
        target.mkdir()
        fetch_git(LinuxHost(lab.env), GitSource(repository, name), str(target), lab.env)
        assert (target / "sub" / "a").read_text() == "a"
        assert (target / "b").exists() == (number > 1)


def test_a_context_comes_from_an_oci_layout_and_is_no_image_afterwards(lab: Lab) -> None:
    tree = lab.folder / "tree"
    tree.mkdir()
    (tree / "marker").write_text("from the layout")
    lab.add_image("other", tree)
    archive = lab.folder / "other.tar"
    lab.wherry("save", "-o", str(archive), "other")
    layout = lab.folder / "layout"
    with tarfile.open(archive) as whole:
        whole.extractall(layout, filter="data")
    lab.wherry("rmi", "other")
    before = lab.wherry("images", "-q", "--no-trunc").stdout
    context = lab.context("context", {"Dockerfile": "FROM busybox\nCOPY --from=img /marker /m\n"})
    image = lab.build(context, "--build-context", f"img=oci-layout://{layout}:latest")
    assert "m 'from the layout'" in lab.listing(image)
    digest = json.loads((layout / "index.json").read_text())["manifests"][0]["digest"]
    assert lab.build(context, "--build-context", f"img=oci-layout://{layout}@{digest}") == image
    after = lab.wherry("images", "-q", "--no-trunc").stdout
    assert set(after.split()) - set(before.split()) == {image}
    done = lab.wherry("build", "--build-context", f"img=oci-layout://{layout}:none", str(context))
    assert "could not find none in the OCI layout" in done.stderr
    assert lab.leftovers() == {}


def test_a_named_folder_is_copied_once_and_again_when_it_changed(lab: Lab) -> None:
    lib = lab.context("lib", {"a": "one", ".dockerignore": "*.log", "x.log": "no"})
    text = "FROM busybox\nCOPY --from=lib . /lib\n"
    assert "CACHED" not in plain(lab, text, "--build-context", f"lib={lib}").split("COPY --from")[1]
    assert "CACHED" in plain(lab, text, "--build-context", f"lib={lib}").split("COPY --from")[1]
    (lib / "a").write_text("two")
    assert "CACHED" not in plain(lab, text, "--build-context", f"lib={lib}", "-t", "out").split("COPY --from")[1]
    assert "lib/a 'two'" in lab.listing("out")
    assert "x.log" not in lab.listing("out")


@pytest.mark.requires("ssh-agent")
def test_the_commands_of_the_documentation_work_one_after_the_other(lab: Lab) -> None:
    programs = lab.folder / "programs"
    programs.mkdir()
    code = "import sys; from wherry.cli.main import main; sys.exit(main(sys.argv[1:]))"
    (programs / "wherry").write_text(f"#!/bin/sh\nexec {sys.executable} -c '{code}' --root {lab.root} \"$@\"\n")
    (programs / "wherry").chmod(0o755)
    work = lab.folder / "work"
    work.mkdir()
    env = {**lab.env, "PATH": f"{programs}:{lab.env['PATH']}"}
    blocks = runnable(PROJECT / "docs" / "build-mounts.md")
    assert len(blocks) == 4
    for block in blocks:
        done = subprocess.run(
            ["bash", "-euc", block], cwd=work, env=env, capture_output=True, text=True, check=False,
            stdin=subprocess.DEVNULL, timeout=120,
        )  # fmt: skip
        assert done.returncode == 0, f"{block}\n{done.stdout}{done.stderr}"
    assert "file 0644 0:0 version '1.0\\n'" in lab.listing("named")


def test_a_bind_of_the_context_shows_one_time_so_that_two_builds_give_one_image(lab: Lab) -> None:
    folder = lab.context("context", {"d/sub/a": "a", "f": "f"})
    (folder / "d" / "link").symlink_to("sub/a")
    text = (
        "FROM busybox\nRUN --mount=type=bind,source=d,target=/d --mount=type=bind,source=f,target=/f"
        " stat -c '%n %Y' /d /d/sub /d/sub/a /d/link /f > /times\n"
    )
    (folder / "Dockerfile").write_text(text)
    first = lab.build(folder, "--no-cache", "-t", "one")
    os.utime(folder / "f", (5, 5))
    assert lab.build(folder, "--no-cache") == first
    times = (Path(lab.layers("one")[-1]) / "times").read_text().splitlines()
    assert [line.split()[1] for line in times] == ["315532800"] * 5
