"""docker's content trust: Notary v1, which registries have given up. Who asks for it is told so, not passed over."""

from __future__ import annotations

from wherry.cli.flags import Flag
from wherry.errors import Unsupported

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from wherry.cli.flags import Args

__all__ = ["FLAG", "refuse_content_trust"]

FLAG = Flag("disable-content-trust", "Skip image verification (kept for scripts: Notary is gone)", default=1)


def refuse_content_trust(args: Args, env: Mapping[str, str]) -> None:
    """Raises: Unsupported, when the flag or DOCKER_CONTENT_TRUST asks for signatures by Notary."""
    asked = env.get("DOCKER_CONTENT_TRUST", "").lower() in {"1", "t", "true"}
    if args.on("disable-content-trust") and (args.given("disable-content-trust") or not asked):
        return
    # Differs from docker: there it asks the registry's Notary server; an image would go through unchecked here
    raise Unsupported(
        "content trust (Notary v1) is not supported: no signature would be made or checked",
        hint="cosign's signatures: wherry image sign, wherry image verify. --disable-content-trust goes on without",
    )
