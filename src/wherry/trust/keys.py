"""Keys that sign and verify: PEM files as cosign, OpenSSL and the clouds write them.

ECDSA on the NIST curves (what cosign makes), RSA (PKCS #1 v1.5) and Ed25519. The hash is SHA-256 whatever the curve, as
cosign 2 wants it; a signature by P-384 or P-521 with the curve's own hash is verified too.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable

from wherry.errors import InputError
from wherry.trust import cosign_key
from wherry.trust.extra import needs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes, PublicKeyTypes
    from cryptography.hazmat.primitives.hashes import HashAlgorithm

__all__ = ["PrivateKey", "PublicKey", "generate", "load_private", "load_public"]

LIMIT_BYTES = 64 << 10
_SMALLEST_RSA_BITS = 2048
_CURVES = ("secp256r1", "secp384r1", "secp521r1")


class PublicKey:
    """Verifies signatures."""

    def __init__(self, key: PublicKeyTypes) -> None:
        self._key = key

    @property
    def der(self) -> bytes:
        """SubjectPublicKeyInfo."""
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

        return self._key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)

    @property
    def pem(self) -> bytes:
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

        return self._key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

    @property
    def hint(self) -> str:
        """How a bundle names the key: base64 of the SHA-256 of its DER."""
        return base64.b64encode(hashlib.sha256(self.der).digest()).decode()

    @property
    def fingerprint(self) -> str:
        """How we name it to people: "sha256:" and the first 16 hex digits of its DER's hash."""
        return f"sha256:{hashlib.sha256(self.der).hexdigest()[:16]}"

    def verifies(self, signature: bytes, data: bytes) -> bool:
        """Whether `signature` was made over `data` by this key's owner."""
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
        from cryptography.hazmat.primitives.hashes import SHA256

        key = self._key
        for algorithm in _hashes(key):
            try:
                if isinstance(key, ec.EllipticCurvePublicKey):
                    key.verify(signature, data, ec.ECDSA(algorithm))
                elif isinstance(key, rsa.RSAPublicKey):
                    key.verify(signature, data, padding.PKCS1v15(), SHA256())
                elif isinstance(key, ed25519.Ed25519PublicKey):
                    key.verify(signature, data)
                return True
            except InvalidSignature:
                continue
        return False


class PrivateKey:
    """Signs. Its secret shows in no repr and no message."""

    def __init__(self, key: PrivateKeyTypes) -> None:
        self._key = key

    @property
    def public(self) -> PublicKey:
        return PublicKey(self._key.public_key())

    def sign(self, data: bytes) -> bytes:
        from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
        from cryptography.hazmat.primitives.hashes import SHA256

        key = self._key
        if isinstance(key, ec.EllipticCurvePrivateKey):
            return key.sign(data, ec.ECDSA(SHA256()))
        if isinstance(key, rsa.RSAPrivateKey):
            return key.sign(data, padding.PKCS1v15(), SHA256())
        assert isinstance(key, ed25519.Ed25519PrivateKey)
        return key.sign(data)


def _hashes(key: object) -> tuple[HashAlgorithm, ...]:
    """The hashes with which the key may have signed."""
    from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512

    size = getattr(getattr(key, "curve", None), "key_size", 256)
    own = {384: (SHA384(),), 521: (SHA512(),)}.get(size, ())
    return (SHA256(), *own)


def load_private(pem: bytes, password: Callable[[], bytes], name: str) -> PrivateKey:
    """The key in a PEM text: cosign's encrypted form, PKCS #8 (encrypted or not), EC or RSA.

    `password` is asked only when there is something to decrypt; `name` is the file's, for messages. Raises:
    InputError (no such key, wrong password, a key too weak), HostError (the extra is not installed).
    """
    with needs("trust", "signing"):
        from cryptography.exceptions import UnsupportedAlgorithm
        from cryptography.hazmat.primitives.serialization import load_der_private_key, load_pem_private_key
    label = _label(pem, name)
    try:
        if label in cosign_key.LABELS:
            der = cosign_key.decrypt(pem, password(), name)
            key = load_der_private_key(der, None)
        elif label == "ENCRYPTED PRIVATE KEY":
            key = load_pem_private_key(pem, password())
        else:
            key = load_pem_private_key(pem, None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        # The library's words are of no help, and may tell of the key
        if label == "ENCRYPTED PRIVATE KEY":
            raise InputError(f"the key {name} can't be decrypted: the password is wrong", hint=_ASKED_HINT) from None
        raise InputError(f"{name} holds no private key that can be read ({label})", hint=_PRIVATE_HINT) from None
    _check(key.public_key(), name)
    return PrivateKey(key)


_ASKED_HINT = "it is read from COSIGN_PASSWORD, else asked for"
_PRIVATE_HINT = "make a pair with: wherry image generate-key-pair"


def load_public(pem: bytes, name: str) -> PublicKey:
    """Of "BEGIN PUBLIC KEY". `name` is the file's, for messages. Raises: InputError, HostError."""
    with needs("trust", "verifying signatures"):
        from cryptography.exceptions import UnsupportedAlgorithm
        from cryptography.hazmat.primitives.serialization import load_pem_public_key
    label = _label(pem, name)
    if "PRIVATE KEY" in label:
        raise InputError(f"{name} is a private key", hint="verify with the public one, as cosign.pub")
    try:
        key = load_pem_public_key(pem)
    except (ValueError, UnsupportedAlgorithm):
        raise InputError(f"{name} holds no public key that can be read ({label})") from None
    _check(key, name)
    return PublicKey(key)


def generate(password: bytes, cost: int = cosign_key.COST) -> tuple[bytes, bytes]:
    """A new P-256 key: (private PEM in cosign's encrypted form, public PEM). `cost` is what a guess at the password
    takes (scrypt's N). Raises: HostError.
    """
    with needs("trust", "making keys"):
        from cryptography.hazmat.primitives.asymmetric import ec
        from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
    key = ec.generate_private_key(ec.SECP256R1())
    der = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    return cosign_key.encrypt(der, password, cost), PublicKey(key.public_key()).pem


def _label(pem: bytes, name: str) -> str:
    """The word of its first BEGIN line."""
    if len(pem) > LIMIT_BYTES:
        raise InputError(f"{name} is too large for a key: {len(pem)} bytes")
    for line in pem.splitlines():
        text = line.strip()
        if text.startswith(b"-----BEGIN ") and text.endswith(b"-----"):
            return text[11:-5].decode("ascii", "replace")
    raise InputError(f"{name} is not a PEM file", hint="a key starts with a line as -----BEGIN PUBLIC KEY-----")


def _check(key: object, name: str) -> None:
    """Raises: InputError for what is too weak or of another kind."""
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

    if isinstance(key, ec.EllipticCurvePublicKey):
        if key.curve.name not in _CURVES:
            raise InputError(
                f"{name}: the curve {key.curve.name} is not supported", hint=f"one of {', '.join(_CURVES)}"
            )
    elif isinstance(key, rsa.RSAPublicKey):
        if key.key_size < _SMALLEST_RSA_BITS:
            raise InputError(f"{name}: an RSA key of {key.key_size} bits is too weak", hint="2048 bits or more")
    elif not isinstance(key, ed25519.Ed25519PublicKey):
        raise InputError(f"{name}: keys of this kind can't sign images", hint="ECDSA, RSA or Ed25519")
