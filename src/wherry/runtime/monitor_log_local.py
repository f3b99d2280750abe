"""The log driver `local`: what was written, byte for byte, in frames that hold all lines that came together.

A frame is its head and its data. The head: the data's length (4 bytes, little end first), 0 for stdout or 1 for
stderr (1 byte), and ns since the epoch (8). The data: whole lines, or one piece of a line without its end. No frame
lies across a border of BLOCK bytes, so a reader can begin at any of them: it is what searching by time and reading
from the end need. Zeros fill up what is left of a block.
"""

from __future__ import annotations

import os

from wherry.runtime.monitor_log import LogFile

HEAD = 13
BLOCK = 1 << 18


class Blocks(LogFile):
    """See above."""

    def _whole(self, fd: int, size: int) -> int:
        begin = (size - 1) // BLOCK * BLOCK
        data = os.pread(fd, BLOCK, begin)
        at = 0
        while at + HEAD <= len(data):
            length = int.from_bytes(data[at : at + 4], "little")
            if not length or at + HEAD + length > len(data):
                break
            at += HEAD + length
        return begin + at

    def _records(self, stream: str, data: bytes) -> bytes:
        # Cut into frames when it is written: only then is known where the borders are
        return self._clock.now().to_bytes(8, "little") + (b"\1" if stream == "stderr" else b"\0") + data

    def _append(self, data: bytes) -> bool:
        stamp, stream, at = data[:8], data[8:9], 9
        while at < len(data):
            room = BLOCK - self._size % BLOCK
            if self._max_bytes > 0:
                room = min(room, self._max_bytes - self._size)
            piece = self._piece(data, at, room - HEAD)
            if piece:
                frame = len(piece).to_bytes(4, "little") + stream + stamp + piece
                if not self._put(frame):
                    return False
                at += len(piece)
            elif not self._make_room(room):
                return False
        return True

    def _piece(self, data: bytes, at: int, room: int) -> bytes:
        """What fits, up to a line's end; nothing when not even one line does."""
        if len(data) - at <= room:
            return data[at:]
        return data[at : data.rfind(b"\n", at, at + room) + 1] if room > 0 else b""

    def _make_room(self, room: int) -> bool:
        """The next block, or the next file."""
        if self._max_bytes > 0 and self._size + room >= self._max_bytes and self._size:
            self._rotate()
            return not self._size
        return self._put(bytes(room))
