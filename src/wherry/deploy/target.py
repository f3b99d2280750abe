"""What a target is: a description that needs no SDK (`Target`), and a connection that does (`Session`).

A target is an object of the entry point group "wherry.deploy", made by calling what the entry point names:

    [project.entry-points."wherry.deploy"]
    acme = "acme_wherry:AcmeTarget"
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from wherry.cancel import Cancel
from wherry.deploy.application import Application, Secret
from wherry.deploy.options import Option
from wherry.deploy.plan import Plan, Step
from wherry.engine import Engine
from wherry.host import Host

__all__ = [
    "Chosen", "Deployed", "Document", "Instance", "LogLine", "LogQuery", "Problem", "PushTo", "Session", "Status",
    "Surroundings", "Target", "Watch",
]  # fmt: skip


class Problem(NamedTuple):
    """Why the platform would refuse the application. `field` is the flag or key without "--" ("memory")."""

    field: str
    message: str
    hint: str = ""


class Document(NamedTuple):
    """A file for `--output DIR`: what infrastructure people keep. No secret's value is in it."""

    name: str
    text: str


class Chosen:
    """The target's own options, as flags and [deploy.TARGET] give them: strings, parsed by their `kind`."""

    __slots__ = ("_values",)

    def __init__(self, values: Mapping[str, str | bool | int | Sequence[str]] | None = None) -> None:
        self._values = dict(values or {})

    def values(self) -> dict[str, str | bool | int | list[str]]:
        """As JSON keeps them."""
        return {
            name: value if isinstance(value, str | bool | int) else list(value) for name, value in self._values.items()
        }

    def text(self, name: str, default: str = "") -> str:
        value = self._values.get(name, default)
        return value if isinstance(value, str) else default

    def on(self, name: str) -> bool:
        return self._values.get(name) is True

    def number(self, name: str) -> int | None:
        value = self._values.get(name)
        return value if isinstance(value, int) and not isinstance(value, bool) else None

    def all(self, name: str) -> tuple[str, ...]:
        value = self._values.get(name, ())
        return tuple(value) if not isinstance(value, str | bool | int) else ()


@dataclass(frozen=True, slots=True)
class Surroundings:
    """This machine, for a session: environment, folder, processes, images. `read_secret` is the only way to a value."""

    env: Mapping[str, str]
    cwd: str
    host: Host
    engine: Engine

    def read_secret(self, secret: Secret) -> str:
        """The value of a "file" or "env" secret, without a newline at its end. Raises: InputError, never with it."""
        from wherry.deploy.secrets import value_of

        return value_of(secret, self.env, self.cwd)


@dataclass(frozen=True, slots=True, repr=False)
class PushTo:
    """Where the image must go before the platform can pull it: "HOST/REPOSITORY:TAG", and how to sign in there.

    An empty `username` means whatever docker's login knows.
    """

    reference: str
    username: str = ""
    password: str = ""


class Deployed(NamedTuple):
    """`url` is where the application answers, "" when it can't be reached from outside. `revision`: the platform's."""

    url: str
    revision: str = ""


class Instance(NamedTuple):
    """`state` in the platform's word ("Running", "CrashLoopBackOff"); `reason` says more, or ""."""

    name: str
    state: str
    is_ready: bool
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Status:
    """`state` is "running", "updating", "failed" or "stopped". `events`: latest last, a line each."""

    name: str
    target: str
    where: str
    state: str
    url: str
    image: str
    revision: str
    wanted: int
    ready: int
    instances: tuple[Instance, ...] = ()
    events: tuple[str, ...] = ()


class LogQuery(NamedTuple):
    """`tail` None means all; `since_s` counts back from now."""

    follow: bool = False
    tail: int | None = None
    since_s: float | None = None


class LogLine(NamedTuple):
    instance: str
    text: str


class Watch(Protocol):
    """What is told while a deployment goes on. Called from one thread."""

    def begin(self, step: Step) -> None: ...
    def done(self, step: Step) -> None: ...
    def waiting(self, text: str) -> None:
        """What is waited for now ("1 of 2 ready"); said again when it changes only."""

    def note(self, line: str) -> None: ...


class Session(Protocol):
    """One target, signed in. All that it does may be done again: what is there is found by tags, never by a record.

    Every method raises: NotSignedIn (no or an expired login), DeployError (refused: quota, region, throttled for too
    long), Conflict (a name is taken by something without our tag), Cancelled.
    """

    where: str
    """The "account 1234, eu-west-1": for people."""

    def push_to(self, app: Application) -> PushTo | None:
        """None: the platform can pull `app.image.reference` as it is, or `apply` carries the image itself.

        It changes nothing; what must be made for it is in the plan, and made by `make_registry`. It is asked again
        after that: a registry that was not there gives no login before.
        """

    def make_registry(self, app: Application, watch: Watch, cancel: Cancel) -> None:
        """What a push needs (an ECR repository). Idempotent."""

    def plan(self, app: Application) -> Plan:
        """Looks at what is there and says what would be done. Called again after the push, with the pushed digest."""

    def apply(self, app: Application, plan: Plan, watch: Watch, cancel: Cancel) -> None:
        """Do the steps in order. After a failure or ^C the same again goes on where it stopped."""

    def wait(self, app: Application, watch: Watch, cancel: Cancel) -> Deployed:
        """Until every instance of the new revision is healthy. Raises: Unhealthy with reasons."""

    def reach(self, app: Application, deployed: Deployed) -> AbstractContextManager[str]:
        """A URL for `verify`: `deployed.url`, or a tunnel's that stands as long as the context; "" where none."""

    def rollback(self, app: Application, watch: Watch, cancel: Cancel) -> str:
        """To what ran before; what it is now, in words. "" when there was nothing before: all is left for a look."""

    def status(self, name: str) -> Status:
        """Raises: NotFound."""

    def logs(self, name: str, query: LogQuery, cancel: Cancel) -> Iterator[LogLine]:
        """Oldest first. Raises: NotFound."""

    def plan_destroy(self, name: str) -> Plan:
        """Deletes exactly what has our tag. Raises: NotFound when there is nothing."""

    def destroy(self, plan: Plan, watch: Watch, cancel: Cancel) -> None: ...

    def close(self) -> None: ...


class Target(Protocol):
    """Known without its SDK. `extra` is what `pip install 'wherry[EXTRA]'` brings, "" when nothing is needed."""

    name: str
    extra: str
    options: tuple[Option, ...]

    def validate(self, app: Application, options: Chosen) -> list[Problem]:
        """Pure: what this platform would refuse, all of it at once."""

    def documents(self, app: Application, options: Chosen) -> list[Document]:
        """Pure: the same deployment as files."""

    def connect(self, options: Chosen, around: Surroundings) -> Session:
        """Imports the SDK and signs in. Raises: HostError (`missing_extra`), NotSignedIn, InputError."""
