"""`gcp.Gcp` by Google's own libraries, over REST: Cloud Run and Secret Manager by their clients, Artifact Registry and
Cloud Logging by an authorized session, since their clients would bring a hundred megabytes for four calls.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from wherry.deploy.cloudrun import names
from wherry.deploy.cloudrun.choice import Choice
from wherry.deploy.cloudrun.faults import SIGN_IN, mapped
from wherry.deploy.cloudrun.gcp import Entry
from wherry.deploy.cloudrun.validate import wrong_options
from wherry.deploy.targets import missing_extra, refuse
from wherry.errors import DeployError, InputError, NotSignedIn

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Place", "SdkGcp", "connect"]

Doc = dict[str, Any]
_SCOPE = "https://www.googleapis.com/auth/cloud-platform"
_READER = "roles/secretmanager.secretAccessor"
_WAIT_S = 300.0


class Place(NamedTuple):
    """Where the APIs answer: Google's own hosts, or one host for all of them (a test's)."""

    scheme: str = "https"
    host: str = ""

    def of(self, api: str) -> str:
        return self.host or f"{api}.googleapis.com"

    def url(self, api: str, path: str) -> str:
        return f"{self.scheme}://{self.of(api)}/{path}"


def connect(choice: Choice, env: Mapping[str, str]) -> SdkGcp:
    """With the application default credentials. Raises: HostError without the extra, NotSignedIn, InputError."""
    try:
        import google.auth
        from google.cloud import run_v2, secretmanager_v1  # noqa: F401 - said now, and not in the middle
    except ImportError as fault:
        raise missing_extra("cloudrun", "gcp", fault) from None
    with mapped("find your Google login"):
        try:
            credentials, project = google.auth.default(scopes=[_SCOPE])
        except (AttributeError, TypeError, ValueError, KeyError) as fault:
            # A file of JSON that is no login: the library looks at no shape before it reads
            raise NotSignedIn("can't find your Google login: GOOGLE_APPLICATION_CREDENTIALS names a file that is none "
                              f"({type(fault).__name__})", hint=SIGN_IN) from None  # fmt: skip
    project = choice.project or env.get("CLOUDSDK_CORE_PROJECT") or env.get("GOOGLE_CLOUD_PROJECT") or project
    if not project:
        raise InputError("no Google project is chosen", hint="--project ID, or GOOGLE_CLOUD_PROJECT")
    region = choice.region or env.get("CLOUDSDK_RUN_REGION") or env.get("GOOGLE_CLOUD_REGION", "")
    if not region:
        raise InputError("no region is chosen", hint="--region europe-west1, or CLOUDSDK_RUN_REGION")
    # Where they came from, they stand in a path
    refuse("cloudrun", wrong_options(Choice(project=project, region=region)))
    return SdkGcp(project, region, credentials)


class SdkGcp:
    """See gcp.Gcp. `sleep` waits between two looks at what is being made or removed."""

    def __init__(
        self,
        project: str,
        region: str,
        credentials: Any,
        place: Place | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.project, self.region = project, region
        self._credentials, self._place, self._sleep = credentials, place or Place(), sleep
        self._made: dict[str, Any] = {}

    def token(self) -> str:
        from google.auth.transport.requests import Request

        with mapped("sign in to Artifact Registry"):
            if not self._credentials.valid:
                self._credentials.refresh(Request())
        return self._credentials.token or ""

    # Cloud Run

    def service(self, name: str) -> Doc | None:
        with mapped(f"look at the service {name}"), _absent() as found:
            found.append(_doc(self._services.get_service(name=self._service(name), retry=_retry())))
        return found[0] if found else None

    def put_service(self, name: str, doc: Doc, *, is_new: bool) -> None:
        from google.cloud import run_v2
        from google.protobuf import json_format

        message = json_format.ParseDict(doc, run_v2.Service.pb()(), ignore_unknown_fields=False)
        with mapped(f"{'create' if is_new else 'update'} the service {name}"):
            if is_new:
                parent = names.parent(self.project, self.region)
                self._services.create_service(
                    parent=parent, service=run_v2.Service.wrap(message), service_id=name, retry=_retry()
                )
            else:
                message.name = self._service(name)
                self._services.update_service(service=run_v2.Service.wrap(message), retry=_retry())

    def delete_service(self, name: str) -> None:
        with mapped(f"delete the service {name}"), _absent():
            self._services.delete_service(name=self._service(name), retry=_retry())
        self._until(lambda: self.service(name) is None, f"the service {name} to be gone")

    def revisions(self, name: str) -> list[Doc]:
        with mapped(f"list the revisions of {name}"), _absent() as found:
            found += map(_doc, self._revisions.list_revisions(parent=self._service(name), retry=_retry()))
        return sorted(found, key=lambda one: str(one.get("createTime", "")), reverse=True)

    # Secret Manager

    def secrets(self, label: str, value: str) -> list[str]:
        request = {"parent": f"projects/{self.project}", "filter": f"labels.{label}={value}"}
        with mapped("list the secrets"):
            found = [_doc(one) for one in self._secrets.list_secrets(request=request, retry=_retry())]
        # The filter is Google's; what is deleted is decided here
        return [one["name"].rpartition("/")[2] for one in found if one.get("labels", {}).get(label) == value]

    def secret(self, name: str) -> Doc | None:
        with mapped(f"look at the secret {name}"), _absent() as found:
            found.append(_doc(self._secrets.get_secret(name=self._secret(name), retry=_retry())))
        return found[0] if found else None

    def create_secret(self, name: str, labels: dict[str, str]) -> None:
        secret = {"replication": {"automatic": {}}, "labels": labels}
        with mapped(f"create the secret {name}"):
            self._secrets.create_secret(
                parent=f"projects/{self.project}", secret_id=name, secret=secret, retry=_retry()
            )

    def secret_value(self, name: str) -> bytes | None:
        from google.api_core import exceptions

        with mapped(f"read the secret {name}"), _absent() as found:
            try:
                answer = self._secrets.access_secret_version(
                    name=f"{self._secret(name)}/versions/latest", retry=_retry()
                )
            except exceptions.Forbidden:
                return None
            found.append(answer.payload.data)
        return found[0] if found else None

    def add_secret_version(self, name: str, value: bytes) -> None:
        with mapped(f"write the secret {name}"):
            self._secrets.add_secret_version(parent=self._secret(name), payload={"data": value}, retry=_retry())

    def let_read(self, name: str, service_account: str) -> None:
        with mapped(f"let the service read the secret {name}"):
            number = self._secrets.get_secret(name=self._secret(name), retry=_retry()).name.split("/")[1]
            account = service_account or f"{number}-compute@developer.gserviceaccount.com"
            member = f"serviceAccount:{account}"
            resource = {"resource": self._secret(name)}
            policy = self._secrets.get_iam_policy(request=resource, retry=_retry())
            if any(one.role == _READER and member in one.members for one in policy.bindings):
                return
            policy.bindings.add(role=_READER, members=[member])
            self._secrets.set_iam_policy(request={**resource, "policy": policy}, retry=_retry())

    def delete_secret(self, name: str) -> None:
        with mapped(f"delete the secret {name}"), _absent():
            self._secrets.delete_secret(name=self._secret(name), retry=_retry())

    # Artifact Registry

    def repository(self, name: str) -> Doc | None:
        return self._call("GET", "artifactregistry", f"v1/{self._repository(name)}", f"look at the repository {name}")

    def create_repository(self, name: str, labels: dict[str, str]) -> None:
        path = f"v1/{names.parent(self.project, self.region)}/repositories?repositoryId={name}"
        self._call(
            "POST", "artifactregistry", path, f"create the repository {name}", {"format": "DOCKER", "labels": labels}
        )
        self._until(lambda: self.repository(name) is not None, f"the repository {name} to be there")

    def delete_repository(self, name: str) -> None:
        self._call("DELETE", "artifactregistry", f"v1/{self._repository(name)}", f"delete the repository {name}")
        self._until(lambda: self.repository(name) is None, f"the repository {name} to be gone")

    # Cloud Logging

    def entries(self, service: str, *, since: str = "", last: int = 100) -> Sequence[Entry]:
        wanted = [
            'resource.type="cloud_run_revision"', f'resource.labels.service_name="{service}"',
            f'resource.labels.location="{self.region}"', *([f'timestamp>="{since}"'] if since else []),
        ]  # fmt: skip
        body = {
            "resourceNames": [f"projects/{self.project}"], "filter": " AND ".join(wanted),
            "orderBy": "timestamp asc" if since else "timestamp desc", "pageSize": min(last, 1000),
        }  # fmt: skip
        answer = self._call("POST", "logging", "v2/entries:list", f"read the logs of {service}", body) or {}
        return sorted(_entry(one) for one in answer.get("entries", []))

    def _call(self, method: str, api: str, path: str, what: str, body: Doc | None = None) -> Doc | None:
        """JSON, or None for 404."""
        from google.auth.transport.requests import AuthorizedSession

        session = self._once("session", lambda: AuthorizedSession(self._credentials))
        for wait_s in (1, 2, 4, 8, 0):
            with mapped(what):
                answer = session.request(method, self._place.url(api, path), json=body, timeout=60)
            if answer.status_code not in (429, 503) or not wait_s:
                break
            self._sleep(wait_s)
        if answer.status_code == 404:
            return None
        with mapped(what):
            return _answered(answer)

    def _until(self, holds: Callable[[], bool], what: str) -> None:
        waited = 0.0
        while not holds():
            if waited >= _WAIT_S:
                raise DeployError(f"waited {_WAIT_S:g} s for {what}, in vain", retryable=True)
            self._sleep(2)
            waited += 2

    def _service(self, name: str) -> str:
        return names.service(self.project, self.region, name)

    def _secret(self, name: str) -> str:
        return name if name.startswith("projects/") else f"projects/{self.project}/secrets/{name}"

    def _repository(self, name: str) -> str:
        return names.repository(self.project, self.region, name)

    def _once(self, what: str, make: Callable[[], Any]) -> Any:
        if what not in self._made:
            self._made[what] = make()
        return self._made[what]

    def _transport(self, kind: Any, api: str) -> Any:
        return kind(host=self._place.of(api), url_scheme=self._place.scheme, credentials=self._credentials)

    @property
    def _services(self) -> Any:
        from google.cloud.run_v2 import ServicesClient
        from google.cloud.run_v2.services.services.transports.rest import ServicesRestTransport

        return self._once("services", lambda: ServicesClient(transport=self._transport(ServicesRestTransport, "run")))

    @property
    def _revisions(self) -> Any:
        from google.cloud.run_v2 import RevisionsClient
        from google.cloud.run_v2.services.revisions.transports.rest import RevisionsRestTransport

        return self._once(
            "revisions", lambda: RevisionsClient(transport=self._transport(RevisionsRestTransport, "run"))
        )

    @property
    def _secrets(self) -> Any:
        from google.cloud.secretmanager_v1 import SecretManagerServiceClient
        from google.cloud.secretmanager_v1.services.secret_manager_service.transports import rest

        kind = rest.SecretManagerServiceRestTransport
        return self._once(
            "secrets", lambda: SecretManagerServiceClient(transport=self._transport(kind, "secretmanager"))
        )


@contextmanager
def _absent() -> Iterator[list[Any]]:
    """What is not there leaves the list empty."""
    from google.api_core import exceptions

    found: list[Any] = []
    try:
        yield found
    except exceptions.NotFound:
        found.clear()


def _retry() -> Any:
    """What is throttled, or not answered for a moment, is asked again for a minute."""
    from google.api_core import exceptions, retry

    again = retry.if_exception_type(exceptions.TooManyRequests, exceptions.ServiceUnavailable, exceptions.BadGateway)
    return retry.Retry(predicate=again, initial=1.0, maximum=10.0, timeout=60.0)


def _doc(message: Any) -> Doc:
    from google.protobuf import json_format

    made: Doc = json_format.MessageToDict(type(message).pb(message))
    return made


def _answered(answer: Any) -> Doc:
    """Raises: what Google's clients raise for such an answer."""
    from google.api_core import exceptions

    if answer.status_code >= 400:
        raise exceptions.from_http_response(answer)
    made = answer.json() if answer.content else {}
    return made if isinstance(made, dict) else {}


def _entry(one: Doc) -> Entry:
    text = one.get("textPayload")
    if text is None:
        payload = one.get("jsonPayload") or one.get("protoPayload") or {}
        text = payload.get("message") or json.dumps(payload, sort_keys=True)
    revision = one.get("resource", {}).get("labels", {}).get("revision_name", "")
    return Entry(one.get("timestamp", ""), one.get("insertId", ""), revision, str(text).rstrip("\n"))
