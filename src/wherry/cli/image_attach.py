"""wherry image attach."""

from __future__ import annotations

import os

from wherry.cli.flags import Flag, Verb
from wherry.errors import InputError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wherry.cli.flags import Args
    from wherry.cli.render import Output
    from wherry.engine import Engine

__all__ = ["VERB", "run"]

LIMIT_BYTES = 256 << 20

VERB = Verb(
    "[OPTIONS] FILE NAME[:TAG|@DIGEST]",
    "Attach a file to an image: a local one takes it along when it is pushed",
    [
        Flag("annotation", "Set a remark (KEY=VALUE)", short="a", kind="list"),
        Flag("artifact-type", "What the file is: a media type, as application/vnd.example.report", kind="string"),
        Flag("media-type", "Media type of the file itself (default: the artifact type)", kind="string"),
        Flag("remote", "Attach it in the registry, now"),
    ],
    least=2,
    most=2,
    examples=["wherry image attach report.json --artifact-type application/vnd.example.report shop/api"],
)


def run(engine: Engine, args: Args, out: Output) -> int:
    """Prints the digest: of the file here, of the referrer in the registry."""
    from wherry.cli.image_sign import pairs
    from wherry.trust.referrer import Payload, make

    path, name = args.rest
    kind = args.text("artifact-type")
    media = args.text("media-type") or kind
    for text, flag in ((kind, "--artifact-type"), (media, "--media-type")):
        if not _is_media_type(text):
            raise InputError(f"{flag} must be a media type, as application/vnd.example.report; got {text[:80]!r}")
    remarks = pairs("--annotation", args.all("annotation"))
    payload = Payload(kind, media, _read(os.path.join(engine.settings.cwd, path)), os.path.basename(path), remarks)
    if not args.on("remote"):
        from wherry.engine.attach import attach

        out.line(str(attach(engine, engine.images.resolve(name), payload).digest))
        return 0
    from wherry.engine import trust_remote

    target = trust_remote.find(trust_remote.Registries(engine), name, push=True)
    referrer = make(payload, target.subject)
    trust_remote.push_referrer(target.repository, referrer)
    out.line(str(referrer.digest))
    return 0


def _is_media_type(text: str) -> bool:
    """RFC 6838: type "/" subtype, each at most 127 of its letters."""
    import re

    word = r"[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}"
    return re.fullmatch(f"{word}/{word}", text) is not None


def _read(path: str) -> bytes:
    """Raises: InputError."""
    try:
        with open(path, "rb") as file:
            data = file.read(LIMIT_BYTES + 1)
    except OSError as fault:
        raise InputError(f"cannot read {path}: {fault.strerror}") from None
    if len(data) > LIMIT_BYTES:
        raise InputError(f"{path} is too large to attach: over {LIMIT_BYTES >> 20} MiB",
                         hint="push it as an image of its own")  # fmt: skip
    return data
