"""The registry's page in a real browser."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.registry.server.test_pages import Seen, Site


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    site = Site(tmp_path / "site")
    yield site
    site.close()


def chromium(folder: Path, *argv: str) -> str:
    """What it prints. Names other than loopback are not found: nothing from elsewhere can be loaded."""
    done = subprocess.run(
        ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
         f"--user-data-dir={folder}", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
         "--window-size=1100,800", *argv],
        capture_output=True, text=True, timeout=120, check=True, env={"HOME": str(folder), "PATH": "/usr/bin:/bin"},
    )  # fmt: skip
    return done.stdout


@pytest.mark.requires("chromium")
def test_a_browser_shows_the_page_with_its_style(site: Site, tmp_path: Path) -> None:
    site.image("team/app", "1.0", label="<b>bold</b>")
    page = f"http://127.0.0.1:{site.server.address[1]}/browse/team/app:1.0"
    picture = tmp_path / "page.png"
    document = chromium(tmp_path / "profile", "--dump-dom", page)
    seen = Seen(document)
    assert "COPY . /app" in seen.text
    assert "<b>bold</b>" in seen.text
    assert "b" not in seen.names
    chromium(tmp_path / "profile", f"--screenshot={picture}", page)
    assert picture.read_bytes().startswith(b"\x89PNG")
    plain = tmp_path / "plain.png"
    site.storage.ledger.commit(lambda batch: batch.db.execute("DELETE FROM tag"))
    chromium(tmp_path / "profile", f"--screenshot={plain}", f"{page}x")
    assert plain.read_bytes() != picture.read_bytes()
