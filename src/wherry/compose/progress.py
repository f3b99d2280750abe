"""What work on a project tells whoever watches it: one event for each change of a resource.

Calls come from several threads. A resource is named as docker-compose names it: `Container demo-web-1`,
`Network demo_default`, `Volume "demo_data"`, and a service by its name alone while its image is pulled. The words of
`text` are docker-compose's too: see WORDS.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NamedTuple, Protocol

    from wherry.build.progress import Progress as BuildProgress
    from wherry.registry.watch import TransferWatch
else:
    from wherry.lean import NamedTuple, Protocol

__all__ = [
    "DONE",
    "ERROR",
    "WARNING",
    "WORDS",
    "WORKING",
    "Event",
    "Progress",
    "Quiet",
    "container",
    "network",
    "volume",
]

WORKING, DONE, WARNING, ERROR = "working", "done", "warning", "error"
"""An event's `state`: the resource is being worked on, settled, settled with a remark, or failed."""

WORDS = {
    "create": ("Creating", "Created"),
    "recreate": ("Recreate", "Recreated"),
    "start": ("Starting", "Started"),
    "running": ("Running", "Running"),
    "wait": ("Waiting", "Healthy"),
    "wait exit": ("Waiting", "Exited"),
    "stop": ("Stopping", "Stopped"),
    "kill": ("Killing", "Killed"),
    "remove": ("Removing", "Removed"),
    "restart": ("Restarting", "Started"),
    "pause": ("Pausing", "Paused"),
    "unpause": ("Unpausing", "Unpaused"),
    "pull": ("Pulling", "Pulled"),
    "build": ("Building", "Built"),
    "skip": ("Skipped", "Skipped"),
}
"""What is done to a resource: the word while it is done, and the word once it is."""


class Event(NamedTuple):
    """`id` names the resource, the same through all its events; `text` is the word: "Creating", "Created", "Error".

    `detail` says more: why it failed, what is waited for. `parent` is the resource it is a part of, "" for none.
    """

    id: str
    state: str
    text: str
    detail: str = ""
    parent: str = ""


class Progress(Protocol):
    """A watcher. It raises nothing, and returns soon: work goes on only when it does."""

    def event(self, event: Event) -> None:
        """A resource is in another state. The last event of each resource has not the state WORKING."""

    def warn(self, text: str) -> None:
        """A warning to the user, one line without its level: docker-compose's logrus warnings."""

    def note(self, text: str) -> None:
        """A notice, one line, shown above what is drawn: "Waiting for another wherry ..."."""

    def transfer(self, id: str) -> TransferWatch:
        """Who watches the layers of the image pulled (or pushed) for resource `id`; their parent is `id`."""

    def build(self, service: str) -> BuildProgress:
        """Who watches the steps of the build of this service's image."""


class Quiet:
    """Says nothing; warnings are kept in `warnings`."""

    def __init__(self) -> None:
        self.warnings: list[str] = []

    def event(self, event: Event) -> None: ...

    def warn(self, text: str) -> None:
        self.warnings.append(text)

    def note(self, text: str) -> None: ...

    def transfer(self, id: str) -> TransferWatch:
        from wherry.registry.watch import Silent

        return Silent()

    def build(self, service: str) -> BuildProgress:
        from wherry.build.progress import Quiet as QuietBuild

        return QuietBuild()


def container(name: str) -> str:
    """The resource of a container: "Container demo-web-1"."""
    return f"Container {name}"


def network(name: str) -> str:
    return f"Network {name}"


def volume(name: str) -> str:
    """With the name in quotes, as docker-compose shows volumes."""
    return f'Volume "{name}"'
