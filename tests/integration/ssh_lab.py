"""A machine that is reached by ssh, and is this one: a program `ssh` that runs the command in a sandbox of its own.

What ssh itself does (keys, host keys, encryption) is not tested by it; what wherry asks of ssh is.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

__all__ = ["Sandbox"]

_SSH = """\
#!/bin/sh
# ssh's command line, as far as wherry uses it
mode=run
while [ "$1" != -- ]; do
    case $1 in
    -L) forward=$2; shift ;;
    -O) mode=exit; shift ;;
    -o|-i|-p) shift ;;
    -N) mode=forward ;;
    -G) mode=config ;;
    esac
    shift
done
target=$2
shift 2
home='{home}'
echo "$mode $target $*" >> "$home/asked"
case $mode in
exit) exit 0 ;;
config) printf 'user me\nhostname gpu1.example.com\nport 22\n'; exit 0 ;;
esac
if [ -e "$home/fault" ]; then
    cat "$home/fault" >&2
    exit 255
fi
if [ $mode = forward ]; then
    exec '{python}' -S '{forwarder}' "$forward"
fi
exec env -i HOME="$home" PATH="$home/bin:/usr/bin:/bin" LANG=C.UTF-8 sh -c "$*"
"""

_FORWARDER = """\
import socket, sys, threading
here, port, there, to = sys.argv[1].split(":")
server = socket.create_server((here, int(port)))

def copy(one, other):
    try:
        while data := one.recv(65536):
            other.sendall(data)
    except OSError:
        pass
    for end in (one, other):
        try:
            end.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass

while True:
    client, _ = server.accept()
    try:
        behind = socket.create_connection((there, int(to)), 5)
    except OSError:
        client.close()
        continue
    for pair in ((client, behind), (behind, client)):
        threading.Thread(target=copy, args=pair, daemon=True).start()
"""


class Sandbox:
    """`home` is the machine's, with a `bin` on its PATH; `env` has the program `ssh` on this side."""

    def __init__(self, folder: Path) -> None:
        self.home = folder / "machine"
        (self.home / "bin").mkdir(parents=True)
        here = folder / "here"
        here.mkdir()
        forwarder = here / "forwarder.py"
        forwarder.write_text(_FORWARDER)
        _program(here / "ssh", _SSH.format(python=sys.executable, home=self.home, forwarder=forwarder))
        path = f"{here}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        self.env = {"PATH": path, "HOME": str(folder), "LANG": "C.UTF-8"}

    def install(self, name: str, text: str) -> None:
        _program(self.home / "bin" / name, text)

    def fail(self, stderr: str) -> None:
        """What ssh says from now on, with its own exit code; "" is nothing."""
        (self.home / "fault").write_text(stderr) if stderr else (self.home / "fault").unlink()

    def folder(self, name: str) -> Path:
        return self.home / ".local/share/wherry/deploy" / name

    def asked(self) -> list[str]:
        return (self.home / "asked").read_text().splitlines()


def _program(path: Path, text: str) -> None:
    path.write_text(text)
    os.chmod(path, 0o755)
