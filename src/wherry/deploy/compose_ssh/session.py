"""A deployment on one machine, done over `machine.Machine`. What lacks our label or our mark is never touched."""

from __future__ import annotations

import http.client
import json
import shlex
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from wherry.cancel import Cancel
from wherry.deploy.application import Application, Secret
from wherry.deploy.compose_ssh import look
from wherry.deploy.compose_ssh.choice import Choice, Publish
from wherry.deploy.compose_ssh.document import (
    LOCAL_PREFIX,
    compose,
    image_name,
    project_name,
    secrets_env,
)
from wherry.deploy.compose_ssh.machine import BEFORE, COMPOSE, MARK, SECRETS, Machine
from wherry.deploy.compose_ssh.remote import Write
from wherry.deploy.compose_ssh.validate import notes
from wherry.deploy.plan import Plan, Step
from wherry.deploy.target import Deployed, LogLine, LogQuery, PushTo, Status, Watch
from wherry.errors import Cancelled, Conflict, DeployError, NotFound, Unhealthy

__all__ = ["ComposeSshSession", "Save"]

Save = Callable[[str, str, Write], None]
"""(the image's id, the name it gets there, where its archive is written)."""


class ComposeSshSession:
    """See deploy.target.Session."""

    def __init__(
        self, machine: Machine, choice: Choice, read_secret: Callable[[Secret], str], save: Save, *, poll_s: float = 1.0
    ) -> None:
        self._machine, self._choice, self._read_secret, self._save = machine, choice, read_secret, save
        self._poll_s = poll_s
        self._good: dict[str, bytes | None] = {}
        """The files of the last good deployment before this one, by their names: `wait` overwrites them."""
        self.where = machine.where

    def push_to(self, app: Application) -> PushTo | None:
        """None without --registry: `apply` sends the image itself."""
        wanted = image_name(app, self._choice)
        if not self._choice.registry or not app.image.id or "@" in wanted:
            return None
        return PushTo(wanted)

    def make_registry(self, app: Application, watch: Watch, cancel: Cancel) -> None:
        """Registries make repositories by themselves, or their owners do."""

    def plan(self, app: Application) -> Plan:
        machine, cancel = self._machine, Cancel()
        platform = app.image.platform
        if platform.architecture != machine.architecture:
            raise DeployError(f"{machine.where} is linux/{machine.architecture}, and the image is {platform}",
                              hint=f"build it with --platform linux/{machine.architecture}")  # fmt: skip
        running = self._ours(app.name, cancel, is_new=True)
        steps = [*self._image_step(app, cancel), *self._secrets_step(app, cancel)]
        text = compose(app, self._choice)
        there = machine.read(app.name, COMPOSE, cancel)
        changed = _changes(None if there is None else there.decode(errors="replace"), text)
        if there is not None and not changed:
            if any(step.action != "leave" for step in steps):
                changed = ("started again, to read what is new",)
            elif not look.judge(running).is_ready:
                changed = ("it does not run: started again",)
        action = "create" if there is None else "change" if changed else "leave"
        steps.append(Step(action, "project", project_name(app.name), changed if there is not None else (),  # type: ignore[arg-type]
                          body={"text": text}))  # fmt: skip
        return Plan(app.name, "compose-ssh", self.where, tuple(steps), notes(app, self._choice))

    def _image_step(self, app: Application, cancel: Cancel) -> list[Step]:
        image = image_name(app, self._choice)
        if not image.startswith(f"{LOCAL_PREFIX}/"):
            return []
        there = self._machine.has_image(image, cancel)
        size = f"{app.image.size_bytes / 1e6:.0f} MB, sent over ssh"
        return [Step("leave" if there else "create", "image", image, () if there else (size,),
                     body={"id": app.image.id})]  # fmt: skip

    def _secrets_step(self, app: Application, cancel: Cancel) -> list[Step]:
        wanted = self._secrets(app)
        there = self._machine.read(app.name, SECRETS, cancel)
        if not wanted:
            return [] if there is None else [Step("delete", "file", SECRETS)]
        names = ", ".join(one.name for one in app.secrets if one.kind != "ref")
        if there is None:
            return [Step("create", "file", SECRETS, (names,))]
        same = there == wanted
        return [
            Step("leave" if same else "change", "file", SECRETS, () if same else (f"new values or names: {names}",))
        ]

    def _secrets(self, app: Application) -> bytes:
        values = {one.name: self._read_secret(one) for one in app.secrets if one.kind != "ref"}
        return secrets_env(values).encode()

    def apply(self, app: Application, plan: Plan, watch: Watch, cancel: Cancel) -> None:
        machine = self._machine
        if plan.is_empty:
            return
        self._good = {file: machine.read(app.name, file, cancel) for file in BEFORE.values()}
        machine.write(app.name, MARK, json.dumps({"application": app.name}).encode(), cancel)
        for step in plan.steps:
            cancel.check()
            if step.action == "leave":
                continue
            watch.begin(step)
            if step.kind == "image":
                machine.load(step.name, lambda write, step=step: self._save(step.body["id"], step.name, write), cancel)  # type: ignore[misc]
            elif step.action == "delete":
                machine.remove(app.name, step.name, cancel)
            elif step.kind == "file":
                machine.write(app.name, SECRETS, self._secrets(app), cancel)
            elif step.kind == "project":
                machine.write(app.name, COMPOSE, str(step.body["text"]).encode(), cancel)
                self._up(app.name, cancel)
            watch.done(step)

    def _up(self, name: str, cancel: Cancel) -> None:
        self._machine.compose(name, "up -d --remove-orphans", f"start {name}", cancel)

    def wait(self, app: Application, watch: Watch, cancel: Cancel) -> Deployed:
        """Until the container runs and is healthy, and its path of readiness answers."""
        said = ""
        while True:
            found = self._machine.containers(app.name, cancel)
            view = look.judge(found)
            if view.failed:
                raise Unhealthy(f"{app.name} did not get healthy: {view.failed}",
                                hint=f"wherry deploy logs compose-ssh {app.name}",
                                reasons=self._last_words(found, cancel))  # fmt: skip
            if view.is_ready and not (said := self._unready(app)):
                break
            watch.waiting(said or view.text)
            if cancel.wait(self._poll_s):
                raise Cancelled("the deployment was stopped")
        self._keep(app, cancel)
        return Deployed(self._url(app), image_name(app, self._choice))

    def _keep(self, app: Application, cancel: Cancel) -> None:
        """What one goes back to is now this; images older than the one before are removed."""
        machine = self._machine
        before = machine.read(app.name, BEFORE[COMPOSE], cancel) or b""
        machine.keep_good(app.name, cancel)
        wanted = {image_name(app, self._choice), look.image_of(before.decode(errors="replace"))}
        for image in machine.images(app.name, cancel):
            if image not in wanted:
                machine.remove_image(image, cancel)

    def _unready(self, app: Application) -> str:
        """Why the path of readiness does not answer yet; "" when it does, or there is none."""
        if not app.health.ready:
            return ""
        with self._tunnel(app) as port:
            asking = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
            try:
                asking.request("GET", app.health.ready)
                status = asking.getresponse().status
            except (OSError, http.client.HTTPException) as fault:
                return f"{app.health.ready} does not answer yet ({type(fault).__name__})"
            finally:
                asking.close()
        return "" if status < 400 else f"{app.health.ready} answers {status}"

    def _last_words(self, found: list[look.Doc], cancel: Cancel) -> tuple[str, ...]:
        lines = []
        for one in found[:1]:
            shown = look.instance(one)
            lines.append(f"{shown.name}: {shown.state}" + (f" ({shown.reason})" if shown.reason else ""))
            # It may restart for ever: the log is not followed, and ends
            lines += [f"{shown.name} | {line}" for line in self._machine.logs(str(one.get("Id")), "--tail 20", cancel)]
        return tuple(lines)

    @contextmanager
    def _tunnel(self, app: Application) -> Iterator[int]:
        publish = self._choice.where_published or Publish()
        ip = publish.ip if publish.ip not in ("", "0.0.0.0") else "127.0.0.1"  # noqa: S104
        with self._machine.remote.tunnel(ip, publish.port or app.port) as port:
            yield port

    def _url(self, app: Application) -> str:
        """ "" where only the machine itself gets an answer."""
        publish = self._choice.where_published or Publish()
        if publish.ip.startswith("127."):
            return ""
        host = publish.ip if publish.ip not in ("", "0.0.0.0") else self._machine.remote.hostname()  # noqa: S104
        return f"http://{host}:{publish.port or app.port}"

    @contextmanager
    def reach(self, app: Application, deployed: Deployed) -> Iterator[str]:
        """Through ssh: what a firewall keeps from this machine is verified all the same."""
        with self._tunnel(app) as port:
            yield f"http://127.0.0.1:{port}"

    def rollback(self, app: Application, watch: Watch, cancel: Cancel) -> str:
        """Also from one that got healthy, and then broke its contract."""
        machine = self._machine
        for file, data in self._good.items():
            if data is None:
                machine.remove(app.name, file, cancel)
            else:
                machine.write(app.name, file, data, cancel)
        good = machine.read(app.name, BEFORE[COMPOSE], cancel)
        if good is None:
            return ""
        machine.restore_good(app.name, cancel)
        self._up(app.name, cancel)
        return f"the compose file of before is in force again, with {look.image_of(good.decode(errors='replace'))}"

    def status(self, name: str) -> Status:
        cancel = Cancel()
        found = self._ours(name, cancel)
        view = look.judge(found)
        state = "running" if view.is_ready else "failed" if view.failed else "updating"
        if not found:
            state = "stopped"
        image = look.image_of((self._machine.read(name, COMPOSE, cancel) or b"").decode(errors="replace"))
        shown = tuple(map(look.instance, found))
        ready = sum(one.is_ready for one in shown)
        return Status(name, "compose-ssh", self.where, state, "", image, "", 1, ready, shown,
                      tuple(one for one in (view.failed,) if one))  # fmt: skip

    def logs(self, name: str, query: LogQuery, cancel: Cancel) -> Iterator[LogLine]:
        words = ["--tail", "all" if query.tail is None else str(query.tail)]
        words += ["--since", f"{max(1, round(query.since_s))}s"] if query.since_s is not None else []
        words += ["--follow"] if query.follow else []
        for one in self._ours(name, cancel)[:1]:
            called = look.instance(one).name
            for line in self._machine.logs(str(one.get("Id", called)), shlex.join(words), cancel):
                yield LogLine(called, line)

    def _ours(self, name: str, cancel: Cancel, *, is_new: bool = False) -> list[look.Doc]:
        """The project's containers. Raises: Conflict for somebody else's; NotFound, unless it may be new."""
        mark = self._machine.read(name, MARK, cancel)
        found = self._machine.containers(name, cancel)
        if taken := look.strangers(found, name):
            if not is_new and mark is None:
                raise _nothing(name, self.where)
            raise Conflict(f"the compose project {project_name(name)} at {self.where} has a container that wherry did "
                           f"not make: {taken[0]}", hint="give another --name; it is left alone")  # fmt: skip
        if mark is None and not is_new and not found:
            raise _nothing(name, self.where)
        if mark is None and self._machine.read(name, COMPOSE, cancel) is not None:
            raise Conflict(f"{self._machine.folder(name)} at {self.where} has a compose file that wherry did not write",
                           hint="give another --name; it is left alone")  # fmt: skip
        return found

    def plan_destroy(self, name: str) -> Plan:
        cancel = Cancel()
        self._ours(name, cancel)
        steps = [Step("delete", "project", project_name(name), ("its container and network",))]
        steps += [Step("delete", "image", image) for image in self._machine.images(name, cancel)]
        steps.append(Step("delete", "folder", name, ("compose file, secrets",)))
        return Plan(name, "compose-ssh", self.where, tuple(steps))

    def destroy(self, plan: Plan, watch: Watch, cancel: Cancel) -> None:
        machine, name = self._machine, plan.application
        for step in plan.steps:
            if cancel.is_set():
                raise Cancelled("stopped in the middle", hint="the same command removes the rest")
            watch.begin(step)
            if step.kind == "image":
                machine.remove_image(step.name, cancel)
            elif step.kind == "folder":
                machine.remove_files(name, cancel)
            elif machine.read(name, COMPOSE, cancel) is not None:
                machine.compose(name, "down --remove-orphans", f"take {name} down", cancel)
            watch.done(step)

    def close(self) -> None:
        self._machine.remote.close()


def _nothing(name: str, where: str) -> NotFound:
    return NotFound(f"there is nothing of {name} at {where}", hint="wherry deploy ls shows what was deployed")


def _changes(there: str | None, wanted: str) -> tuple[str, ...]:
    """Lines of the compose file that go and come. It has no secret in it."""
    if there is None or there == wanted:
        return ()
    import difflib

    found = difflib.unified_diff(there.splitlines(), wanted.splitlines(), n=0, lineterm="")
    lines = [line for line in found if not line.startswith(("---", "+++", "@@"))]
    return (*lines[:40], *((f"... and {len(lines) - 40} lines more",) if len(lines) > 40 else ()))
