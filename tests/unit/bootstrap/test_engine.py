from __future__ import annotations

from wherry.engine.bootstrap import _codename


def test_only_debian_itself_has_a_codename_here() -> None:
    assert _codename('ID=debian\nVERSION_CODENAME=trixie\nPRETTY_NAME="Debian GNU/Linux 13 (trixie)"\n') == "trixie"
    assert _codename('ID="debian"\nVERSION_CODENAME="bookworm"\n') == "bookworm"
    assert _codename("ID=ubuntu\nID_LIKE=debian\nVERSION_CODENAME=noble\n") == ""
    assert _codename("") == ""
