"""A hostile Dockerfile, context or repository tries to reach this machine by way of a build."""

from __future__ import annotations

import io
import os
import subprocess
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.build_lab import Lab

pytestmark = pytest.mark.requires("root", "runc", "busybox")


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    made = Lab(tmp_path_factory.mktemp("lab"))
    yield made
    assert made.leftovers() == {}
    made.close()


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    """A file of this machine that no build may show."""
    path = tmp_path / "secret"
    path.write_text("root:s3cr3t-of-the-host\n")
    return path


def _build(lab: Lab, context: Path, *argv: str, stdin: bytes | None = None) -> subprocess.CompletedProcess[str]:
    where = "-" if stdin is not None else str(context)
    return lab.wherry("build", "--progress", "plain", "--network", "none", *argv, where, stdin=stdin)


@pytest.mark.parametrize("target", ["{}", "up"])
@pytest.mark.parametrize("name", ["Dockerfile", ".dockerignore", "Dockerfile.dockerignore"])
def test_a_link_in_the_context_shows_no_file_of_the_host(
    lab: Lab, tmp_path: Path, secret: Path, name: str, target: str
) -> None:
    """A failing build shows the lines of the Dockerfile."""
    context = tmp_path / "context"
    context.mkdir()
    (context / "Dockerfile").write_text("FROM busybox\nCOPY . /x\n")
    (context / name).unlink(missing_ok=True)
    (context / name).symlink_to(str(secret) if target == "{}" else "../secret")
    for done in (_build(lab, context), _build(lab, context, stdin=_tar(context))):
        assert done.returncode == 1
        assert "leads out of the build context" in done.stderr or "No such file" in done.stderr
        assert "s3cr3t" not in done.stdout + done.stderr


def _tar(folder: Path) -> bytes:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as tar:
        tar.add(folder, ".")
    return data.getvalue()


@pytest.mark.parametrize(
    "line",
    [
        "COPY leak /x", "COPY away/secret /x", "COPY ../secret /x", "COPY deep/er /x", "ADD leak /x",
        "COPY --link leak /x",
        "COPY --parents ./away/./secret /x/", "COPY away/* /x/", "COPY le*k /x/", "COPY --from=0 /leak /x",
        "RUN --mount=type=bind,source=leak,target=/x cat /x", "RUN --mount=type=bind,source=../secret,target=/x cat /x",
        "RUN --mount=type=bind,source=away,target=/x cat /x/secret", "COPY . /y/\nRUN cat /y/leak /y/away/secret",
    ],
)  # fmt: skip
def test_no_link_of_the_context_brings_a_file_of_the_host(lab: Lab, tmp_path: Path, secret: Path, line: str) -> None:
    context = tmp_path / "context"
    (context / "deep").mkdir(parents=True)
    (context / "leak").symlink_to(secret)
    (context / "away").symlink_to(tmp_path)
    (context / "deep" / "er").symlink_to("../../secret")
    (context / "Dockerfile").write_text(
        f"FROM busybox\nRUN ln -s {secret} /leak\nFROM busybox\n{line}\nRUN cat /x /x/*\n"
    )
    done = _build(lab, context)
    assert done.returncode == 1
    assert "s3cr3t" not in done.stdout + done.stderr


def test_a_folder_that_becomes_a_link_while_it_is_copied_never_leads_out(
    lab: Lab, tmp_path: Path, secret: Path
) -> None:
    context = tmp_path / "context"
    for number in range(200):
        (context / "sub" / str(number)).mkdir(parents=True)
        (context / "sub" / str(number) / "secret").write_text("mine\n")
    (context / "Dockerfile").write_text("FROM busybox\nCOPY sub /x/\nRUN cat /x/*/secret | sort | uniq > /seen\n")
    ended = threading.Event()

    def swap() -> None:
        while not ended.is_set():
            for number in range(0, 200, 7):
                folder = context / "sub" / str(number)
                os.rename(folder, context / "aside")
                folder.symlink_to(tmp_path)
                folder.unlink()
                os.rename(context / "aside", folder)

    thread = threading.Thread(target=swap)
    thread.start()
    try:
        built = [_build(lab, context, "-t", "raced") for _ in range(4)]
    finally:
        ended.set()
        thread.join()
    assert not [done for done in built if "s3cr3t" in done.stdout + done.stderr]
    for done in built:
        assert done.returncode in (0, 1)
    if any(done.returncode == 0 for done in built):
        assert "s3cr3t" not in lab.listing("raced")


