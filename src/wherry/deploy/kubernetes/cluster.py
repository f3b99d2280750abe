"""One cluster's API: the `kubernetes` package signs in (kubeconfig, exec plugins, TLS, the pod's own account), and is
asked in JSON. Its typed clients are not used: documents are JSON already, and signatures change between its releases.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode

from wherry.cancel import Cancel
from wherry.errors import Conflict, DeployError, InputError, NotSignedIn

__all__ = ["KINDS", "MANAGER", "Api", "Cluster"]

MANAGER = "wherry"
"""The field manager of server-side apply."""

KINDS = {
    "Secret": ("/api/v1", "secrets"),
    "Service": ("/api/v1", "services"),
    "Deployment": ("/apis/apps/v1", "deployments"),
    "HorizontalPodAutoscaler": ("/apis/autoscaling/v2", "horizontalpodautoscalers"),
    "PodDisruptionBudget": ("/apis/policy/v1", "poddisruptionbudgets"),
    "Ingress": ("/apis/networking.k8s.io/v1", "ingresses"),
    "ReplicaSet": ("/apis/apps/v1", "replicasets"),
    "Pod": ("/api/v1", "pods"),
    "Event": ("/api/v1", "events"),
}
_TRIES = 6
_TIMEOUT_S = 30.0
_LONGEST_PAUSE_S = 30.0
_LARGEST_BYTES = 64 << 20


class Api:
    """Requests of one signed-in client (`kubernetes.client.ApiClient`)."""

    def __init__(self, client: Any, cancel: Cancel, *, pause_s: float = 1.0) -> None:
        """`pause_s` is the first wait after a refusal to be asked so often; it doubles."""
        self._client, self.cancel, self._pause_s = client, cancel, pause_s
        self._has_answered = False

    @property
    def host(self) -> str:
        return str(self._client.configuration.host)

    def request(
        self, method: str, path: str, query: Mapping[str, str], body: bytes | None = None, media_type: str = ""
    ) -> tuple[int, bytes]:
        """Status and body. Throttled and overloaded is asked again. Raises: DeployError, Cancelled."""
        pause_s = self._pause_s
        for left in reversed(range(_TRIES)):
            after = ""
            try:
                status, data, after = self._once(method, path, query, body, media_type)
                if status not in {429, 500, 502, 503, 504} or not left:
                    return status, data
            except DeployError:
                # One that has answered is the right one, and has lost a connection. All that is sent is idempotent
                if not self._has_answered or not left:
                    raise
            self.cancel.wait(min(max(float(after) if after.isdecimal() else 0, pause_s), _LONGEST_PAUSE_S))
            self.cancel.check()
            pause_s *= 2
        raise AssertionError("unreachable")

    def _once(
        self, method: str, path: str, query: Mapping[str, str], body: bytes | None, media_type: str
    ) -> tuple[int, bytes, str]:
        import urllib3

        configuration = self._client.configuration
        headers = {"Accept": "application/json", "User-Agent": "wherry"}
        if media_type:
            headers["Content-Type"] = media_type
        for one in configuration.auth_settings().values():
            if one["in"] == "header" and one["value"]:
                headers[one["key"]] = one["value"]
        url = self.host + path + (f"?{urlencode(query)}" if query else "")
        try:
            answer = self._client.rest_client.pool_manager.request(
                method, url, body=body, headers=headers, timeout=_TIMEOUT_S, retries=False, preload_content=False
            )
            data = answer.read(_LARGEST_BYTES)
            answer.release_conn()
        except urllib3.exceptions.HTTPError as fault:
            raise DeployError(f"the cluster at {self.host} can't be reached: {fault}",
                              hint="is it the right --context, and is this machine in its network?",
                              retryable=True) from None  # fmt: skip
        self._has_answered = True
        return answer.status, data, str(answer.headers.get("Retry-After", ""))


class Cluster:
    """One namespace of a cluster. Raises everywhere: NotSignedIn, DeployError, Conflict, Cancelled."""

    def __init__(self, api: Api, namespace: str) -> None:
        self.api, self.namespace = api, namespace

    def _path(self, kind: str, name: str = "") -> str:
        base, plural = KINDS[kind]
        return f"{base}/namespaces/{quote(self.namespace)}/{plural}" + (f"/{quote(name)}" if name else "")

    def get(self, kind: str, name: str) -> dict[str, Any] | None:
        status, data = self.api.request("GET", self._path(kind, name), {})
        return None if status == 404 else self._object(status, data, f"read {kind} {name}")

    def every(self, kind: str, label: str = "", field: str = "") -> list[dict[str, Any]]:
        """`label` and `field` are selectors."""
        query = {key: value for key, value in (("labelSelector", label), ("fieldSelector", field)) if value}
        status, data = self.api.request("GET", self._path(kind), query)
        items = self._object(status, data, f"list {KINDS[kind][1]}").get("items") or []
        return [{"kind": kind, **one} for one in items]

    def apply(self, document: Mapping[str, Any], *, dry_run: bool = False) -> dict[str, Any]:
        """Server-side apply. `dry_run`: what it would be.

        By force, as controllers do: an autoscaler that is no more, or somebody's kubectl edit, has fields of an object
        of ours, and the plan has shown what becomes of them.
        """
        kind, name = document["kind"], document["metadata"]["name"]
        query = {"fieldManager": MANAGER, "force": "true"} | ({"dryRun": "All"} if dry_run else {})
        body = json.dumps(document).encode()
        status, data = self.api.request("PATCH", self._path(kind, name), query, body, "application/apply-patch+yaml")
        return self._object(status, data, f"apply {kind} {name}")

    def delete(self, kind: str, name: str, uid: str) -> None:
        """That very object; one that is gone is no fault, one of the same name that came since is not touched."""
        options = {"propagationPolicy": "Background", "preconditions": {"uid": uid}}
        status, data = self.api.request(
            "DELETE", self._path(kind, name), {}, json.dumps(options).encode(), "application/json"
        )
        if status != 404:
            self._object(status, data, f"delete {kind} {name}")

    def log(self, pod: str, query: Mapping[str, str]) -> str | None:
        """None where there is none (yet)."""
        status, data = self.api.request("GET", self._path("Pod", pod) + "/log", query)
        return data.decode(errors="replace") if status == 200 else None

    def _object(self, status: int, data: bytes, doing: str) -> dict[str, Any]:
        try:
            found = json.loads(data)
        except ValueError:
            found = {}
        if not isinstance(found, dict):
            found = {}
        if 200 <= status < 300:
            return found
        raise refusal(status, found, f"cannot {doing} in namespace {self.namespace}")


def refusal(status: int, answer: Mapping[str, Any], doing: str) -> DeployError | Conflict | InputError:
    """The error of a `Status` object, by its status and reason."""
    said = str(answer.get("message") or f"HTTP {status}")[:2000]
    reason = str(answer.get("reason") or "")
    message = f"{doing}: {said}"
    if status == 401:
        return NotSignedIn(
            message, status=status, hint="the login is over or wrong: kubectl auth whoami tells who you are"
        )
    if status == 409:
        return Conflict(message, hint="somebody changed it at the same moment: the same command again")
    if status == 403:
        return DeployError(message, status=status, platform_code=reason, hint="kubectl auth can-i tells what you may do; a quota is told by kubectl describe quota")  # fmt: skip  # noqa: E501
    if status == 404:
        return DeployError(message, status=status, platform_code=reason, hint="kubectl create namespace NAME makes one")
    if status == 429:
        return DeployError(message, status=status, platform_code=reason, retryable=True,
                           hint="the cluster has too much to do: try again later")  # fmt: skip
    return DeployError(message, status=status, platform_code=reason)
