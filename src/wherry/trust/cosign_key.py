"""cosign's private key file: PKCS #8 sealed by NaCl's secretbox, under a key that scrypt makes of a password.

The PEM body is JSON: the parameters of scrypt, the nonce, and the sealed bytes.
Spec: https://github.com/secure-systems-lab/go-securesystemslib/blob/v0.9.0/encrypted/encrypted.go
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import os
from typing import Any

from wherry.errors import InputError
from wherry.trust.extra import needs

__all__ = ["COST", "LABELS", "decrypt", "encrypt"]

LABEL = "ENCRYPTED SIGSTORE PRIVATE KEY"
LABELS = frozenset({LABEL, "ENCRYPTED COSIGN PRIVATE KEY"})
COST = 65536
"""As cosign's own: a sixth of a second for each guess at the password."""
_R, _P = 8, 1
# scrypt takes 128 * N * r bytes: a file must not ask for the whole memory
_LARGEST_N_TIMES_R = 1 << 21
_LARGEST_P = 16


def encrypt(pkcs8: bytes, password: bytes, cost: int = COST) -> bytes:
    """The PEM. `cost` is scrypt's N. Raises: HostError."""
    with needs("trust", "encrypting a key"):
        from nacl.secret import SecretBox
    salt, nonce = os.urandom(32), os.urandom(24)
    sealed = SecretBox(_stretch(password, salt, cost, _R, _P)).encrypt(pkcs8, nonce).ciphertext
    doc = {
        "kdf": {"name": "scrypt", "params": {"N": cost, "r": _R, "p": _P}, "salt": _text(salt)},
        "cipher": {"name": "nacl/secretbox", "nonce": _text(nonce)},
        "ciphertext": _text(sealed),
    }
    body = base64.b64encode(json.dumps(doc, separators=(",", ":")).encode()).decode()
    lines = [body[at : at + 64] for at in range(0, len(body), 64)]
    return "\n".join([f"-----BEGIN {LABEL}-----", *lines, f"-----END {LABEL}-----", ""]).encode()


def decrypt(pem: bytes, password: bytes, name: str) -> bytes:
    """The PKCS #8 DER in the file called `name`. Raises: InputError, HostError."""
    with needs("trust", "decrypting a key"):
        from nacl.exceptions import CryptoError
        from nacl.secret import SecretBox
    try:
        doc = _body(pem)
        kdf, cipher = doc["kdf"], doc["cipher"]
        if kdf["name"] != "scrypt" or cipher["name"] != "nacl/secretbox":
            raise InputError(
                f"the key {name} is encrypted in an unknown way", hint="scrypt and nacl/secretbox are known"
            )
        salt, nonce = _bytes(kdf["salt"]), _bytes(cipher["nonce"])
        sealed = _bytes(doc["ciphertext"])
        n, r, p = (int(kdf["params"][one]) for one in ("N", "r", "p"))
    except (KeyError, TypeError, ValueError, OverflowError, RecursionError):
        raise InputError(f"the key {name} is damaged", hint="restore it from a copy") from None
    if not (n > 1 and r > 0 and n * r <= _LARGEST_N_TIMES_R and 0 < p <= _LARGEST_P):
        raise InputError(f"the key {name} asks for too much work: scrypt with N={n}, r={r}, p={p}"[:300])
    try:
        return SecretBox(_stretch(password, salt, n, r, p)).decrypt(sealed, nonce)
    except CryptoError:
        raise InputError(
            f"the key {name} can't be decrypted: the password is wrong",
            hint="it is read from COSIGN_PASSWORD, else asked for",
        ) from None
    except ValueError:
        raise InputError(f"the key {name} is damaged", hint="restore it from a copy") from None


def _stretch(password: bytes, salt: bytes, n: int, r: int, p: int) -> bytes:
    memory = 128 * r * (n + p + 2) + (1 << 20)
    return hashlib.scrypt(password, salt=salt, n=n, r=r, p=p, maxmem=memory, dklen=32)


def _body(pem: bytes) -> dict[str, Any]:
    inside: list[bytes] = []
    for line in pem.splitlines():
        if line.startswith(b"-----BEGIN "):
            inside = []
        elif line.startswith(b"-----END "):
            break
        else:
            inside.append(line.strip())
    doc = json.loads(base64.b64decode(b"".join(inside), validate=True))
    if not isinstance(doc, dict):
        raise TypeError
    return doc


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _bytes(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        raise ValueError from None
