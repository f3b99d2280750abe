"""The part of a Kubernetes API server that deployments use, over real HTTP, with a controller that acts as it is told.

No kube-apiserver is among Debian's, PyPI's or npm's packages, so shapes are those of Kubernetes 1.32's API reference:
server-side apply (one manager, no merge of lists), dry runs, selectors, Status objects, 409, 401, 403, 404, 429.
"""

from __future__ import annotations

import copy
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

__all__ = ["FakeKubernetes", "running"]

TOKEN = "right"
REVISION = "deployment.kubernetes.io/revision"


def _status(code: int, reason: str, message: str) -> tuple[int, dict[str, Any]]:
    return code, {"kind": "Status", "status": "Failure", "reason": reason, "message": message, "code": code}


class FakeKubernetes:
    """`bad_images` maps a part of an image's name to the reason its pods wait for ("ImagePullBackOff")."""

    def __init__(self) -> None:
        self.objects: dict[tuple[str, str], dict[str, Any]] = {}
        self.requests: list[tuple[str, str]] = []
        self.refusals: list[tuple[int, str, str]] = []
        """Answers of the next writes: (code, reason, message)."""
        self.throttle = 0
        """How many of the next requests get 429."""
        self.drop = 0
        """How many of the next requests find their connection closed."""
        self.bad_images: dict[str, str] = {}
        self.conflicts: set[str] = set()
        self.url = ""
        self._count = 0
        self._lock = threading.Lock()

    def put(self, plural: str, document: dict[str, Any]) -> None:
        """Somebody else's object."""
        self._store(plural, copy.deepcopy(document))

    def kinds(self) -> list[str]:
        return sorted(f"{plural}/{name}" for plural, name in self.objects if plural not in {"replicasets", "pods"})

    def _store(self, plural: str, document: dict[str, Any]) -> dict[str, Any]:
        self._count += 1
        meta = document["metadata"]
        before = self.objects.get((plural, meta["name"]))
        old: dict[str, Any] = (
            before["metadata"] if before else {"uid": f"uid-{self._count}", "generation": 0, "annotations": {}}
        )
        changed = before is None or before.get("spec") != document.get("spec")
        meta |= {"uid": old["uid"], "resourceVersion": str(self._count),
                 "generation": old["generation"] + changed}  # fmt: skip
        if REVISION in (old.get("annotations") or {}):
            meta.setdefault("annotations", {})[REVISION] = old["annotations"][REVISION]
        if before and "status" in before:
            document["status"] = before["status"]
        self.objects[plural, meta["name"]] = document
        if plural == "deployments":
            self._control(document, before)
        return document

    def _control(self, deployment: dict[str, Any], before: dict[str, Any] | None) -> None:
        """The Deployment's controller: a new ReplicaSet for a new template, and its pods."""
        name, template = deployment["metadata"]["name"], deployment["spec"]["template"]
        sets = [one for (plural, _), one in self.objects.items() if plural == "replicasets"]
        newest = max((int(one["metadata"]["annotations"][REVISION]) for one in sets), default=0)
        same = next((one for one in sets if one["plain"] == template), None)
        if before is None or before["spec"]["template"] != template:
            number = newest + 1
            self._count += 1
            set_name = same["metadata"]["name"] if same else f"{name}-{number}"
            stamped = copy.deepcopy(template)
            stamped["metadata"]["labels"]["pod-template-hash"] = str(number)
            self.objects["replicasets", set_name] = {
                "metadata": {"name": set_name, "uid": f"rs-{set_name}", "labels": stamped["metadata"]["labels"],
                             "annotations": {REVISION: str(number)}},
                "spec": {"template": stamped}, "plain": copy.deepcopy(template),
            }  # fmt: skip
            deployment["metadata"].setdefault("annotations", {})[REVISION] = str(number)
            self._pods(set_name, stamped, deployment)
        self._tell(deployment)

    def _reason(self, image: str) -> str:
        return next((reason for part, reason in self.bad_images.items() if part in image), "")

    def _pods(self, set_name: str, template: dict[str, Any], deployment: dict[str, Any]) -> None:
        reason = self._reason(template["spec"]["containers"][0]["image"])
        if not reason:
            for key in [key for key in self.objects if key[0] == "pods"]:
                del self.objects[key]
        for number in range(deployment["spec"].get("replicas", 1)):
            pod = f"{set_name}-{number}"
            state = {"waiting": {"reason": reason, "message": "back-off"}} if reason else {"running": {}}
            self.objects["pods", pod] = {
                "metadata": {"name": pod, "labels": template["metadata"]["labels"],
                             "ownerReferences": [{"uid": f"rs-{set_name}"}]},
                "status": {"phase": "Pending" if reason else "Running", "containerStatuses": [{"state": state}],
                           "conditions": [{"type": "Ready", "status": "False" if reason else "True"}]},
            }  # fmt: skip
            if reason:
                self.objects["events", f"{pod}.1"] = {
                    "metadata": {"name": f"{pod}.1"}, "type": "Warning", "reason": "Failed",
                    "involvedObject": {"kind": "Pod", "name": pod}, "message": f"why: {reason}",
                    "lastTimestamp": "2026-12-03T00:00:00Z",
                }  # fmt: skip

    def _tell(self, deployment: dict[str, Any]) -> None:
        wanted = deployment["spec"].get("replicas", 1)
        good = not self._reason(deployment["spec"]["template"]["spec"]["containers"][0]["image"])
        deployment["status"] = {
            "observedGeneration": deployment["metadata"]["generation"], "replicas": wanted, "updatedReplicas": wanted,
            "availableReplicas": wanted if good else 0,
        }  # fmt: skip

    def answer(self, method: str, url: str, token: str, body: bytes) -> tuple[int, Any]:
        with self._lock:
            parts = urlsplit(url)
            self.requests.append((method, parts.path))
            if self.throttle:
                self.throttle -= 1
                return _status(429, "TooManyRequests", "slow down")
            if token != f"Bearer {TOKEN}":
                return _status(401, "Unauthorized", "Unauthorized")
            query = {key: values[0] for key, values in parse_qs(parts.query).items()}
            words = parts.path.partition("/namespaces/")[2].split("/")[1:]
            if method != "GET" and self.refusals:
                return _status(*self.refusals.pop(0))
            return self._dispatch(method, words, query, body)

    def _dispatch(self, method: str, words: list[str], query: dict[str, str], body: bytes) -> tuple[int, Any]:
        plural, name = words[0], words[1] if len(words) > 1 else ""
        if words[2:] == ["log"]:
            return (
                (200, f"2026-12-03T00:00:01.5Z hello of {name}\n")
                if query.get("previous") != "true"
                else _status(400, "BadRequest", "no previous container")
            )
        if method == "GET" and not name:
            label = query.get("labelSelector", "").partition("=")
            found = [
                one
                for (kind, _), one in sorted(self.objects.items())
                if kind == plural and (not label[0] or (one["metadata"].get("labels") or {}).get(label[0]) == label[2])
            ]
            return 200, {"items": found}
        there = self.objects.get((plural, name))
        if method == "PATCH":
            return self._patch(plural, name, query, body)
        if there is None:
            return _status(404, "NotFound", f'{plural} "{name}" not found')
        if method == "DELETE":
            if json.loads(body)["preconditions"]["uid"] != there["metadata"]["uid"]:
                return _status(409, "Conflict", "the UID in the precondition does not match")
            del self.objects[plural, name]
            return 200, {"kind": "Status", "status": "Success"}
        return 200, there

    def _patch(self, plural: str, name: str, query: dict[str, str], body: bytes) -> tuple[int, Any]:
        document = json.loads(body)
        there = self.objects.get((plural, name))
        if name in self.conflicts and query.get("force") != "true":
            return _status(
                409, "Conflict", 'Apply failed with 1 conflict: conflict with "kubectl-edit": .spec.replicas'
            )
        if query.get("dryRun") == "All":
            would = copy.deepcopy(document)
            if there:
                would["metadata"] = {**{key: there["metadata"][key] for key in ("uid", "generation")},
                                     **would["metadata"]}  # fmt: skip
            return 200, would
        return 200, self._store(plural, document)