def test_a_step_can_not_make_the_builder_remove_a_file_of_the_host(lab: Lab, tmp_path: Path) -> None:
    """CVE-2024-23652: mountpoints that were made for a step are removed after it; what if a link leads to them?"""
    host = tmp_path / "host"
    (host / "victim").mkdir(parents=True)
    (host / "kept" / "victim").mkdir(parents=True)
    (host / "file").write_text("")
    lines = [
        "FROM busybox", "RUN mkdir -p /old/kept",
        "RUN --mount=type=cache,target=/c/victim --mount=type=bind,target=/c/file,source=Dockerfile"
        f" --mount=type=cache,target=/old/kept/victim mv /c /moved; ln -s {host} /c; mv /old /older; ln -s {host} /old",
        f"RUN --mount=type=tmpfs,target=/d/e/victim mv /d /moved2; mkdir /d; ln -s {host} /d/e",
    ]  # fmt: skip
    context = lab.context("stubs", {"Dockerfile": "\n".join(lines) + "\n"})
    done = _build(lab, context)
    assert done.returncode == 0, done.stderr
    assert sorted(str(path.relative_to(host)) for path in host.rglob("*")) == ["file", "kept", "kept/victim", "victim"]


@pytest.mark.parametrize(
    "mount",
    ["type=cache,target=/c,id=../../../../../pwn", "type=cache,target=/../../../c", "type=cache,target=c,id=/etc"],
)
def test_a_cache_mount_never_leaves_the_folder_of_caches(lab: Lab, mount: str) -> None:
    context = lab.context(
        "caches", {"Dockerfile": f"FROM busybox\nWORKDIR /\nRUN --mount={mount} echo x > /c/pwn; ls -la /c\n"}
    )
    done = _build(lab, context, "--no-cache")
    assert done.returncode == 0, done.stderr
    found = [path for path in lab.root.rglob("pwn") if path.is_file()]
    assert found
    assert all(path.parent.parent == lab.root / "cache" / "mounts" for path in found)
    assert not [path for path in (lab.folder, lab.folder.parent) if (path / "pwn").exists()]


@pytest.mark.parametrize("target", ["/", "/proc", "/proc/self", "/.", "/x/.."])
def test_a_mount_over_what_keeps_the_step_in_is_refused(lab: Lab, target: str) -> None:
    """CVE-2025-52881 and older: writes to /proc/self/attr and the like that land elsewhere."""
    context = lab.context(
        "over", {"Dockerfile": f"FROM busybox\nRUN --mount=type=tmpfs,target={target} id > /proc/self/x\n"}
    )
    assert _build(lab, context, "--no-cache").returncode == 1


def test_the_source_of_a_mount_is_a_path_and_no_pattern(lab: Lab) -> None:
    files = {"a1.txt": "one", "a2.txt": "two", "a*.txt": "star", "[x]": "bracket"}
    mounts = "--mount=type=bind,source=a*.txt,target=/m --mount=type=bind,source=[x],target=/n"
    lines = f"FROM busybox\nRUN {mounts} cat /m /n > /o\n"
    context = lab.context("patterns", {**files, "Dockerfile": lines})
    lab.build(context, "--network", "none", "-t", "patterns")
    assert "'starbracket'" in lab.listing("patterns")
    (context / "a*.txt").unlink()
    assert "not found in the build context" in _build(lab, context).stderr


