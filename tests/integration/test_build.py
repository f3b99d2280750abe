"""Building: RUN, the cache, the image, and what must not be in it."""

from __future__ import annotations

import io
import json
import os
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.build_lab import Lab

pytestmark = pytest.mark.requires("root", "runc", "busybox")


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    lab = Lab(tmp_path_factory.mktemp("build"))
    yield lab
    assert lab.leftovers() == {}
    lab.close()


def dockerfile(lab: Lab, text: str, **files: str) -> Path:
    names = {name.replace("__", "."): content for name, content in files.items()}
    return lab.context(f"c{len(os.listdir(lab.folder))}", {"Dockerfile": text, **names})


def layer_names(lab: Lab, image: str, number: int) -> list[str]:
    """What is in one layer, the base being 0."""
    top = lab.layers(image)[number]
    return sorted(
        os.path.relpath(os.path.join(folder, name), top)
        for folder, folders, files in os.walk(top)
        for name in folders + files
    )


def test_a_dockerfile_becomes_an_image_and_the_second_time_comes_from_the_cache(lab: Lab) -> None:
    context = dockerfile(
        lab, 'FROM busybox\nWORKDIR /app\nCOPY . .\nRUN cat main.py > made\nCMD ["cat", "made"]\n', main__py="hello\n"
    )
    first = lab.wherry("build", "-t", "shop/api:1", "-t", "api", str(context))
    assert first.returncode == 0, first.stderr
    assert "#4 [3/4] COPY . .\n#4 DONE" in first.stderr
    assert first.stdout == ""
    record = lab.engine.image_store.resolve("api")
    assert record.tags == ("api:latest", "shop/api:1")
    assert "file 0644 0:0 app/made 'hello\\n'" in lab.listing("api")
    again = lab.wherry("build", "-t", "api", str(context))
    assert [line[3:] for line in again.stderr.splitlines() if line.endswith("CACHED")] == ["CACHED"] * 4
    assert f"writing image {record.id}" in again.stderr


def test_quiet_prints_the_id_alone_and_iidfile_holds_it(lab: Lab) -> None:
    context = dockerfile(lab, "FROM busybox\nRUN echo noise\n")
    done = lab.wherry("build", "-q", "--iidfile", "id.txt", str(context))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == (lab.folder / "id.txt").read_text() + "\n"
    assert done.stdout.startswith("sha256:")


def test_a_step_that_changes_nothing_makes_an_empty_layer(lab: Lab) -> None:
    context = dockerfile(lab, "FROM busybox\nRUN true\nRUN cat /etc/hosts /etc/resolv.conf > /dev/null\nWORKDIR /tmp\n")
    image = lab.build(context)
    assert [layer_names(lab, image, number) for number in (1, 2, 3)] == [[], [], []]


def test_mountpoints_of_a_step_never_reach_the_layer(lab: Lab) -> None:
    bare = lab.folder / "bare"
    (bare / "bin").mkdir(parents=True)
    (bare / "bin" / "busybox").write_bytes((lab.folder / "busybox" / "bin" / "busybox").read_bytes())
    (bare / "bin" / "busybox").chmod(0o755)
    lab.add_image("bare", bare)
    text = 'FROM bare\nRUN --mount=type=cache,target=/root/.cache/x ["/bin/busybox", "touch", "/{}"]\n'
    image = lab.build(dockerfile(lab, text.format("f")))
    assert layer_names(lab, image, 1) == ["f"]
    image = lab.build(dockerfile(lab, text.format("proc/../etc/own")))
    assert layer_names(lab, image, 1) == ["etc", "etc/own"]


def test_run_forms_give_what_they_say(lab: Lab) -> None:
    text = r"""FROM busybox
RUN echo shell $0 > /shell
RUN ["/bin/sh", "-c", "echo exec '$HOME' > /exec"]
SHELL ["/bin/ash", "-ec"]
RUN echo $0 > /other
RUN <<EOF
echo one > /heredoc
echo "two $HOME" >> /heredoc
EOF
RUN <<-"SCRIPT"
	#!/bin/awk -f
	BEGIN { print "awk" > "/script" }
SCRIPT
RUN cat > /several <<A && cat >> /several <<B
a $HOME
A
b
B
ENV X="a b"
USER app:staff
WORKDIR /home/app
RUN id > id; pwd >> id; echo "$X" >> id; echo $SOURCE_DATE_EPOCH $PYTHONHASHSEED >> id
"""
    tree = lab.listing(lab.build(dockerfile(lab, text)))
    for line in (
        "file 0644 0:0 shell 'shell /bin/sh\\n'",
        "file 0644 0:0 exec 'exec $HOME\\n'",
        "file 0644 0:0 other '/bin/ash\\n'",
        "file 0644 0:0 heredoc 'one\\ntwo /root\\n'",
        "file 0644 0:0 script 'awk\\n'",
        "file 0644 0:0 several 'a /root\\nb\\n'",
        "file 0644 1000:50 home/app/id "
        "'uid=1000(app) gid=50(staff) groups=50(staff)\\n/home/app\\na b\\n315532800 0\\n'",
    ):
        assert line in tree


