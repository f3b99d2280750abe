"""One line for each request, whatever is in it."""

from __future__ import annotations

import time
from collections.abc import Callable

from wherry.web.server import Exchange

__all__ = ["access_line", "logged"]

_PATH_CHARS = 1024


def access_line(exchange: Exchange, now: float) -> str:
    """`time remote user "METHOD path" status bytes seconds`, without a line end. `now` is the Unix time in seconds.

    The query is left out: it may hold more than a log should. Status 000: the peer left before there was an answer.
    """
    request = exchange.request
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now)) + f".{int(now * 1000) % 1000:03d}Z"
    what = f"{request.method} {quoted(request.path[:_PATH_CHARS])}"
    user = quoted(request.user[:128]).replace(" ", "\\x20") or "-"
    return f'{stamp} {request.remote} {user} "{what}" {exchange.status:03d} {exchange.sent} {exchange.duration_s:.6f}'


def quoted(text: str) -> str:
    """Nothing in it ends a line or a quotation, or steers a terminal."""
    if text.isascii() and text.isprintable() and '"' not in text and "\\" not in text:
        return text
    return "".join(
        one if one.isascii() and one.isprintable() and one not in '"\\' else f"\\x{ord(one):02x}" for one in text
    )


def logged(write: Callable[[str], None]) -> Callable[[Exchange], None]:
    """An `on_done` of the web server. `write` takes one line; threads call it at once."""

    def on_done(exchange: Exchange) -> None:
        write(access_line(exchange, time.time()))

    return on_done