def test_a_step_sees_no_file_descriptor_and_no_variable_of_ours(lab: Lab) -> None:
    """CVE-2024-21626, CVE-2021-3602."""
    lines = "FROM busybox\nRUN for fd in /proc/self/fd/*; do echo fd $(readlink $fd); done; env; cat /proc/1/environ\n"
    context = lab.context("inside", {"Dockerfile": lines})
    done = lab.wherry(
        "build", "--no-cache", "--progress", "plain", "--network", "none", str(context),
        env={"AWS_SECRET_ACCESS_KEY": "hunter2hunter2"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "hunter2" not in done.stderr
    held = [line.split(" fd ")[1] for line in done.stderr.splitlines() if " fd " in line and "readlink" not in line]
    assert all(one.startswith(("pipe:", "/dev/null", "/proc/")) for one in held), held


@pytest.mark.parametrize("folder", ["/proc/self/fd/8/../../..", "/link/..", "/link/etc", "/magic"])
def test_a_working_folder_never_leads_out(lab: Lab, tmp_path: Path, folder: str) -> None:
    marker = tmp_path / "marker-of-the-host"
    marker.write_text("")
    lines = (
        f"FROM busybox\nRUN ln -s / /link; ln -s /proc/self/fd/8 /magic\nWORKDIR {folder}\n"
        f"RUN ls -a . .. ../.. > /tmp/seen; ls {tmp_path} >> /tmp/seen 2>&1; cat /tmp/seen;"
        f" test -e {marker} && echo OUT\n"
    )
    done = _build(lab, lab.context("workdir", {"Dockerfile": lines}), "--no-cache")
    assert marker.name not in done.stderr.replace(str(marker), "")
    assert "\nOUT" not in done.stderr


@pytest.mark.parametrize("user", ["4294967296", "-1", "4294967295", "nobody", "0:4294967296"])
def test_a_user_that_is_none_is_never_root(lab: Lab, user: str) -> None:
    done = _build(lab, lab.context("user", {"Dockerfile": f"FROM busybox\nUSER {user}\nRUN echo I am $(id)\n"}))
    assert done.returncode == 1
    assert "I am uid" not in done.stderr.replace("I am $(id)", "")


def test_a_repository_runs_nothing_when_the_time_of_its_commit_is_read(lab: Lab, tmp_path: Path) -> None:
    """The context's own git configuration, with the commit missing so that git would fetch it."""
    context = tmp_path / "repository"
    context.mkdir()
    (context / "Dockerfile").write_text("FROM busybox\n")
    env = {**os.environ, "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1"}

    def git(*words: str) -> str:
        argv = ["git", "-c", "user.name=x", "-c", "user.email=x@example.com", "-C", str(context), *words]
        return subprocess.run(argv, env=env, check=True, capture_output=True, text=True).stdout.strip()

    git("init", "-q")
    git("commit", "-q", "--allow-empty", "-m", "x")
    head = git("rev-parse", "HEAD")
    (context / ".git" / "objects" / head[:2] / head[2:]).unlink()
    pwned = tmp_path / "pwned"
    for key, value in (
        ("core.repositoryformatversion", "1"), ("extensions.partialClone", "origin"),
        ("remote.origin.promisor", "true"),
        ("remote.origin.url", f"ext::sh -c touch% {pwned}"), ("protocol.ext.allow", "always"),
        ("core.fsmonitor", f"touch {pwned}"), ("core.sshCommand", f"touch {pwned}"), ("core.pager", f"touch {pwned}"),
        ("alias.cat-file", f"!touch {pwned}"), ("core.hooksPath", str(tmp_path)),
    ):  # fmt: skip
        git("config", key, value)
    assert _build(lab, context).returncode == 0
    assert not pwned.exists()


def test_a_linked_file_whose_first_name_stays_behind_comes_with_its_own_content(lab: Lab) -> None:
    """The destination may have another file, or a link to the host's folders, at the name that was left out."""
    lines = (
        "FROM busybox\nRUN mkdir /d; echo other > /d/a; mkdir /e; ln -s /etc /e/x\n"
        "COPY --parents ./b /d/\nCOPY --parents ./y /e/\n"
    )
    context = lab.context("linked", {"a": "content", "x/passwd": "mine", "Dockerfile": lines})
    os.link(context / "a", context / "b")
    (context / "y").mkdir()
    os.link(context / "x" / "passwd", context / "y" / "f")
    lab.build(context, "--network", "none", "-t", "linked")
    listing = lab.listing("linked")
    assert "d/b 'content'" in listing
    assert "e/y/f 'mine'" in listing
