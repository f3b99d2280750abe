"""Signing without a key of one's own: a certificate for an identity that lives minutes, and a public log.

All of it is the library `sigstore` (the extra `keyless`), which asks Sigstore's services on the internet.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple, Protocol

from wherry.errors import BadSignature, InputError, RegistryError, Unreachable, WherryError
from wherry.trust.extra import needs

__all__ = ["Identity", "Keyless", "Sigstore"]


class Identity(NamedTuple):
    """Who must have signed: an e-mail address or a workflow's URL, and who vouches for it (an OIDC issuer's URL)."""

    name: str
    issuer: str


class Keyless(Protocol):
    """Makes and checks signatures by identity; a fake stands in where there is no internet."""

    def sign(self, statement: bytes) -> bytes:
        """The bundle (JSON) of an in-toto statement. Raises: Unreachable, InputError, WherryError."""
        ...

    def verify(self, bundle: bytes, identity: Identity) -> bytes:
        """The statement that the identity signed. Raises: BadSignature, Unreachable."""
        ...


class Sigstore:
    """The public services of sigstore.dev. `token` is an OIDC token (SIGSTORE_ID_TOKEN), "" looks for the one that a
    CI service gives; no browser is opened.
    """

    def __init__(self, token: str = "") -> None:
        self._token = token

    def sign(self, statement: bytes) -> bytes:
        """Raises: HostError (the extra is not installed), Unreachable, InputError, WherryError."""
        with needs("keyless", "signing without a key"):
            from sigstore.dsse import Statement
            from sigstore.models import ClientTrustConfig
            from sigstore.oidc import IdentityToken, detect_credential
            from sigstore.sign import SigningContext
        with _mapped("signing without a key"):
            token = self._token or detect_credential()
            if not token:
                raise InputError(
                    "signing without a key needs an identity token, and there is none",
                    hint="set SIGSTORE_ID_TOKEN, run in a CI service that gives one, or sign with --key",
                )
            identity = IdentityToken(token)
            context = SigningContext.from_trust_config(ClientTrustConfig.production())
            with context.signer(identity) as signer:
                return signer.sign_dsse(Statement(statement)).to_json().encode()

    def verify(self, bundle: bytes, identity: Identity) -> bytes:
        """Raises: HostError (the extra is not installed), BadSignature, Unreachable."""
        with needs("keyless", "verifying an identity"):
            from sigstore.models import Bundle
            from sigstore.verify import Verifier
            from sigstore.verify.policy import Identity as Policy
        with _mapped("verifying an identity"):
            verifier = Verifier.production()
            policy = Policy(identity=identity.name, issuer=identity.issuer)
            kind, payload = verifier.verify_dsse(Bundle.from_json(bundle), policy)
        if kind != "application/vnd.in-toto+json":
            raise BadSignature(f"the signature is over {kind[:80]!r}, which is no statement")
        return payload


_OFFLINE = "Sigstore's services are on the internet; sign and verify with --key where there is none"


@contextmanager
def _mapped(what: str) -> Iterator[None]:
    """The library's errors as ours, by type."""
    import requests
    from sigstore import errors, models, oidc

    try:
        yield
    except WherryError:
        raise
    except (errors.NetworkError, errors.TUFError, requests.RequestException) as fault:
        raise Unreachable(f"{what}: Sigstore can't be reached ({type(fault).__name__})", hint=_OFFLINE) from None
    except oidc.IdentityError as fault:
        raise InputError(f"{what}: the identity token is not accepted: {_words(fault)}") from None
    except (models.InvalidBundle, errors.VerificationError) as fault:
        # Of one signature: another may be good
        raise BadSignature(f"{what}: {_words(fault)}") from None
    except errors.Error as fault:
        raise RegistryError(f"{what}: {_words(fault)}") from None


def _words(fault: Exception) -> str:
    return " ".join(str(fault).split())[:200]