def test_removals_and_replacements_are_a_diff(lab: Lab) -> None:
    text = "FROM busybox\nRUN mkdir -p /d/e && touch /d/a /d/e/x /f\nRUN rm -r /d/e /f && echo new > /d/a\n"
    image = lab.build(dockerfile(lab, text))
    assert lab.listing(image) == "dir 0755 0:0 d\nfile 0644 0:0 d/a 'new\\n'\n"
    with lab.engine.leases.hold("test"):
        tar = io.BytesIO()
        lab.engine.layers.write_tar(lab.engine.image_store.resolve(image).layers[2], tar.write)
    tar.seek(0)
    with tarfile.open(fileobj=tar) as names:
        assert sorted(names.getnames()) == [".wh.f", "d", "d/.wh.e", "d/a"]


def test_options_reach_the_step(lab: Lab) -> None:
    text = (
        "FROM busybox\nRUN cat /etc/hosts > /hosts; df -k /dev/shm | tail -1 > /shm; ulimit -n > /limit;"
        " ls /sys/class/net > /net\n"
    )
    image = lab.build(
        dockerfile(lab, text), "--add-host", "db:10.1.2.3", "--shm-size", "1m", "--ulimit", "nofile=99:100",
        "--network", "none",
    )  # fmt: skip
    tree = dict(line.split(" ")[3:5] for line in lab.listing(image).splitlines() if line.startswith("file"))
    del tree["hosts"]
    top = Path(lab.layers(image)[1])
    assert "10.1.2.3\tdb" in (top / "hosts").read_text()
    assert (top / "shm").read_text().split()[1] == "1024"
    assert (top / "limit").read_text() == "99\n"
    assert (top / "net").read_text() == "lo\n"


def test_each_run_chooses_its_network(lab: Lab) -> None:
    text = (
        "FROM busybox\nRUN ls /sys/class/net > /bridge\nRUN --network=none ls /sys/class/net > /none\n"
        "RUN --network=host readlink /proc/self/ns/net > /host\n"
    )
    layers = [Path(folder) for folder in lab.layers(lab.build(dockerfile(lab, text)))]
    assert (layers[1] / "bridge").read_text().split() == ["eth0", "lo"]
    assert (layers[2] / "none").read_text().split() == ["lo"]
    assert (layers[3] / "host").read_text().strip() == os.readlink("/proc/self/ns/net")


def test_a_failed_run_shows_the_lines_the_code_and_the_last_output_and_leaves_the_cache(lab: Lab) -> None:
    context = dockerfile(lab, "FROM busybox\nRUN echo first > /a\nRUN echo said; \\\n    exit 7\nRUN never\n")
    done = lab.wherry("build", str(context))
    assert done.returncode == 1
    assert " said\n" in done.stderr
    assert "exit code: 7" in done.stderr
    assert "   3 | >>> RUN echo said; \\\n   4 | >>>     exit 7" in done.stderr
    assert " > [3/4] RUN echo said;     exit 7:\nsaid\n------" in done.stderr
    assert "never" not in done.stderr.split("------")[0]
    assert lab.leftovers() == {}
    assert "#3 CACHED" in lab.wherry("build", str(context)).stderr


def test_a_failed_run_shows_its_output_with_quiet_too(lab: Lab) -> None:
    done = lab.wherry("build", "-q", str(dockerfile(lab, "FROM busybox\nRUN echo why; false\n")))
    assert done.returncode == 1
    assert "why\n" in done.stderr
    assert done.stdout == ""


def test_a_program_that_is_not_there_is_said(lab: Lab) -> None:
    done = lab.wherry("build", str(dockerfile(lab, 'FROM busybox\nRUN ["/no/such", "x"]\n')))
    assert done.returncode == 1
    assert "/no/such" in done.stderr
    assert "   2 | >>> RUN" in done.stderr


