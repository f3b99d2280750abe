"""What containers said they wrote to volumes: it must be there as long as the volume is."""

from __future__ import annotations

from pathlib import Path

from tests.chaos.acts import Act

__all__ = ["Ledger"]


class Ledger:
    """Words by volume; a volume that a command may have removed is forgotten when it is gone."""

    def __init__(self, volumes: Path) -> None:
        self._volumes = volumes
        self._words: dict[str, set[str]] = {}

    def _log(self, volume: str) -> Path:
        return self._volumes / volume / "_data" / "log"

    def note(self, act: Act, stdout: str) -> None:
        """Called when the act has ended or was killed."""
        if act.writes and act.writes in stdout.split():
            self._words.setdefault(act.volume, set()).add(act.writes)
        for volume in act.drops:
            if not self._log(volume).exists():
                self._words.pop(volume, None)

    def lost(self) -> list[str]:
        found = []
        for volume, words in self._words.items():
            log = self._log(volume)
            there = set(log.read_text().split()) if log.exists() else set()
            found += [f"{volume} lost {word}" for word in sorted(words - there)]
        return found
