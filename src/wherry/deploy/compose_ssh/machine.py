"""The machine behind a `Remote`: its container engine, and the files of one deployment in a folder of ours."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator
from typing import Any

from wherry.cancel import Cancel
from wherry.deploy.application import plain_name
from wherry.deploy.compose_ssh import look
from wherry.deploy.compose_ssh.document import LOCAL_PREFIX, project_name
from wherry.deploy.compose_ssh.remote import Remote, Write
from wherry.errors import DeployError
from wherry.host import Completed

__all__ = ["BEFORE", "FILES", "Machine", "connected"]

Doc = dict[str, Any]
COMPOSE, SECRETS, MARK = "compose.yaml", "secrets.env", "wherry.json"
BEFORE = {COMPOSE: "compose.good.yaml", SECRETS: "secrets.good.env"}
"""Copies of those that ran when they were last seen to be healthy."""
FILES = (COMPOSE, SECRETS, MARK, *BEFORE.values())
# Not all of it is on the PATH of a command that ssh runs
_PATH = 'PATH="$PATH:$HOME/.local/bin:/usr/local/bin:/usr/local/sbin:/usr/sbin:/sbin"; '
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "arm64": "arm64"}


def connected(remote: Remote, engine: str, sudo: str, cancel: Cancel) -> Machine:
    """Looks what is there. Raises: DeployError without an engine that may be used, NotSignedIn, Unreachable."""
    wanted = (engine,) if engine else ("wherry", "docker")
    asked = " ".join(f"command -v {one} >/dev/null && echo {one};" for one in wanted)
    done = remote.run(f"{_PATH}uname -m; {asked} true", cancel)
    words = done.stdout.decode(errors="replace").split()
    if len(words) < 2:
        raise DeployError(f"{' and '.join(wanted)} {'is' if engine else 'are'} not installed at {remote.where}"
                          if engine else f"neither wherry nor docker is installed at {remote.where}",
                          hint="pip install wherry there, or apt-get install docker.io docker-compose")  # fmt: skip
    found = Machine(remote, f"{sudo}{words[1]}", _ARCHITECTURES.get(words[0], words[0]))
    found.ask("version", "ask whether its compose can be used", cancel, "compose")
    found.ask("ps -q", "use its container engine", cancel)
    return found


class Machine:
    """`engine` is how it is called there: "wherry", "docker", "sudo -n docker"."""

    def __init__(self, remote: Remote, engine: str, architecture: str) -> None:
        self.remote, self.engine, self.architecture = remote, engine, architecture
        self.where = f"{remote.where}, {engine.rpartition(' ')[2]}"

    def script(self, words: str, command: str = "") -> str:
        return f"{_PATH}{self.engine} {command + ' ' if command else ''}{words}"

    def ask(self, words: str, what: str, cancel: Cancel, command: str = "") -> bytes:
        """The answer of the engine there. Raises: DeployError."""
        done = self.remote.run(self.script(words, command), cancel)
        self._checked(done, what)
        return done.stdout

    def _checked(self, done: Completed, what: str) -> None:
        if done.status:
            lines = [line.strip() for line in (done.stderr or done.stdout).decode(errors="replace").splitlines()]
            said = next((line for line in reversed(lines) if line), f"exit code {done.status}")[:400]
            hint = None
            if what.startswith(("use its", "ask whether")):
                hint = "may you use it there, and has it compose? --sudo, or --engine"
            raise DeployError(f"can't {what} at {self.remote.where}: {said}", hint=hint, platform_code=str(done.status))

    # Files

    def folder(self, name: str) -> str:
        """In sh's words. Raises: InputError for a name that no application has."""
        return f'"$HOME/.local/share/wherry/deploy/{plain_name(name)}"'

    def read(self, name: str, file: str, cancel: Cancel) -> bytes | None:
        """None where there is no such file."""
        path = f"{self.folder(name)}/{file}"
        done = self.remote.run(f"if [ -e {path} ]; then cat {path}; else exit 44; fi", cancel)
        if done.status == 44:
            return None
        self._checked(done, f"read {file} of {name}")
        return done.stdout

    def write(self, name: str, file: str, data: bytes, cancel: Cancel) -> None:
        """Atomic, mode 0600, in a folder of mode 0700."""
        folder = self.folder(name)
        script = f"umask 077; set -e; mkdir -p {folder}; cat > {folder}/.new; mv -f {folder}/.new {folder}/{file}"
        self._checked(self.remote.run(script, cancel, data), f"write {file} of {name}")

    def remove(self, name: str, file: str, cancel: Cancel) -> None:
        self._checked(self.remote.run(f"rm -f {self.folder(name)}/{file}", cancel), f"remove {file} of {name}")

    def keep_good(self, name: str, cancel: Cancel) -> None:
        """What runs now is what one goes back to."""
        self._copy(name, BEFORE, cancel)

    def restore_good(self, name: str, cancel: Cancel) -> None:
        self._copy(name, {good: file for file, good in BEFORE.items()}, cancel)

    def _copy(self, name: str, files: dict[str, str], cancel: Cancel) -> None:
        moves = [f"if [ -e {old} ]; then cp {old} .new && mv -f .new {new}; else rm -f {new}; fi" for old, new in
                 files.items()]  # fmt: skip
        script = f"umask 077; set -e; cd {self.folder(name)}; {'; '.join(moves)}"
        self._checked(self.remote.run(script, cancel), f"keep the files of {name}")

    def remove_files(self, name: str, cancel: Cancel) -> None:
        """Those that we write. What somebody else put there stays, and the folder with it."""
        folder = self.folder(name)
        gone = " ".join((*FILES, ".new"))
        done = self.remote.run(f"[ -d {folder} ] || exit 0; cd {folder} && rm -f {gone} && cd / && rmdir {folder} "
                               "2>/dev/null || true", cancel)  # fmt: skip
        self._checked(done, f"remove the files of {name}")

    # Images

    def has_image(self, image: str, cancel: Cancel) -> bool:
        done = self.remote.run(self.script(f"image inspect {shlex.quote(image)} >/dev/null 2>&1"), cancel)
        return done.status == 0

    def load(self, image: str, feed: Callable[[Write], None], cancel: Cancel) -> None:
        """Raises: DeployError, also when it is not there afterwards."""
        self._checked(self.remote.send(self.script("load"), feed, cancel), f"load the image {image}")
        if not self.has_image(image, cancel):
            raise DeployError(f"the image {image} was sent to {self.remote.where}, and is not there")

    def images(self, name: str, cancel: Cancel) -> list[str]:
        """Those that were sent for the application."""
        words = f"images --format '{{{{.Repository}}}}:{{{{.Tag}}}}' {LOCAL_PREFIX}/{plain_name(name)}"
        said = self.ask(words, f"list the images of {name}", cancel).decode(errors="replace").split()
        return [one for one in said if one.startswith(f"{LOCAL_PREFIX}/{name}:") and not one.endswith("<none>")]

    def remove_image(self, image: str, cancel: Cancel) -> None:
        """No error when it is in use or gone."""
        self.remote.run(self.script(f"rmi {shlex.quote(image)}"), cancel)

    # Containers

    def containers(self, name: str, cancel: Cancel) -> list[Doc]:
        """All of the compose project, ours or not: newest first."""
        label = f"com.docker.compose.project={project_name(plain_name(name))}"
        ids = self.ask(f"ps -aq --no-trunc --filter label={label}", f"list the containers of {name}", cancel).split()
        if not ids:
            return []
        words = " ".join(shlex.quote(one.decode()) for one in ids)
        # One that ended meanwhile is no fault: the others are told
        done = self.remote.run(self.script(f"inspect {words}"), cancel)
        found = look.containers(done.stdout)
        return sorted(found, key=lambda one: str(one.get("Created", "")), reverse=True)

    def compose(self, name: str, words: str, what: str, cancel: Cancel) -> None:
        folder = self.folder(name)
        command = f"compose -p {project_name(name)} -f {COMPOSE} {words}"
        done = self.remote.run(f"cd {folder} && {self.script(command)}", cancel)
        self._checked(done, what)

    def logs(self, container: str, words: str, cancel: Cancel) -> Iterator[str]:
        return self.remote.lines(self.script(f"logs {words} {shlex.quote(container)} 2>&1"), cancel)
