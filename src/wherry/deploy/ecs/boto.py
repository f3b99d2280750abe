"""AWS through boto3, and what goes wrong there in one clear line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from wherry.deploy.ecs.aws import CALLS, action
from wherry.deploy.ecs.choice import Choice
from wherry.deploy.targets import missing_extra
from wherry.errors import DeployError, InputError, NotSignedIn, WherryError

__all__ = ["BotoAws", "connect", "refusal"]

_SIGN_IN = "aws sso login, aws configure, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
_NOT_SIGNED_IN = {
    "ExpiredToken", "ExpiredTokenException", "RequestExpired", "InvalidClientTokenId", "UnrecognizedClientException",
    "AuthFailure", "SignatureDoesNotMatch", "InvalidAccessKeyId", "MissingAuthenticationToken", "IncompleteSignature",
}  # fmt: skip
_DENIED = {"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "NotAuthorized", "UnauthorizedException"}
_THROTTLED = {
    "Throttling", "ThrottlingException", "ThrottledException", "RequestThrottled", "RequestLimitExceeded",
    "TooManyRequestsException", "SlowDown", "RequestThrottledException",
}  # fmt: skip


def connect(choice: Choice, env: Mapping[str, str]) -> BotoAws:
    """Signs in, and asks who that is. Raises: HostError (no boto3), NotSignedIn, InputError (no region)."""
    try:
        import boto3
        from botocore.config import Config
    except ImportError as fault:
        raise missing_extra("ecs", "aws", fault) from None

    # boto3 itself does not read AWS_REGION, which the aws command and the containers of AWS do
    region = choice.region or env.get("AWS_REGION") or env.get("AWS_DEFAULT_REGION")
    with _explained("sts", "get_caller_identity", region or ""):
        session = boto3.Session(profile_name=choice.profile or None, region_name=region)
        if not session.region_name:
            raise InputError(
                "no AWS region is set", hint="--region eu-central-1, AWS_REGION, or region in ~/.aws/config"
            )
        retries = {"mode": "standard", "max_attempts": 6}
        return BotoAws(session, Config(retries=retries, connect_timeout=10, read_timeout=60))


class BotoAws:
    """Clients are made at their first call."""

    def __init__(self, session: Any, config: Any) -> None:
        self.region: str = session.region_name
        self._session, self._config = session, config
        self._clients: dict[str, Any] = {}
        self.account: str = self.call("sts", "get_caller_identity")["Account"]

    def call(self, service: str, operation: str, /, **parameters: Any) -> dict[str, Any]:
        if operation not in CALLS[service]:
            raise KeyError(action(service, operation))
        with _explained(service, operation, self.region):
            client = self._clients.get(service)
            if client is None:
                client = self._clients[service] = self._session.client(service, config=self._config)
            answer: dict[str, Any] = getattr(client, operation)(**parameters)
            return answer

    def close(self) -> None:
        for client in self._clients.values():
            client.close()


@contextmanager
def _explained(service: str, operation: str, region: str) -> Iterator[None]:
    from botocore import exceptions as boto

    what = action(service, operation)
    try:
        yield
    except boto.ClientError as fault:
        error = fault.response.get("Error", {})
        status = fault.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        raise refusal(what, error.get("Code", ""), error.get("Message", ""), status) from None
    except boto.ProfileNotFound as fault:
        raise NotSignedIn(f"AWS: {fault}", hint="aws configure list-profiles") from None
    except (boto.NoCredentialsError, boto.PartialCredentialsError, boto.CredentialRetrievalError) as fault:
        raise NotSignedIn(f"not signed in to AWS: {fault}", hint=_SIGN_IN) from None
    except (boto.SSOError, boto.TokenRetrievalError, boto.UnauthorizedSSOTokenError) as fault:
        raise NotSignedIn(f"the login at AWS is over: {fault}", hint="aws sso login") from None
    except boto.HTTPClientError as fault:
        raise DeployError(f"{what}: no answer from AWS in {region}: {fault}", retryable=True,
                          hint="is the region right, and does this network let you out?") from None  # fmt: skip
    except boto.BotoCoreError as fault:
        raise DeployError(f"{what}: {fault}") from None
    except ValueError as fault:
        # botocore's word for an AWS_ENDPOINT_URL that is no URL
        raise DeployError(f"{what}: {fault}", hint="AWS_ENDPOINT_URL, or endpoint_url in ~/.aws/config") from None


def refusal(what: str, code: str, message: str, status: int) -> WherryError:
    """The error for AWS's answer to the action `what`. Chosen by its code alone."""
    said = f"{what}: {message} ({code})"
    if code in _NOT_SIGNED_IN:
        return NotSignedIn(
            f"AWS does not take the credentials: {said}", hint=_SIGN_IN, status=status, platform_code=code
        )
    if code in _DENIED:
        return DeployError(f"AWS does not let you {said}", status=status, platform_code=code,
                           hint=f"allow {what}: docs/deploy-ecs.md has the whole policy")  # fmt: skip
    if code in _THROTTLED:
        return DeployError(f"AWS is throttling: {said}", status=status, platform_code=code, retryable=True,
                           hint="it was tried 6 times; try again in a minute")  # fmt: skip
    if "LimitExceeded" in code or "Quota" in code:
        return DeployError(f"a quota of the account is reached: {said}", status=status, platform_code=code,
                           hint="ask for more in Service Quotas, or remove what is not used")  # fmt: skip
    if code in {"OptInRequired", "RegionDisabledException"}:
        return DeployError(f"the account does not use this region: {said}", status=status, platform_code=code,
                           hint="--region, or enable it in the account's settings")  # fmt: skip
    return DeployError(said, status=status, platform_code=code)
