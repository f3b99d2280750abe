"""make demo: the lesson, end to end, with wherry's own commands and nothing else. Each command is printed first.

Environment: WHERRY_ROOT as for wherry; DEMO_PORT asks for another port than 8000.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
CONTEXT = PROJECT / "examples" / "iris"
IMAGE, CONTAINER = "ai-api", "wherry-demo"
FLOWER = {"sepal_length": 5.1, "sepal_width": 3.5, "petal_length": 1.4, "petal_width": 0.2}
READY_WITHIN_S = 120
CLEANED_WITHIN_S = 60


class Failed(Exception):
    """A step that did not work; the text is for the user."""


class Demo:
    def __init__(self) -> None:
        self.times: list[tuple[str, float]] = []
        self.has_container = False
        # Containers need root on this version; `make demo` as another user asks sudo
        self._prefix = [] if os.geteuid() == 0 else ["sudo"]
        root = os.environ.get("WHERRY_ROOT")
        self._options = ["--root", os.path.abspath(root)] if root else []

    def wherry(self, *argv: str, quiet: bool = False) -> subprocess.CompletedProcess[str]:
        """Run and show it. `quiet` neither prints the command nor its output."""
        if not quiet:
            print(f"$ wherry {' '.join(argv)}", flush=True)
        command = [*self._prefix, str(Path(sys.executable).parent / "wherry"), *self._options, *argv]
        pipe = subprocess.PIPE if quiet else None
        with subprocess.Popen(command, stdout=pipe, stderr=pipe, stdin=subprocess.DEVNULL, text=True) as process:
            try:
                stdout, stderr = process.communicate()
            except KeyboardInterrupt:
                # Not subprocess.run: it kills after a quarter of a second what is still cleaning up
                process.wait(CLEANED_WITHIN_S)
                raise
        return subprocess.CompletedProcess(command, process.returncode, stdout, stderr)

    def must(self, *argv: str, quiet: bool = False) -> None:
        done = self.wherry(*argv, quiet=quiet)
        if done.returncode:
            raise Failed(f"wherry {argv[0]} ended with {done.returncode}\n{done.stderr or ''}".rstrip())

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        print(f"\n==> {title}", flush=True)
        start = time.monotonic()
        yield
        self.times.append((title, time.monotonic() - start))

    def clean(self) -> None:
        """After Ctrl-C or a failure nothing of the demo runs on. Images stay: they make the next try quick."""
        if self.has_container:
            self.wherry("rm", "-f", CONTAINER, quiet=True)

    def base(self) -> str:
        """The base image, made here when it is missing: python:3.10, or python:3.13 where only Debian's Python is."""
        wanted = next(line.split()[1] for line in dockerfile().splitlines() if line.startswith("FROM "))
        if self.wherry("image", "inspect", wanted, quiet=True).returncode == 0:
            print(f"{wanted} is here already")
            return wanted
        offers = self.wherry("bootstrap", "--list", quiet=True).stdout
        names = [line.split()[0] for line in offers.splitlines()[1:]]
        if wanted not in names:
            other = next((name for name in names if name.startswith("python:")), None)
            if other is None:
                raise Failed("this machine has no Python that an image can be made of; see wherry bootstrap --list")
            print(f"This machine has no Python for {wanted}: the demo uses {other}, in a copy of the Dockerfile.")
            if self.wherry("image", "inspect", other, quiet=True).returncode == 0:
                print(f"{other} is here already")
                return other
            wanted = other
        self.must("bootstrap", wanted)
        return wanted

    def build(self, base: str, context: Path, *flags: str, quiet: bool = False) -> None:
        folder = os.path.relpath(context)
        text = dockerfile()
        changed = "\n".join(f"FROM {base}" if line.startswith("FROM ") else line for line in text.splitlines()) + "\n"
        if changed == text:
            self.must("build", *flags, folder, quiet=quiet)
            return
        with tempfile.TemporaryDirectory(prefix="wherry-demo-") as beside:
            path = Path(beside) / "Dockerfile"
            path.write_text(changed)
            self.must("build", *flags, "-f", str(path), folder, quiet=quiet)

    def edit(self, base: str) -> None:
        """One more line in main.py, in a copy: nothing of the repository is touched."""
        with tempfile.TemporaryDirectory(prefix="wherry-demo-") as folder:
            context = Path(folder) / CONTEXT.name
            shutil.copytree(CONTEXT, context, ignore=shutil.ignore_patterns("__pycache__", "*.tmp"))
            # As it was, so that the next build has something to compare with: all of it comes from the cache
            self.build(base, context, "-q", "-t", f"{IMAGE}:edited", quiet=True)
            with (context / "main.py").open("a") as file:
                file.write(f"# one more line, at {time.strftime('%X')}\n")
            with self.step("edit and rebuild"):
                print(f"one more line in {context}/main.py")
                self.build(base, context, "--explain", "-t", f"{IMAGE}:edited")

    def start(self) -> int:
        self.wherry("rm", "-f", CONTAINER, quiet=True)  # of the demo before
        port = free_port(int(os.environ.get("DEMO_PORT", "8000")))
        self.has_container = True
        self.must("run", "-d", "-p", f"{port}:8000", "--name", CONTAINER, IMAGE)
        self._wait_until_ready(port)
        return port

    def _wait_until_ready(self, port: int) -> None:
        deadline = time.monotonic() + READY_WITHIN_S
        while time.monotonic() < deadline:
            try:
                if ask(f"http://localhost:{port}/healthz")["status"] == "ok":
                    return
            except (OSError, ValueError, urllib.error.URLError):
                time.sleep(0.05)
            state = self.wherry("inspect", "-f", "json", CONTAINER, quiet=True).stdout
            if '"Running": false' in state or '"Running":false' in state:
                break
        logs = self.wherry("logs", CONTAINER, quiet=True)
        raise Failed(f"the service did not answer on port {port}; its log:\n{logs.stdout}{logs.stderr}")

    def summary(self, port: int) -> None:
        print("\nWhat it took:")
        for title, seconds in self.times:
            print(f"  {title:<28}{seconds:7.2f} s")
        body = json.dumps(FLOWER | {"petal_length": 5.1, "petal_width": 2.3})
        wherry = " ".join([*self._prefix, ".venv/bin/wherry", *self._options])
        print(f"""
Three things to try:
  1. open http://localhost:{port}/docs in a browser, or ask for another flower:
       curl -s localhost:{port}/predict -H 'content-type: application/json' -d '{body}'
  2. change a line of examples/iris/main.py and run make demo again
  3. look around, then stop it:
       {wherry} ps; {wherry} logs {CONTAINER}; {wherry} rm -f {CONTAINER}

And then: the same service with PostgreSQL beside it, by one command: examples/stack/README.md""")


