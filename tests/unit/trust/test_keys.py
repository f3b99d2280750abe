"""Keys of cosign and OpenSSL: read, used, and refused with a reason."""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nacl.secret import SecretBox

from wherry.errors import InputError
from wherry.trust import cosign_key
from wherry.trust.keys import generate, load_private, load_public

CASES = Path(__file__).parents[2] / "cases" / "trust" / "keys"
GOOD, BAD = sorted(CASES.glob("good/*.key")), sorted(CASES.glob("bad/*.key"))


def hello() -> bytes:
    return b"hello"


def never() -> bytes:
    raise AssertionError("no password is needed")


@pytest.fixture(scope="module")
def pair() -> tuple[bytes, bytes]:
    return generate(b"secret", cost=2)


@pytest.mark.parametrize("path", GOOD, ids=lambda path: path.stem)
def test_a_key_signs_and_its_public_half_verifies(path: Path) -> None:
    key = load_private(path.read_bytes(), hello, path.name)
    signature = key.sign(b"data")
    public = load_public(key.public.pem, "pub")
    assert public.verifies(signature, b"data")
    assert not public.verifies(signature, b"date")
    assert not public.verifies(signature[:-1], b"data")
    assert not public.verifies(b"", b"data")


@pytest.mark.parametrize("path", BAD, ids=lambda path: path.stem)
def test_a_key_that_is_none_is_refused_with_its_name(path: Path) -> None:
    with pytest.raises(InputError, match=path.name):
        load_private(path.read_bytes(), hello, path.name)


def test_a_key_that_asks_for_all_the_memory_is_refused_before_it_gets_any() -> None:
    with pytest.raises(InputError, match="too much work"):
        load_private((CASES / "bad" / "scrypt-asks-for-all-memory.key").read_bytes(), hello, "x.key")


def test_there_are_cases() -> None:
    assert len(GOOD) >= 8
    assert len(BAD) >= 15


@pytest.mark.parametrize("name", ["openssl-ec-p256", "openssl-rsa-2048", "openssl-ed25519"])
def test_a_plain_key_asks_for_no_password(name: str) -> None:
    load_private((CASES / "good" / f"{name}.key").read_bytes(), never, name)


@pytest.mark.parametrize("name", ["cosign-1", "cosign-2", "openssl-pkcs8-encrypted"])
def test_a_wrong_password_is_told_apart_from_a_damaged_key(name: str) -> None:
    with pytest.raises(InputError, match="password is wrong") as caught:
        load_private((CASES / "good" / f"{name}.key").read_bytes(), lambda: b"wrong-secret", name)
    assert "wrong-secret" not in str(caught.value) + str(caught.value.hint)


def test_a_new_pair_is_in_cosigns_format() -> None:
    """Spelled out with the primitives, so that a slip in both directions of ours would show."""
    private, public = generate(b"secret")
    lines = private.decode().splitlines()
    assert lines[0] == "-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----"
    assert max(map(len, lines[1:-1])) == 64
    doc = json.loads(base64.b64decode("".join(lines[1:-1])))
    assert doc["kdf"]["params"] == {"N": 65536, "r": 8, "p": 1}
    secret = hashlib.scrypt(
        b"secret", salt=base64.b64decode(doc["kdf"]["salt"]), n=65536, r=8, p=1, maxmem=1 << 28, dklen=32
    )
    der = SecretBox(secret).decrypt(base64.b64decode(doc["ciphertext"]), base64.b64decode(doc["cipher"]["nonce"]))
    assert der == cosign_key.decrypt(private, b"secret", "cosign.key")
    assert load_private(private, lambda: b"secret", "cosign.key").public.pem == public
    assert public.startswith(b"-----BEGIN PUBLIC KEY-----")


def test_two_pairs_differ(pair: tuple[bytes, bytes]) -> None:
    other = generate(b"secret", cost=2)
    assert pair[0] != other[0]
    assert pair[1] != other[1]


def test_a_private_key_is_no_key_to_verify_with(pair: tuple[bytes, bytes]) -> None:
    with pytest.raises(InputError, match="private key") as caught:
        load_public(pair[0], "cosign.key")
    assert "cosign.pub" in str(caught.value.hint)


def test_a_larger_curve_signs_with_sha256_and_verifies_its_own_hash_too() -> None:
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.hashes import SHA256, SHA384

    from wherry.trust.keys import PrivateKey, PublicKey

    key = ec.generate_private_key(ec.SECP384R1())
    public = key.public_key()
    public.verify(PrivateKey(key).sign(b"x"), b"x", ec.ECDSA(SHA256()))
    assert PublicKey(public).verifies(key.sign(b"x", ec.ECDSA(SHA384())), b"x")


def test_secrets_do_not_show(pair: tuple[bytes, bytes]) -> None:
    key = load_private(pair[0], lambda: b"secret", "cosign.key")
    assert "secret" not in repr(key) + str(vars(key))


@given(st.binary(max_size=200))
def test_any_bytes_give_a_clear_error(data: bytes) -> None:
    with pytest.raises(InputError):
        load_public(data, "x")
    with pytest.raises(InputError):
        load_private(b"-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----\n" + base64.b64encode(data), hello, "x")
