"""A project and region of Google's, at our own border: what a session made is in plain dictionaries."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from wherry.deploy.application import Application, Gpu, Health, ImageFacts, Secret
from wherry.deploy.cloudrun.choice import Choice
from wherry.deploy.cloudrun.gcp import Entry
from wherry.deploy.plan import Step
from wherry.oci.platform import Platform

DIGEST = "sha256:" + "ab" * 32
IMAGE = ImageFacts("iris:latest", Platform("linux", "amd64"), id="sha256:" + "cd" * 32, digest=DIGEST)
THERE = f"europe-west1-docker.pkg.dev/proj-1/wherry-iris/iris@{DIGEST}"
PLAIN = Application("iris", replace(IMAGE, reference=THERE), 8000, Health("/readyz", "/healthz"))
FULL = replace(
    PLAIN,
    env={"LOG_LEVEL": "info"},
    secrets=(Secret("API_KEY", "env", "API_KEY"), Secret("TOKEN", "ref", "shared-token")),
    cpu_m=4000, memory_bytes=16 << 30, gpu=Gpu(1), min_instances=0, max_instances=3, concurrency=8,
    entrypoint=("python",), command=("-m", "serve"), labels={"team": "vision"},
)  # fmt: skip
CASES: dict[str, tuple[Application, Choice]] = {
    "plain": (PLAIN, Choice()),
    "full": (FULL, Choice(service_account="iris@proj-1.iam.gserviceaccount.com", timeout_s=900)),
    "fraction": (replace(PLAIN, cpu_m=250, memory_bytes=256 << 20, concurrency=1, health=Health()), Choice()),
    "private": (PLAIN, Choice(is_private=True, is_internal=True, keeps_cpu=True)),
}

Doc = dict[str, Any]


class FakeGcp:
    """`becomes` is what a revision put from now on comes to: ready, failed or waiting."""

    project, region = "proj-1", "europe-west1"

    def __init__(self) -> None:
        self.services: dict[str, Doc] = {}
        self.made: list[Doc] = []
        self.values: dict[str, list[bytes]] = {}
        self.secret_labels: dict[str, dict[str, str]] = {}
        self.readers: set[tuple[str, str]] = set()
        self.repositories: dict[str, Doc] = {}
        self.lines: list[Entry] = []
        self.calls: list[str] = []
        self.becomes = "CONDITION_SUCCEEDED"

    def token(self) -> str:
        return "a-token"

    def service(self, name: str) -> Doc | None:
        return copy.deepcopy(self.services.get(name))

    def put_service(self, name: str, doc: Doc, *, is_new: bool) -> None:
        self.calls.append(f"{'create' if is_new else 'update'} service {name}")
        assert is_new == (name not in self.services)
        before = self.services.get(name, {})
        made = {
            **copy.deepcopy(doc),
            "uri": f"https://{name}-x.a.run.app",
            "generation": "1",
            "observedGeneration": "1",
        }
        if before.get("template") != doc["template"]:
            revision = f"{name}-{len(self.made) + 1:05}"
            condition = {
                "type": "Ready",
                "state": self.becomes,
                "message": "" if self.is_good else "the port is closed",
            }
            self.made.insert(0, {"name": f"x/revisions/{revision}", "conditions": [condition]})
            made |= {"latestCreatedRevision": f"x/revisions/{revision}", "terminalCondition": condition,
                     "conditions": [condition]}  # fmt: skip
            good = f"x/revisions/{revision}" if self.is_good else before.get("latestReadyRevision")
            made |= {"latestReadyRevision": good} if good else {}
        else:
            made = {**before, **made}
        named = doc["traffic"][0].get("revision") or made.get("latestReadyRevision", "").rpartition("/")[2]
        made["trafficStatuses"] = [{"revision": named, "percent": 100}] if named else []
        self.services[name] = made

    @property
    def is_good(self) -> bool:
        return self.becomes == "CONDITION_SUCCEEDED"

    def delete_service(self, name: str) -> None:
        self.calls.append(f"delete service {name}")
        self.services.pop(name, None)

    def revisions(self, name: str) -> list[Doc]:
        return copy.deepcopy(self.made)

    def secrets(self, label: str, value: str) -> list[str]:
        return [name for name, labels in self.secret_labels.items() if labels.get(label) == value]

    def secret(self, name: str) -> Doc | None:
        return {"labels": self.secret_labels[name]} if name in self.secret_labels else None

    def create_secret(self, name: str, labels: dict[str, str]) -> None:
        self.secret_labels[name], self.values[name] = labels, []

    def secret_value(self, name: str) -> bytes | None:
        return self.values[name][-1] if self.values.get(name) else None

    def add_secret_version(self, name: str, value: bytes) -> None:
        self.values[name].append(value)

    def let_read(self, name: str, service_account: str) -> None:
        self.readers.add((name, service_account))

    def delete_secret(self, name: str) -> None:
        self.calls.append(f"delete secret {name}")
        self.secret_labels.pop(name, None)

    def repository(self, name: str) -> Doc | None:
        return self.repositories.get(name)

    def create_repository(self, name: str, labels: dict[str, str]) -> None:
        self.repositories[name] = {"labels": labels}

    def delete_repository(self, name: str) -> None:
        self.calls.append(f"delete repository {name}")
        self.repositories.pop(name, None)

    def entries(self, service: str, *, since: str = "", last: int = 100) -> Sequence[Entry]:
        found = [one for one in self.lines if one.time >= since]
        return found if since else found[-last:]


class Told:
    """A watch that remembers."""

    def __init__(self) -> None:
        self.steps: list[str] = []

    def begin(self, step: Step) -> None:
        self.steps.append(step.text)

    def done(self, step: Step) -> None: ...

    def waiting(self, text: str) -> None: ...

    def note(self, line: str) -> None: ...
