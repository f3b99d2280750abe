"""Signing by identity: what is asked of the library, and its faults in our words. Nothing goes over the network."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from sigstore import errors, models, oidc
from sigstore.verify import Verifier

from wherry.errors import BadSignature, HostError, InputError, Unreachable
from wherry.trust import bundle, statement
from wherry.trust.extra import needs
from wherry.trust.keyless import Identity, Sigstore, _mapped
from wherry.trust.keys import generate, load_private

WHO = Identity("me@example.org", "https://accounts.example.org")


class FakeVerifier:
    """In place of the library's: it would fetch Sigstore's roots."""

    def __init__(self, answer: tuple[str, bytes] | Exception) -> None:
        self.answer = answer
        self.asked: list[Any] = []

    def verify_dsse(self, one: Any, policy: Any) -> tuple[str, bytes]:
        self.asked.append(policy)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(models.Bundle, "from_json", lambda raw: raw)

    def give(answer: tuple[str, bytes] | Exception) -> FakeVerifier:
        fake = FakeVerifier(answer)
        monkeypatch.setattr(Verifier, "production", lambda **_: fake)
        return fake

    return give


def test_the_library_is_asked_for_this_identity_and_issuer(answers: Any) -> None:
    fake = answers(("application/vnd.in-toto+json", b"payload"))
    assert Sigstore().verify(b"bundle", WHO) == b"payload"
    (policy,) = fake.asked
    assert policy._identity == WHO.name
    assert policy._issuer._value == WHO.issuer


def test_a_payload_of_another_type_does_not_count(answers: Any) -> None:
    answers(("text/plain", b"payload"))
    with pytest.raises(BadSignature, match="no statement"):
        Sigstore().verify(b"bundle", WHO)


def test_a_certificate_that_is_wrong_is_a_bad_signature(answers: Any) -> None:
    answers(errors.VerificationError("certificate's SANs do not match\n me"))
    with pytest.raises(BadSignature, match="SANs do not match me"):
        Sigstore().verify(b"bundle", WHO)


@pytest.mark.parametrize("fault", [errors.TUFError("no such host"), errors.NetworkError()])
def test_without_the_internet_the_error_names_the_other_way(answers: Any, fault: Exception) -> None:
    answers(fault)
    with pytest.raises(Unreachable) as caught:
        Sigstore().verify(b"bundle", WHO)
    assert "--key" in str(caught.value.hint)


def test_a_bundle_by_a_key_is_none_that_the_library_takes() -> None:
    key = load_private(generate(b"", cost=2)[0], lambda: b"", "key")
    data = bundle.sign(statement.image_signature(statement.Digest.of(b"x"), "r/x"), key)
    with pytest.raises(models.InvalidBundle):
        models.Bundle.from_json(data)
    with pytest.raises(BadSignature), _mapped("verifying"):
        models.Bundle.from_json(data)


def test_a_token_that_is_none_is_refused_before_anything_is_asked() -> None:
    with pytest.raises(InputError, match="identity token") as caught:
        Sigstore("not-a-token-but-a-secret").sign(b"{}")
    assert "not-a-token-but-a-secret" not in str(caught.value)


def test_no_token_says_where_one_comes_from(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(oidc, "detect_credential", lambda *_: None)
    with pytest.raises(InputError) as caught:
        Sigstore().sign(b"{}")
    assert "SIGSTORE_ID_TOKEN" in str(caught.value.hint)


def test_an_extra_that_is_not_installed_says_what_to_type() -> None:
    with pytest.raises(HostError, match="no_such_library") as caught, needs("keyless", "signing"):
        import no_such_library  # type: ignore[import-not-found]  # noqa: F401
    assert caught.value.hint == "pip install 'wherry[keyless]'"


def test_the_statement_is_one_that_the_library_takes() -> None:
    from sigstore.dsse import Statement

    Statement(statement.image_signature(statement.Digest.of(b"x"), "r/x", {"env": "prod"}))


def test_another_implementation_of_dsse_verifies_our_bundle() -> None:
    from cryptography.hazmat.primitives.serialization import load_pem_public_key
    from securesystemslib.dsse import Envelope
    from securesystemslib.signer import SSlibKey
    from sigstore_models.bundle.v1 import Bundle

    private, public = generate(b"", cost=2)
    said = statement.image_signature(statement.Digest.of(b"x"), "r/x")
    data = bundle.sign(said, load_private(private, lambda: b"", "key"))
    parsed = Bundle.from_json(data)
    assert parsed.dsse_envelope
    key = SSlibKey.from_crypto(load_pem_public_key(public), keyid="k")
    doc = json.loads(data)["dsseEnvelope"]
    doc["signatures"][0]["keyid"] = "k"
    envelope = Envelope.from_dict(doc)
    assert envelope.payload == said == base64.b64decode(doc["payload"])
    assert envelope.verify([key], 1)