def test_the_cache_looks_at_content_and_mode_and_not_at_times(lab: Lab) -> None:
    context = dockerfile(lab, "FROM busybox\nCOPY f /\nRUN cat /proc/sys/kernel/random/uuid > /when\n", f="1")
    image = lab.build(context)
    os.utime(context / "f", (5, 5))
    assert lab.build(context) == image
    (context / "f").chmod(0o600)
    other = lab.build(context)
    assert other != image
    (context / "f").chmod(0o644)
    assert lab.build(context) == image
    (context / "f").write_text("2")
    assert lab.build(context) not in {image, other}


def test_files_that_are_ignored_do_not_disturb_the_cache(lab: Lab) -> None:
    context = dockerfile(
        lab,
        "FROM busybox\nCOPY . /x\nRUN cat /proc/sys/kernel/random/uuid > /when\n",
        __dockerignore="*.log\nDockerfile\n",
    )
    image = lab.build(context)
    (context / "a.log").write_text("noise")
    assert lab.build(context) == image
    assert "a.log" not in lab.listing(image)


def test_a_step_that_gives_the_same_files_disturbs_nothing_behind_it(lab: Lab) -> None:
    text = (
        "FROM busybox AS a\nCOPY f /f\nRUN wc -c < /f > /size\n"
        "FROM busybox\nCOPY --from=a /size /\nRUN cat /proc/sys/kernel/random/uuid > /when\n"
    )
    context = dockerfile(lab, text, f="1")
    image = lab.build(context)
    (context / "f").write_text("2")
    said = lab.wherry("build", str(context)).stderr
    assert "RUN wc -c < /f > /size\n#4 DONE" in said
    assert "COPY --from=a /size /\n#5 DONE" in said
    assert "#6 CACHED" in said
    assert lab.build(context) == image


def test_a_cached_step_is_a_diff_for_another_base_too(lab: Lab) -> None:
    """--link does not depend on what is below."""
    image = lab.build(dockerfile(lab, "FROM busybox\nCOPY --link f /f\n", f="1"))
    done = lab.wherry("build", str(dockerfile(lab, "FROM busybox\nRUN touch /other\nCOPY --link f /f\n", f="1")))
    assert "[3/3] COPY --link f /f\n#4 CACHED" in done.stderr
    assert lab.layers(image)[1] is not None


def test_arguments_environment_and_user_are_in_the_key_and_proxies_are_not(lab: Lab) -> None:
    text = "FROM busybox\nARG A=1\nRUN cat /proc/sys/kernel/random/uuid > /when\n"
    image = lab.build(dockerfile(lab, text))
    assert lab.build(dockerfile(lab, text), "--build-arg", "http_proxy=http://p:1") == image
    assert lab.build(dockerfile(lab, text), "--build-arg", "A=2") != image


def test_no_cache_builds_anew(lab: Lab) -> None:
    context = dockerfile(lab, "FROM busybox\nRUN cat /proc/sys/kernel/random/uuid > /when\n")
    assert lab.build(context) == lab.build(context)
    assert lab.build(context) != lab.build(context, "--no-cache")


def test_a_cached_layer_that_was_collected_is_made_again(lab: Lab) -> None:
    import shutil

    context = dockerfile(lab, "FROM busybox\nRUN cat /proc/sys/kernel/random/uuid > /when-collected\n")
    image = lab.build(context)
    shutil.rmtree(os.path.dirname(lab.layers(image)[1]))
    assert lab.build(context) != image


REPRODUCIBLE = """FROM busybox AS a
RUN mkdir -p /out/x && echo hi > /out/x/f && ln /out/x/f /out/x/g && ln -s f /out/x/l && touch -d @1999999999 /out/y
FROM busybox
WORKDIR /app
COPY . .
COPY --from=a --chown=app /out /out
RUN echo $SOURCE_DATE_EPOCH > t && rm /etc/group && chmod 700 /app
"""


def test_the_same_inputs_give_the_same_image(lab: Lab, tmp_path: Path) -> None:
    context = dockerfile(lab, REPRODUCIBLE, f="1")
    image = lab.build(context)
    time.sleep(0.02)
    os.utime(context / "f")
    assert lab.build(context, "--no-cache") == image
    other = Lab(tmp_path)
    try:
        assert other.build(context) == image
    finally:
        other.close()


def test_times_are_the_epoch_that_is_asked_for(lab: Lab) -> None:
    context = dockerfile(lab, "FROM busybox\nCOPY f /f\nRUN echo $SOURCE_DATE_EPOCH > /t\n", f="1")
    image = lab.build(context, "--build-arg", "SOURCE_DATE_EPOCH=1700000000")
    for path in (Path(lab.layers(image)[1]) / "f", Path(lab.layers(image)[2]) / "t"):
        assert path.stat().st_mtime == 1700000000
    assert (Path(lab.layers(image)[2]) / "t").read_text() == "1700000000\n"
    assert lab.engine.image_store.config(lab.engine.image_store.resolve(image).id).created == "2023-11-14T22:13:20Z"
    assert lab.wherry("build", "-q", str(context), env={"SOURCE_DATE_EPOCH": "1700000000"}).stdout.strip() == image


