"""`azure.Azure` by Azure's own libraries: Container Apps by its client's operations, the few calls to other services
through that client's pipeline (its login, retries and registration of providers), since each of them would be a
package of its own.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from wherry.cancel import Cancel
from wherry.deploy.aca import names
from wherry.deploy.aca.azure import Entry
from wherry.deploy.aca.choice import Choice
from wherry.deploy.aca.faults import SIGN_IN, mapped, refusal
from wherry.deploy.aca.validate import wrong_options
from wherry.deploy.targets import missing_extra, refuse
from wherry.errors import InputError, NotSignedIn

__all__ = ["SdkAzure", "connect"]

Doc = dict[str, Any]
_VERSIONS = {
    "microsoft.app/containerapps": "2025-07-01",
    "microsoft.app/managedenvironments": "2025-07-01",
    "microsoft.containerregistry/registries": "2023-07-01",
    "microsoft.managedidentity/userassignedidentities": "2023-01-31",
    "microsoft.authorization/roleassignments": "2022-04-01",
    "": "2021-04-01",
}
_REGISTRY_SCOPE = "https://containerregistry.azure.net/.default"
_POLL_S = 2.0
_WAIT_S = 1800.0
_LOG_LINES = 300
_GOING_ON = {"inprogress", "waiting", "initializationinprogress", "infrastructuresetupinprogress",
             "infrastructuresetupcomplete", "creating", "updating", "accepted", "upgraderequested",
             "scheduledfordelete", "deleting"}  # fmt: skip


def connect(choice: Choice, env: Mapping[str, str]) -> SdkAzure:
    """With the default credentials: environment, workload identity, az. Raises: HostError without the extra,
    NotSignedIn, InputError.
    """
    try:
        from azure.identity import DefaultAzureCredential
        from azure.mgmt.appcontainers import ContainerAppsAPIClient
    except ImportError as fault:
        raise missing_extra("aca", "azure", fault) from None
    # It would tell of each way that it tried, on the terminal
    logging.getLogger("azure").addHandler(logging.NullHandler())
    try:
        credential = DefaultAzureCredential(exclude_interactive_browser_credential=True)
    except ValueError as fault:
        raise NotSignedIn(f"can't sign in to Azure: {str(fault).splitlines()[0]}", hint=SIGN_IN) from None
    subscription = choice.subscription or env.get("AZURE_SUBSCRIPTION_ID", "") or _of_az(env)
    refuse("aca", wrong_options(Choice(subscription=subscription)))
    if not subscription:
        asking = SdkAzure(ContainerAppsAPIClient(credential, "", retry_total=5), credential, "")
        subscription = asking.only_subscription()
    return SdkAzure(ContainerAppsAPIClient(credential, subscription, retry_total=5), credential, subscription)


def _of_az(env: Mapping[str, str]) -> str:
    """The one that `az account set` chose, or "": another file than expected is none."""
    folder = env.get("AZURE_CONFIG_DIR") or os.path.join(env.get("HOME", "/"), ".azure")
    try:
        with open(os.path.join(folder, "azureProfile.json"), encoding="utf-8-sig") as file:
            known = json.loads(file.read(1 << 20))["subscriptions"]
        return next((str(one["id"]) for one in known if one.get("isDefault")), "")
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return ""


class SdkAzure:
    """See azure.Azure. `client` is a ContainerAppsAPIClient; `scheme` is how registries and logs are reached."""

    def __init__(
        self, client: Any, credential: Any, subscription: str, *, scheme: str = "https", poll_s: float = _POLL_S
    ) -> None:
        self.subscription = subscription
        self._client, self._credential, self._scheme, self._poll_s = client, credential, scheme, poll_s
        self._operations: dict[str, str] = {}

    def only_subscription(self) -> str:
        """Raises: InputError where there is a choice."""
        found = self._all("/subscriptions?api-version=2022-12-01", "list your subscriptions")
        usable = [one for one in found if one.get("state") == "Enabled"]
        if len(usable) == 1:
            return str(usable[0]["subscriptionId"])
        listed = ", ".join(f"{one['subscriptionId']} ({one.get('displayName', '')})" for one in usable[:10])
        raise InputError("no Azure subscription is chosen", hint=f"--subscription one of {listed}" if listed else
                         "your login has none that is enabled")  # fmt: skip

    def get(self, resource_id: str) -> Doc | None:
        if "/containerApps/" in resource_id:
            group, name = _group_and_name(resource_id)
            return self._op(f"look at the app {name}", lambda: self._client.container_apps.get(group, name))
        return self._send("GET", resource_id, f"look at {_called(resource_id)}")

    def put(self, resource_id: str, doc: Doc, cancel: Cancel) -> Doc:
        what = f"make {_called(resource_id)}"
        answer = self._send("PUT", resource_id, what, doc) or {}
        waited = 0.0
        while (state := _state(answer)) in _GOING_ON:
            cancel.wait(self._poll_s)
            cancel.check()
            waited += self._poll_s
            if waited > _WAIT_S:
                raise refusal(what, 0, "", f"it is still {state} after {_WAIT_S / 60:g} minutes")
            answer = self.get(resource_id) or {}
        if state in ("failed", "canceled"):
            said = self.operation_fault(resource_id) or answer.get("properties", {}).get("deploymentErrors") or state
            raise refusal(what, 0, "", str(said))
        return answer

    def delete(self, resource_id: str, cancel: Cancel) -> None:
        self._send("DELETE", resource_id, f"delete {_called(resource_id)}")
        waited = 0.0
        while self.get(resource_id) is not None:
            cancel.wait(self._poll_s)
            cancel.check()
            waited += self._poll_s
            if waited > _WAIT_S:
                raise refusal(f"delete {_called(resource_id)}", 0, "", "it is still there after half an hour")

    def members(self, group: str) -> list[Doc]:
        path = f"{names.group_id(self.subscription, group)}/resources?api-version=2021-04-01"
        return self._all(path, f"list what is in the resource group {group}")

    def registries(self) -> list[Doc]:
        path = f"/subscriptions/{self.subscription}/providers/Microsoft.ContainerRegistry/registries"
        return self._all(f"{path}?api-version=2023-07-01", "list your registries")

    def put_app(self, group: str, name: str, doc: Doc, *, is_new: bool) -> None:
        apps = self._client.container_apps
        begin = apps.begin_create_or_update if is_new else apps.begin_update

        def keep(response: Any) -> None:
            headers = response.http_response.headers
            self._operations[name] = headers.get("Azure-AsyncOperation") or headers.get("Location") or ""

        with mapped(f"{'create' if is_new else 'change'} the app {name}"):
            begin(group, name, doc, polling=False, raw_response_hook=keep)

    def operation_fault(self, name: str) -> str:
        url = self._operations.get(name)
        answer = self._send("GET", url, f"ask what became of {names.last(name)}") if url else None
        error = (answer or {}).get("error") or {}
        return str(error.get("message") or error.get("code") or "")

    def secret_values(self, group: str, name: str) -> dict[str, str] | None:
        from azure.core.exceptions import HttpResponseError

        with mapped(f"read the secrets of {name}"):
            try:
                found = self._client.container_apps.list_secrets(group, name).as_dict().get("value", [])
            except HttpResponseError as fault:
                if fault.status_code in (403, 404):
                    return None
                raise
        return {one["name"]: one.get("value", "") for one in found}

    def revisions(self, group: str, name: str) -> list[Doc]:
        listing = self._client.container_apps_revisions.list_revisions
        found = self._each(f"list the revisions of {name}", lambda: listing(group, name))
        return sorted(found, key=lambda one: str(one["properties"].get("createdTime", "")), reverse=True)

    def replicas(self, group: str, name: str, revision: str) -> list[Doc]:
        listing = self._client.container_apps_revision_replicas.list_replicas
        found = self._op(f"list the replicas of {revision}", lambda: listing(group, name, revision))
        return list((found or {}).get("value", []))

    def console(self, group: str, name: str, container: Doc, *, tail: int) -> Iterator[Entry]:
        import requests

        url = container.get("logStreamEndpoint", "")
        if not url or tail <= 0:
            return
        asked = self._op(f"read the logs of {name}", lambda: self._client.container_apps.get_auth_token(group, name))
        token = (asked or {}).get("properties", {}).get("token", "")
        with mapped(f"read the logs of {name}"):
            answer = requests.get(
                url, params={"follow": "false", "output": "json", "tailLines": min(tail, _LOG_LINES)},
                headers={"Authorization": f"Bearer {token}"}, timeout=(10, 30),
            )  # fmt: skip
        if answer.status_code == 404:  # the replica ended meanwhile
            return
        if answer.status_code >= 400:
            raise refusal(f"read the logs of {name}", answer.status_code, "", answer.text)
        yield from map(_entry, filter(None, answer.content.decode(errors="replace").splitlines()))

    def registry_token(self, server: str) -> str:
        import requests

        with mapped(f"sign in to {server}"):
            token = self._credential.get_token(_REGISTRY_SCOPE).token
            form = {"grant_type": "access_token", "service": server, "access_token": token}
            answer = requests.post(f"{self._scheme}://{server}/oauth2/exchange", data=form, timeout=30)
        if answer.status_code != 200:
            raise refusal(f"sign in to {server}", answer.status_code, "", answer.text)
        return str(answer.json()["refresh_token"])

    def _send(self, method: str, path: str, what: str, body: Doc | None = None) -> Doc | None:
        """JSON, or None for 404. `path` is an id, or a whole URL as Azure gave it."""
        from azure.core.rest import HttpRequest

        url = path if "api-version" in path else f"{path}?api-version={_version(path)}"
        with mapped(what):
            answer = self._client.send_request(HttpRequest(method, url, json=body))
            if answer.status_code == 404:
                return None
            answer.raise_for_status()
            if operation := answer.headers.get("Azure-AsyncOperation"):
                self._operations[path] = operation
            made = answer.json() if answer.content else {}
        return made if isinstance(made, dict) else {}

    def _all(self, path: str, what: str) -> list[Doc]:
        """Every page."""
        found: list[Doc] = []
        url: str | None = path
        while url:
            page = self._send("GET", url, what) or {}
            found += page.get("value", [])
            url = page.get("nextLink")
        return found

    def _op(self, what: str, ask: Callable[[], Any]) -> Doc | None:
        from azure.core.exceptions import ResourceNotFoundError

        try:
            with mapped(what):
                made: Doc = ask().as_dict()
                return made
        except ResourceNotFoundError:
            return None

    def _each(self, what: str, ask: Callable[[], Any]) -> list[Doc]:
        from azure.core.exceptions import ResourceNotFoundError

        try:
            with mapped(what):
                return [one.as_dict() for one in ask()]
        except ResourceNotFoundError:
            return []


def _version(resource_id: str) -> str:
    kind = (
        "/".join(resource_id.lower().rpartition("/providers/")[2].split("/")[:2])
        if "/providers/" in resource_id
        else ""
    )
    return _VERSIONS[kind]


def _called(resource_id: str) -> str:
    """The environment wherry-iris: for people."""
    parts = resource_id.split("/")
    kind = {"managedenvironments": "the environment", "registries": "the registry", "containerapps": "the app",
            "userassignedidentities": "the identity", "roleassignments": "the role assignment",
            "resourcegroups": "the resource group"}.get(parts[-2].lower(), parts[-2])  # fmt: skip
    return f"{kind} {parts[-1]}"


def _group_and_name(resource_id: str) -> tuple[str, str]:
    parts = resource_id.split("/")
    return parts[4], parts[-1]


def _state(answer: Doc) -> str:
    return str((answer.get("properties") or {}).get("provisioningState", "")).lower()


def _entry(line: str) -> Entry:
    """{"TimeStamp": ..., "Log": ...}; what is none of that is a line as it is."""
    try:
        doc = json.loads(line)
        return Entry(str(doc["TimeStamp"]), str(doc["Log"]).rstrip("\n"))
    except (ValueError, KeyError, TypeError):
        return Entry("", line)
