"""wherry image verify."""

from __future__ import annotations

import os

from wherry.cli.flags import Flag, Verb
from wherry.errors import InputError, NotFound

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wherry.cli.flags import Args
    from wherry.cli.render import Output
    from wherry.engine import Engine
    from wherry.engine.trust_verify import Verified
    from wherry.trust.judge import Asked, Verdict

__all__ = ["VERB", "run"]

_NO_SUCH_TAG = 11

VERB = Verb(
    "[OPTIONS] NAME[:TAG|@DIGEST] [NAME...]",
    "Verify the signatures of images in their registry: exit 0 only when one is good",
    [
        Flag("annotation", "A remark that must have been signed too (KEY=VALUE)", short="a", kind="list"),
        Flag("certificate-identity", "Who must have signed: an address, or a workflow's URL", kind="string"),
        Flag("certificate-oidc-issuer", "Who must vouch for the identity: an issuer's URL", kind="string"),
        Flag("format", "Format output: 'json', or the default table", kind="string"),
        Flag("key", "File with the public key", kind="string", type_name="file"),
        Flag("signed-for", "Accept signatures made for this repository too: the image was copied", kind="list"),
    ],
    least=1,
    most=None,
    examples=[
        "wherry image verify --key cosign.pub localhost:5000/shop/api",
        "wherry image verify --key cosign.pub --format json localhost:5000/shop/api",
    ],
)


def run(engine: Engine, args: Args, out: Output) -> int:
    """All signatures are shown, the good and the bad; exit 10 when there is none, 11 when there is no such image, 12
    when no signature is good: cosign's codes.
    """
    from wherry.cli import formats
    from wherry.engine import trust_remote
    from wherry.engine.trust_verify import check, verify

    format = args.text("format")
    asked = _asked(engine, args)
    try:
        found = [verify(trust_remote.Registries(engine), text, asked) for text in args.rest]
    except NotFound as fault:
        fault.exit_code = _NO_SUCH_TAG
        raise
    for one in found:
        if format not in {"", "table"}:
            formats.document(out, _document(one), format)
        elif one.verdicts:
            out.line(one.pinned)
            out.table(["", "SIGNATURE", "FORMAT", "SIGNED BY", "FOR", "CREATED"], [_row(v) for v in one.verdicts])
    for one in found:
        check(one)
    return 0


def _asked(engine: Engine, args: Args) -> Asked:
    """Raises: InputError."""
    from wherry.cli.image_sign import pairs, read_key
    from wherry.oci.digest import Digest
    from wherry.oci.reference import Reference
    from wherry.trust.judge import Asked
    from wherry.trust.keyless import Identity, Sigstore
    from wherry.trust.keys import load_public

    path, name, issuer = args.text("key"), args.text("certificate-identity"), args.text("certificate-oidc-issuer")
    if bool(path) == bool(name or issuer):
        raise InputError("verifying needs one of --key and --certificate-identity with --certificate-oidc-issuer",
                         hint="whose signature is to count? --key cosign.pub")  # fmt: skip
    if not path and not (name and issuer):
        raise InputError("--certificate-identity and --certificate-oidc-issuer belong together",
                         hint="anybody can be anybody at an issuer of their own")  # fmt: skip
    also = frozenset(f"{one.registry}/{one.repository}" for one in map(Reference.parse, args.all("signed-for")))
    remarks = pairs("--annotation", args.all("annotation"))
    asked = Asked(Digest(""), also, annotations=remarks)
    if path:
        return asked._replace(key=load_public(read_key(os.path.join(engine.settings.cwd, path)), path))
    return asked._replace(identity=Identity(name, issuer), keyless=Sigstore())


def _row(verdict: Verdict) -> tuple[str, ...]:
    mark = "ok" if verdict.is_good else "BAD"
    who = verdict.signer if verdict.is_good else verdict.reason
    return mark, verdict.where.short, verdict.layout, who, verdict.repository or "-", verdict.created or "-"


def _document(found: Verified) -> dict[str, object]:
    return {
        "image": found.pinned,
        "verified": bool(found.good),
        "signatures": [
            {
                "good": one.is_good, "reason": one.reason, "format": one.layout, "manifest": one.where,
                "signedBy": one.signer, "repository": one.repository, "annotations": dict(one.annotations),
                "created": one.created,
            }
            for one in found.verdicts
        ],
    }  # fmt: skip
