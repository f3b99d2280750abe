"""wherry image sign, image generate-key-pair."""

from __future__ import annotations

import os

from wherry.cli.flags import Flag, FlagError, Verb
from wherry.errors import Conflict, InputError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from wherry.cli.flags import Args
    from wherry.cli.render import Output
    from wherry.engine import Engine
    from wherry.trust.keys import PrivateKey

__all__ = ["VERB", "pairs", "read_key", "run"]

VERB = {
    "image sign": Verb(
        "[OPTIONS] NAME[:TAG|@DIGEST] [NAME...]",
        "Sign images in their registry, as cosign does",
        [
            Flag("annotation", "Sign a remark with it (KEY=VALUE)", short="a", kind="list"),
            Flag("key", "File with the private key: cosign's, or PEM without one", kind="string", type_name="file"),
            Flag("keyless", "Sign by identity, through sigstore.dev (the extra keyless)"),
            Flag("recursive", "Sign the images in an index too", short="r"),
            Flag(
                "signature-format",
                "bundle (cosign 3: a referrer), tag (cosign 2, podman: sha256-....sig) or both",
                kind="string",
                default="bundle",
            ),
        ],
        least=1,
        most=None,
        examples=[
            "wherry image sign --key cosign.key localhost:5000/shop/api",
            "wherry image sign --key cosign.key --signature-format both localhost:5000/shop/api:1.2",
        ],
    ),
    "image generate-key-pair": Verb(
        "[OPTIONS]",
        "Make a key pair to sign images with: cosign.key and cosign.pub",
        [Flag("output-key-prefix", "Begin the names of the two files with this", kind="string", default="cosign")],
        examples=["wherry image generate-key-pair"],
    ),
}
_LAYOUTS = {"bundle": ("bundle",), "tag": ("tag",), "both": ("bundle", "tag")}


def run(name: str, engine: Engine, args: Args, out: Output) -> int:
    """One line for each signature."""
    return _generate(engine, args, out) if name == "image generate-key-pair" else _sign(engine, args, out)


def _sign(engine: Engine, args: Args, out: Output) -> int:
    from wherry.engine import trust_remote
    from wherry.engine.trust_sign import SignRequest, sign
    from wherry.trust.keyless import Sigstore

    layouts = _LAYOUTS.get(args.text("signature-format"))
    if layouts is None:
        raise FlagError(f'invalid argument "{args.text("signature-format")}" for "--signature-format" flag: '
                        "bundle, tag or both")  # fmt: skip
    if args.on("keyless") == bool(args.text("key")):
        raise InputError("signing needs one of --key and --keyless",
                         hint="wherry image generate-key-pair makes cosign.key; then --key cosign.key")  # fmt: skip
    if args.on("keyless") and layouts != ("bundle",):
        raise InputError("a signature without a key is always a bundle", hint="leave --signature-format out")
    key = _private_key(engine, args.text("key"), out) if args.text("key") else None
    keyless = Sigstore(engine.settings.env.get("SIGSTORE_ID_TOKEN", "")) if key is None else None
    remarks = pairs("--annotation", args.all("annotation"))
    for text in args.rest:
        request = SignRequest(text, layouts, key, keyless, args.on("recursive"), remarks)
        for one in sign(trust_remote.Registries(engine), request):
            out.line(f"{'Signed' if one.is_new else 'Already signed with this key:'} {one.pinned} ({one.layout})")
    return 0


def _generate(engine: Engine, args: Args, out: Output) -> int:
    from wherry.fs.atomic import fsync_dir
    from wherry.trust.keys import generate

    prefix = os.path.join(engine.settings.cwd, args.text("output-key-prefix"))
    places = (f"{prefix}.key", 0o600), (f"{prefix}.pub", 0o644)
    for path, _ in places:
        if os.path.lexists(path):
            raise Conflict(f"{path} is there already", hint="move it away, or choose other names: --output-key-prefix")
    texts = generate(_new_password(engine.settings.env, out))
    for (path, mode), text in zip(places, texts, strict=True):
        _write_new(path, text, mode)
        out.line(f"{'Private' if mode == 0o600 else 'Public'} key written to {os.path.basename(path)}")
    fsync_dir(os.path.dirname(prefix))
    return 0


def _write_new(path: str, data: bytes, mode: int) -> None:
    """Raises: Conflict when somebody was quicker: a key is never written over."""
    from wherry.fs.atomic import write_all

    try:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    except FileExistsError:
        raise Conflict(f"{path} is there already", hint="move it away") from None
    except OSError as fault:
        raise InputError(f"cannot write {path}: {fault.strerror}") from None
    try:
        write_all(fd, data)
        os.fsync(fd)
    finally:
        os.close(fd)


def read_key(path: str) -> bytes:
    """Raises: InputError."""
    try:
        with open(path, "rb") as file:
            return file.read((64 << 10) + 1)
    except OSError as fault:
        raise InputError(f"cannot read the key {path}: {fault.strerror}") from None


def _private_key(engine: Engine, path: str, out: Output) -> PrivateKey:
    from wherry.trust.keys import load_private

    data = read_key(os.path.join(engine.settings.cwd, path))
    return load_private(data, lambda: _password(engine.settings.env, out), path)


def _password(env: Mapping[str, str], out: Output) -> bytes:
    """COSIGN_PASSWORD, else asked for; from a pipe, its first line."""
    if "COSIGN_PASSWORD" in env:
        return os.fsencode(env["COSIGN_PASSWORD"])
    return out.secret("Enter password for private key: ")


def _new_password(env: Mapping[str, str], out: Output) -> bytes:
    if "COSIGN_PASSWORD" in env:
        return os.fsencode(env["COSIGN_PASSWORD"])
    first = out.secret("Enter password for private key: ")
    if out.in_is_terminal and out.secret("Enter password for private key again: ") != first:
        raise InputError("the two passwords are not the same")
    return first


def pairs(flag: str, words: tuple[str, ...]) -> dict[str, str]:
    """KEY=VALUE words. Raises: FlagError."""
    found = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not key or not equals:
            raise FlagError(f'invalid argument "{word}" for "{flag}" flag: expected KEY=VALUE')
        found[key] = value
    return found