def dockerfile() -> str:
    return (CONTEXT / "Dockerfile").read_text()


def ask(url: str, body: dict[str, float] | None = None) -> dict[str, str]:
    """GET, or POST of a JSON body. Not through a proxy: it is this machine."""
    data = json.dumps(body).encode() if body else None
    request = urllib.request.Request(url, data, {"content-type": "application/json"} if data else {})
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=10) as answer:
        found: dict[str, str] = json.load(answer)
        return found


def free_port(wanted: int) -> int:
    """`wanted`, or the next one that nobody listens on."""
    for port in range(wanted, wanted + 100):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("0.0.0.0", port))
            except OSError:
                continue
        if port != wanted:
            print(f"Port {wanted} is taken: the demo uses {port} instead.")
        return port
    raise Failed(f"no free port from {wanted} to {wanted + 99}")


def run(demo: Demo) -> None:
    with demo.step("base image"):
        base = demo.base()
    with demo.step("build"):
        demo.build(base, CONTEXT, "-t", IMAGE)
    with demo.step("start"):
        port = demo.start()
    with demo.step("prediction"):
        answer = ask(f"http://localhost:{port}/predict", FLOWER)
        print(f"POST http://localhost:{port}/predict {json.dumps(FLOWER)}")
        print(json.dumps(answer, indent=2))
    demo.edit(base)
    demo.summary(port)


def main() -> int:
    demo = Demo()
    for number in (signal.SIGINT, signal.SIGTERM):  # SIGINT too: a shell's background jobs inherit "ignore"
        signal.signal(number, signal.default_int_handler)
    try:
        run(demo)
    except KeyboardInterrupt:
        print("\ninterrupted: cleaning up")
        demo.clean()
        return 130
    except Failed as fault:
        print(f"\nThe demo stopped: {fault}", file=sys.stderr)
        demo.clean()
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