@pytest.mark.requires("git")
def test_created_is_the_time_of_the_git_commit_and_does_not_disturb_the_cache(lab: Lab) -> None:
    import subprocess

    context = dockerfile(lab, "FROM busybox\nRUN cat /proc/sys/kernel/random/uuid > /when\n")
    (context / "sub").mkdir()
    (context / "sub" / "Dockerfile").write_text("FROM busybox\nRUN cat /proc/sys/kernel/random/uuid > /when\n")
    before = lab.layers(lab.build(context / "sub"))
    env = {**lab.env, "GIT_COMMITTER_DATE": "2024-02-03T04:05:06Z", "GIT_AUTHOR_DATE": "2020-01-01T00:00:00Z"}
    for argv in (["init", "-q"], ["add", "."], ["-c", "user.name=x", "-c", "user.email=x@x", "commit", "-qm", "x"]):
        subprocess.run(["git", "-C", str(context), *argv], check=True, env=env)
    image = lab.build(context / "sub")
    assert lab.layers(image) == before
    config = lab.engine.image_store.config(lab.engine.image_store.resolve(image).id)
    assert config.created == "2024-02-03T04:05:06Z"


def test_mounts_show_what_they_say_and_leave_nothing(lab: Lab) -> None:
    text = """FROM busybox AS a
RUN mkdir /s && echo from-stage > /s/f
FROM busybox
RUN --mount=target=/ctx --mount=type=bind,from=a,source=/s,target=/st,rw cat /ctx/f /st/f > /out; \
 echo x > /st/new; echo x > /ctx/f || echo read-only >> /out; ls /ctx >> /out
RUN --mount=type=cache,target=/c echo kept >> /c/log
RUN --mount=type=cache,target=/c --mount=type=tmpfs,target=/t,size=1m cp /c/log /log; df -k /t | tail -1 > /df
"""
    context = dockerfile(lab, text, f="context\n", hidden__log="x", __dockerignore="*.log\n")
    image = lab.build(context)
    layers = [Path(folder) for folder in lab.layers(image)]
    assert (layers[1] / "out").read_text() == "context\nfrom-stage\nread-only\nDockerfile\nf\n"
    assert sorted(os.listdir(layers[1])) == ["out"]
    assert os.listdir(layers[2]) == []
    assert (layers[3] / "log").read_text() == "kept\n"
    assert (layers[3] / "df").read_text().split()[1] == "1024"


def test_stages_run_side_by_side(lab: Lab) -> None:
    text = (
        "FROM busybox AS a\nRUN --mount=type=cache,target=/c,id=meet touch /c/a; n=0; "
        "until [ -e /c/b ]; do sleep 0.05; n=$((n+1)); [ $n -lt 400 ] || exit 1; done\n"
        "FROM busybox AS b\nRUN --mount=type=cache,target=/c,id=meet touch /c/b; n=0; "
        "until [ -e /c/a ]; do sleep 0.05; n=$((n+1)); [ $n -lt 400 ] || exit 1; done; echo b > /b\n"
        "FROM busybox\nCOPY --from=a /etc/passwd /p\nCOPY --from=b /b /b\n"
    )
    assert "file 0644 0:0 b 'b\\n'" in lab.listing(lab.build(dockerfile(lab, text)))


def test_the_first_failure_stops_the_others(lab: Lab) -> None:
    text = (
        "FROM busybox AS a\nRUN sleep 1; false\nFROM busybox AS b\nRUN sleep 600\n"
        "FROM busybox\nCOPY --from=a / /\nCOPY --from=b / /\n"
    )
    started = time.monotonic()
    done = lab.wherry("build", str(dockerfile(lab, text)))
    assert done.returncode == 1
    assert "RUN sleep 1; false" in done.stderr
    assert "CANCELED" in done.stderr
    assert time.monotonic() - started < 60
    assert lab.leftovers() == {}


def test_a_dockerfile_comes_from_stdin_with_and_without_a_context(lab: Lab) -> None:
    context = lab.context("stdin", {"f": "1"})
    done = lab.wherry("build", "-q", "-f", "-", str(context), stdin=b"FROM busybox\nCOPY f /\n")
    assert "file 0644 0:0 f '1'" in lab.listing(done.stdout.strip())
    done = lab.wherry("build", "-q", "-", stdin=b"FROM busybox\nRUN true\n")
    assert done.returncode == 0, done.stderr
    done = lab.wherry("build", "-q", "-", stdin=b"FROM busybox\nCOPY f /\n")
    assert done.returncode == 1
    assert "there is none" in done.stderr