def _handler(fake: FakeKubernetes) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = 1 << 16  # head and body in one write: two wait 40 ms for each other

        def _serve(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if fake.drop:
                fake.drop -= 1
                self.close_connection = True
                return
            status, found = fake.answer(self.command, self.path, self.headers.get("Authorization", ""), body)
            data = found.encode() if isinstance(found, str) else json.dumps(found).encode()
            self.send_response(status)
            if status == 429:
                self.send_header("Retry-After", "0")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_PATCH = do_DELETE = _serve  # noqa: N815

        def log_message(self, format: str, *args: Any) -> None:
            pass

    return Handler


@contextmanager
def running(folder: Path) -> Iterator[tuple[FakeKubernetes, Path]]:
    """The server on loopback, and a kubeconfig for it."""
    fake = FakeKubernetes()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(fake))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    fake.url = f"http://127.0.0.1:{server.server_address[1]}"
    kubeconfig = folder / "kubeconfig"
    kubeconfig.write_text(json.dumps({
        "apiVersion": "v1", "kind": "Config", "current-context": "lab",
        "clusters": [{"name": "lab", "cluster": {"server": fake.url}}],
        "users": [{"name": "me", "user": {"token": TOKEN}}, {"name": "late", "user": {"token": "over"}}],
        "contexts": [{"name": "lab", "context": {"cluster": "lab", "user": "me", "namespace": "models"}},
                     {"name": "late", "context": {"cluster": "lab", "user": "late"}}],
    }))  # fmt: skip
    try:
        yield fake, kubeconfig
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
