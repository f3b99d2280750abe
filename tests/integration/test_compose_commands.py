"""The commands of `wherry compose` that look, enter and run, on real containers. Beside docker-compose:
tests/compat/cases/compose.txt."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from contextlib import closing
from pathlib import Path

import pytest

from tests.integration.compose_lab import SLEEPS, Compose
from tests.integration.container_lab import Wherry, eventually
from tests.registries.real import WherryRegistry

pytestmark = pytest.mark.requires("root", "runc", "nft", "ip", "busybox")

_ESCAPE = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


def read_until(fd: int, text: str, timeout_s: float = 20) -> str:
    import select

    found = ""
    while text not in found:
        assert select.select([fd], [], [], timeout_s)[0], f"{text!r} did not come: {found!r}"
        data = os.read(fd, 4096)
        assert data, f"ended without {text!r}: {found!r}"
        found += data.decode()
    return found


def test_a_current_folder_that_was_removed_is_told(wherry: Wherry, tmp_path: Path) -> None:
    script = 'cd "$1"; rmdir "$1"; shift; exec "$@"'
    (tmp_path / "gone").mkdir()
    done = subprocess.run(
        ["sh", "-c", script, "sh", str(tmp_path / "gone"), *wherry.argv("compose", "ls")],
        capture_output=True, text=True, check=False, env={"PATH": os.environ["PATH"], "HOME": "/root"},
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (1, "")
    assert "wherry: the current folder is gone\nhint: " in done.stderr


@pytest.mark.parametrize("args", [("logs", "-f"), ("up",)])
def test_followed_logs_end_when_nobody_reads_them_any_more(compose: Compose, args: tuple[str, ...]) -> None:
    compose.write("""
    services:
      web: {image: busybox, init: true, command: [sh, -c, "while :; do echo line; sleep 0.05; done"]}
    """)
    compose("up", "-d")
    with compose.spawn(*args) as child:
        assert child.stdout
        assert child.stderr
        read_until(child.stdout.fileno(), "line\n")
        child.stdout.close()
        assert child.wait(20) == 1
        assert child.stderr.read() in (b"", b" Container demo-web-1  Running\n")
    assert compose.states() == {"web-1": "running"}


def test_followed_logs_go_on_when_a_service_starts_again(compose: Compose) -> None:
    compose.write(f"""
    services:
      web: {{image: busybox, init: true, command: ["sh", "-c", "echo up; exec sleep 1000"]}}
      other: {{image: busybox, {SLEEPS}}}
    """)
    compose("up", "-d")
    with compose.spawn("logs", "-f") as logs:
        assert logs.stdout
        fd = logs.stdout.fileno()
        read_until(fd, "web-1    | up\n")
        compose("stop", "web")
        read_until(fd, "web-1 exited with code 143\n")
        compose("start", "web")
        # Once: what was shown before the stop is not shown again
        assert read_until(fd, "web-1    | up\n") == "web-1    | up\n"
        compose("up", "-d", "--scale", "web=2")
        read_until(fd, "web-2    | up\n")
        compose("stop")
        assert logs.wait(20) == 0


def test_ctrl_c_ends_followed_logs_and_nothing_else(compose: Compose) -> None:
    compose.write(f"services: {{web: {{image: busybox, {SLEEPS}}}}}")
    compose("up", "-d")
    with compose.spawn("logs", "-f") as logs:
        eventually(lambda: len(os.listdir(f"/proc/{logs.pid}/task")) > 2, "it follows")
        logs.send_signal(signal.SIGINT)
        assert logs.wait(20) == 130
    assert compose.states() == {"web-1": "running"}


def test_exec_on_a_terminal_has_one(compose: Compose) -> None:
    compose.write(f"services: {{web: {{image: busybox, {SLEEPS}}}}}")
    compose("up", "-d")
    terminal = compose.terminal("exec", "web", "sh")
    terminal.type("tty; stty size; exit 4\n")
    assert terminal.wait() == 4
    assert "/dev/pts/0" in terminal.seen
    assert "24 80" in terminal.seen
    assert "not a tty" in compose("exec", "web", "tty", code=1).stdout
    assert "not a tty" in compose("exec", "-T", "web", "tty", code=1).stdout


def test_run_on_a_terminal_has_one_and_leaves_nothing(compose: Compose) -> None:
    compose.write("services: {web: {image: busybox, command: [sh]}}")
    terminal = compose.terminal("run", "--rm", "web")
    terminal.type("tty; exit 5\n")
    assert terminal.wait() == 5
    assert "/dev/pts/0" in terminal.seen
    assert compose.states() == {}


def test_run_waits_for_what_its_service_waits_for(compose: Compose) -> None:
    compose.write("""
    services:
      task:
        image: busybox
        command: cat /data/ready
        volumes: [data:/data]
        depends_on: {setup: {condition: service_completed_successfully}}
      setup:
        image: busybox
        command: sh -c 'sleep 0.5; echo done > /data/ready'
        volumes: [data:/data]
    volumes: {data: {}}
    """)
    assert compose("run", "--rm", "task").stdout == "done\n"
    assert compose.states() == {"setup-1": "exited 0"}


def test_run_of_a_service_whose_dependency_fails_does_not_run(compose: Compose) -> None:
    compose.write("""
    services:
      task: {image: busybox, command: echo never, depends_on: {setup: {condition: service_completed_successfully}}}
      setup: {image: busybox, command: sh -c 'echo because of this; exit 3'}
    """)
    done = compose("run", "--rm", "task", code=1)
    assert done.stdout == ""
    assert "didn't complete successfully: exit 3" in done.stderr
    assert "because of this" in done.stderr
    assert compose.states() == {"setup-1": "exited 3"}


def test_run_does_not_take_the_services_own_containers_away(compose: Compose) -> None:
    compose.write(f"""
    services:
      web: {{image: busybox, {SLEEPS}, depends_on: [db]}}
      db: {{image: busybox, {SLEEPS}}}
    """)
    compose("up", "-d")
    before = compose.ids()
    assert compose("run", "--rm", "web", "echo", "hi").stdout == "hi\n"
    assert compose("run", "--rm", "--remove-orphans", "web", "echo", "hi").stdout == "hi\n"
    assert compose.ids() == before


def test_a_one_off_is_found_by_its_own_name_alone(compose: Compose) -> None:
    compose.write(f"services: {{web: {{image: busybox, {SLEEPS}}}}}")
    compose("up", "-d")
    command = ("run", "-d", "--no-deps", "web", "sleep", "1000")
    compose(*command)
    compose(*command, "--")
    ping = ("exec", "web", "sh", "-c", "nslookup web 2>/dev/null | grep -c '^Address.*10[.]\\|^Address.*172[.]'")
    assert compose(*ping).stdout == "1\n"
    compose("run", "-d", "--no-deps", "--use-aliases", "web", "sleep", "1000")
    assert compose(*ping).stdout == "2\n"
    names = [name for name in compose.states() if name.startswith("web-run-")]
    assert len(names) == 3
    assert all(re.fullmatch("web-run-[0-9a-f]{12}", name) for name in names)


def test_what_can_not_start_is_gone_with_rm(compose: Compose) -> None:
    compose.write("services: {web: {image: busybox}}")
    assert "not found" in compose("run", "--rm", "web", "nosuch", code=1).stderr
    assert compose.states() == {}


def test_events_are_those_of_the_project(compose: Compose, wherry: Wherry) -> None:
    compose.name = "eventful"
    compose.write(f"services: {{web: {{image: busybox, {SLEEPS}}}, db: {{image: busybox, {SLEEPS}}}}}")
    compose("up", "-d")
    wherry("run", "--rm", "--network", "none", "busybox", "true")
    compose("stop", "db")
    lines = compose("events", "--json", "--since", "1h", "--until", "0s").stdout.splitlines()
    found = [json.loads(line) for line in lines]
    assert {one["service"] for one in found} == {"web", "db"}
    assert not any(key.startswith("com.docker.compose.") for one in found for key in one["attributes"])
    text = compose("events", "--since", "1h", "--until", "0s", "db").stdout
    assert re.search(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d[.]\d{6} container die [0-9a-f]{64} \(.*exitCode=143", text, re.M)
    assert "eventful-web-1" not in text


def test_volumes_of_the_project_and_of_a_service(compose: Compose, wherry: Wherry) -> None:
    compose.write(f"""
    services:
      db: {{image: busybox, {SLEEPS}, volumes: ["data:/data"]}}
      web: {{image: busybox, {SLEEPS}, volumes: ["logs:/logs"]}}
    volumes: {{data: {{}}, logs: {{}}}}
    """)
    compose("up", "-d")
    wherry("volume", "create", "another")
    assert compose("volumes", "-q").stdout.split() == ["demo_data", "demo_logs"]
    assert compose("volumes", "-q", "web").stdout.split() == ["demo_logs"]
    assert "no such service: nope" in compose("volumes", "nope", code=1).stderr
    wherry("volume", "rm", "another")


def test_export_and_commit_take_a_services_files(compose: Compose, wherry: Wherry, tmp_path: Path) -> None:
    compose.write(f"services: {{web: {{image: busybox, {SLEEPS}}}}}")
    compose("up", "-d")
    compose("exec", "web", "sh", "-c", "echo mine > /mine")
    compose("export", "-o", str(tmp_path / "files.tar"), "web")
    import tarfile

    with tarfile.open(tmp_path / "files.tar") as tar:
        assert "mine" in tar.getnames()
    compose("commit", "web", "committed:1")
    assert wherry("run", "--rm", "--network", "none", "committed:1", "cat", "/mine").stdout == "mine\n"
    wherry("rmi", "committed:1")


def test_builds_use_all_that_a_file_says(compose: Compose, wherry: Wherry) -> None:
    compose.write("""
    services:
      base:
        build: {dockerfile_inline: "FROM busybox\\nRUN echo from base > /base\\n"}
      web:
        build:
          context: app
          target: wanted
          args: {WHO: file}
          additional_contexts: {base: "service:base"}
          secrets: [token]
          extra_hosts: ["db.example=192.0.2.7"]
          tags: ["demo-other:1"]
          labels: {made: "yes"}
        command: cat /who /base /secret /host
    secrets: {token: {environment: TOKEN}}
    """)
    (compose.folder / "app").mkdir()
    (compose.folder / "app" / "Dockerfile").write_text(
        "FROM base AS wanted\nARG WHO\nRUN echo $WHO > /who; grep -c db.example /etc/hosts > /host\n"
        "RUN --mount=type=secret,id=token cat /run/secrets/token > /secret\nFROM wanted AS unwanted\nRUN false\n"
    )
    (compose.folder / ".env").write_text("TOKEN=hush\n")
    done = compose("build")
    assert " base  Built" in done.stderr
    assert done.stderr.index(" base  Built") < done.stderr.index(" web  Building")
    assert "[web wanted 2/3]" in done.stderr
    assert compose("run", "--rm", "web").stdout == "file\nfrom base\nhush1\n"
    compose("build", "--build-arg", "WHO=flag", "web")
    assert compose("run", "--rm", "web").stdout.startswith("flag\n")
    assert wherry("image", "inspect", "-f", "{{.Config.Labels.made}}", "demo-other:1").stdout == "yes\n"
    wherry("rmi", "-f", "demo-web", "demo-other:1", "demo-base")


def test_a_build_that_fails_says_which_and_why(compose: Compose) -> None:
    compose.write("""
    services:
      good: {build: {dockerfile_inline: "FROM busybox\\nRUN echo fine"}}
      bad: {build: {dockerfile_inline: "FROM busybox\\nRUN echo alas; exit 3"}}
    """)
    done = compose("build", code=17)
    assert " bad  Error" in done.stderr
    assert "alas" in done.stderr
    compose("build", "-q", "good")
    assert compose("build", "-q", "bad", code=17).stdout == ""


def test_builds_that_need_each_other_are_refused(compose: Compose) -> None:
    compose.write("""
    services:
      a: {build: {dockerfile_inline: "FROM b", additional_contexts: {b: "service:b"}}}
      b: {build: {dockerfile_inline: "FROM a", additional_contexts: {a: "service:a"}}}
    """)
    assert re.search("cycle|each other", compose("build", code=None).stderr)


def test_bake_is_told_and_not_done(compose: Compose, wherry: Wherry) -> None:
    compose.write("services: {web: {build: {context: ., args: {A: b}}}}")
    (compose.folder / "Dockerfile").write_text("FROM busybox\n")
    told = json.loads(compose("build", "--print").stdout)
    assert told["target"]["web"]["args"] == {"A": "b"}
    assert told["group"]["default"]["targets"] == ["web"]
    assert "demo-web" not in wherry("images").stdout


def test_pull_skips_what_is_here_or_is_built(compose: Compose) -> None:
    compose.write("""
    services:
      here: {image: busybox, pull_policy: missing}
      never: {image: "registry.invalid/x:1", pull_policy: never}
      built: {build: .}
      gone: {image: "localhost:1/x:1"}
    """)
    done = compose("pull", code=18)
    assert " here  Skipped - Image is already present locally" in done.stderr
    assert " never  Skipped" in done.stderr
    assert " built  Skipped - No image to be pulled" in done.stderr
    assert " gone  Error" in done.stderr
    compose("pull", "--ignore-pull-failures")
    compose("pull", "here")


def test_progress_on_a_terminal_ends_with_every_line_settled(compose: Compose) -> None:
    compose.write(f"services: {{web: {{image: busybox, {SLEEPS}}}, db: {{image: busybox, {SLEEPS}}}}}")
    terminal = compose.terminal("up", "-d")
    assert terminal.wait() == 0
    last = _ESCAPE.sub("", terminal.seen[terminal.seen.rindex("[+] Running") :])
    assert last.startswith("[+] Running 3/3")
    assert last.count("✔") == 3
    assert "\x1b[?25l" not in terminal.seen


def test_progress_json_is_json(compose: Compose) -> None:
    compose.write(f"services: {{web: {{image: busybox, {SLEEPS}}}}}")
    done = compose.wherry("compose", "--progress", "json", *compose.words("up", "-d")[1:])
    events = [json.loads(line) for line in done.stderr.splitlines()]
    assert {"id": "Container demo-web-1", "status": "Done", "text": "Started"} in events


def test_a_broken_file_does_not_keep_one_from_what_runs(compose: Compose) -> None:
    compose.write(f"services: {{web: {{image: busybox, {SLEEPS}}}}}")
    compose("up", "-d")
    (compose.folder / "compose.yaml").write_text("name: demo\nservices: {web: {imag: busybox}}\n")
    assert compose("exec", "web", "echo", "hi").stdout == "hi\n"
    assert "demo-web-1" in compose("ps").stdout
    assert compose("ps", "web", code=15).stderr


def test_attach_is_in_the_container(compose: Compose) -> None:
    compose.write("services: {web: {image: busybox, command: [sh], tty: true, stdin_open: true}}")
    compose("up", "-d")
    terminal = compose.terminal("attach", "web")
    terminal.type("echo hi$((1+1))\nexit 3\n")
    assert terminal.wait() == 3
    assert "hi2" in terminal.seen


def test_completion_offers_the_services_of_the_file(compose: Compose) -> None:
    compose.write("services: {web: {image: busybox}, db: {build: .}, x: {image: busybox, profiles: [more]}}")
    offered = compose.wherry("__complete", *compose.words("logs", "")).stdout.splitlines()
    assert offered == ["db", "web\tbusybox", "x\tbusybox", ":4"]
    offered = compose.wherry("__complete", *compose.words("cp", "w")).stdout.splitlines()
    assert offered == ["web:\tbusybox", ":2"]


def test_a_terminal_that_is_too_small_for_a_project_shows_what_happens(compose: Compose) -> None:
    services = "".join(f"      s{number}: {{image: busybox, {SLEEPS}}}\n" for number in range(8))
    compose.write(f"\n    services:\n{services}")
    terminal = compose.terminal("up", "-d")
    terminal.resize(5, 40)
    assert terminal.wait() == 0
    assert "[+] Running 9/9" in terminal.seen


def test_push_sends_what_was_built_and_pull_brings_it_back(compose: Compose, wherry: Wherry, tmp_path: Path) -> None:
    with closing(WherryRegistry(tmp_path / "registry")) as registry:
        compose.write(f"""
        services:
          web:
            image: {registry.host}/shop/web:1
            build: {{dockerfile_inline: "FROM busybox\\nCMD echo pushed", tags: ["{registry.host}/shop/web:2"]}}
          other: {{image: busybox}}
        """)
        assert " web  Pushed" in compose("build", "--push").stderr
        assert " other  Skipped" in compose("push").stderr
        for tag in ("1", "2"):
            wherry("rmi", "-f", f"{registry.host}/shop/web:{tag}")
        assert " web  Pulled" in compose("pull", "web").stderr
        assert compose("run", "--rm", "--pull", "always", "web").stdout == "pushed\n"
        wherry("rmi", "-f", f"{registry.host}/shop/web:1")
        (compose.folder / "compose.yaml").write_text(
            f"name: demo\nservices: {{web: {{image: '{registry.host}/shop/nosuch:1', build: .}}}}\n"
        )
        assert "An image does not exist locally" in compose("push", code=1).stderr
        compose("push", "--ignore-push-failures")