@pytest.mark.parametrize("mode", ["w", "w:gz"])
def test_a_tar_on_stdin_is_the_context(lab: Lab, mode: str) -> None:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode=mode) as tar:
        for name, text in {"Dockerfile": "FROM busybox\nCOPY d /\n", "other": "FROM busybox\n", "d/f": "1"}.items():
            info = tarfile.TarInfo(name)
            info.size, info.uid, info.mode = len(text), 77, 0o640
            tar.addfile(info, io.BytesIO(text.encode()))
    done = lab.wherry("build", "-q", "-", stdin=stream.getvalue())
    assert lab.listing(done.stdout.strip()) == "file 0640 0:0 f '1'\n", done.stderr
    assert lab.wherry("build", "-q", "-f", "other", "-", stdin=stream.getvalue()).returncode == 0


def test_a_dockerfile_may_lie_outside_the_context(lab: Lab) -> None:
    context = lab.context("inside", {"f": "1", ".dockerignore": "f\n"})
    outside = lab.context("outside", {"My.Dockerfile": "FROM busybox\nCOPY f /\n", "My.Dockerfile.dockerignore": "g\n"})
    done = lab.wherry("build", "-q", "-f", str(outside / "My.Dockerfile"), str(context))
    assert done.returncode == 0, done.stderr


def test_the_config_is_what_the_dockerfile_says(lab: Lab) -> None:
    text = 'FROM busybox\nEXPOSE 8000\nLABEL a=1\nHEALTHCHECK --interval=3s CMD ["true"]\nCMD ["sh"]\n'
    image = lab.build(dockerfile(lab, text), "--label", "b=2", "--label", "c")
    (found,) = json.loads(lab.wherry("inspect", image).stdout)
    assert found["Config"]["Labels"] == {"a": "1", "b": "2", "c": ""}
    assert found["Config"]["ExposedPorts"] == {"8000/tcp": {}}
    assert found["Config"]["Healthcheck"]["Interval"] == 3_000_000_000


def test_new_forms_of_copy_work(lab: Lab) -> None:
    """--exclude, --parents and symbolic --chmod: newer than the docker that the other cases were recorded with."""
    text = (
        "FROM busybox\nCOPY --exclude=*.md --exclude=sub/b . /e/\nCOPY --parents sub/b/c other.md /p/\n"
        "COPY --parents ./sub/./b/*  /v/\nCOPY --chmod=u=rwX,go=rX sub /m\n"
    )
    context = lab.context(
        "newer", {"Dockerfile": text, "a.md": "", "other.md": "o", "sub/b/c": "c", "sub/s.sh": "s", "sub/r.md": "r"}
    )
    (context / "sub").chmod(0o700)
    (context / "sub" / "s.sh").chmod(0o711)
    (context / "sub" / "r.md").chmod(0o600)
    assert lab.listing(lab.build(context)) == (
        "dir 0755 0:0 e\nfile 0644 0:0 e/Dockerfile " + f"{text!r}\n"
        "dir 0700 0:0 e/sub\nfile 0600 0:0 e/sub/r.md 'r'\nfile 0711 0:0 e/sub/s.sh 's'\n"
        "dir 0755 0:0 m\ndir 0755 0:0 m/b\nfile 0644 0:0 m/b/c 'c'\n"
        "file 0644 0:0 m/r.md 'r'\nfile 0755 0:0 m/s.sh 's'\n"
        "dir 0755 0:0 p\nfile 0644 0:0 p/other.md 'o'\ndir 0700 0:0 p/sub\ndir 0755 0:0 p/sub/b\n"
        "file 0644 0:0 p/sub/b/c 'c'\n"
        "dir 0755 0:0 v\ndir 0755 0:0 v/b\nfile 0644 0:0 v/b/c 'c'\n"
    )


def test_a_prune_by_age_spares_what_was_built_just_now(lab: Lab) -> None:
    """Its date is that of its commit, or 1980."""
    assert lab.wherry("build", "-t", "young", str(dockerfile(lab, "FROM busybox\nLABEL young=1\n"))).returncode == 0
    pruned = lab.wherry("image", "prune", "-af", "--filter", "until=1h")
    assert pruned.stdout == "Total reclaimed space: 0B\n"
    assert "young" in lab.wherry("images").stdout
