"""The page at /: repositories, tags, layers, platforms, referrers. Plain HTML: no script, nothing from elsewhere.

    /                        repositories
    /browse/NAME             its tags
    /browse/NAME@DIGEST      one manifest; also /browse/NAME:TAG

Everything that came from a client is text in it, never markup; the headers forbid scripts all the same.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from html import escape
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote

from wherry.oci import mediatype
from wherry.registry.server.browse import Browser, Details, Tagged, when

if TYPE_CHECKING:
    from wherry.registry.server.hooks import Guard
    from wherry.registry.server.manifests import Manifests
    from wherry.registry.server.storage import Storage
    from wherry.web.server import Request, Responder

__all__ = ["RegistryPages"]

_PER_PAGE = 100
_SAFE = (
    (
        "Content-Security-Policy",
        "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
    ("Cache-Control", "no-store"),
)  # fmt: skip
_UNITS = ("B", "kB", "MB", "GB", "TB")


class RegistryPages:
    """A `Pages`: answers /, /browse/... and /style.css, by GET and HEAD."""

    def __init__(self, storage: Storage, manifests: Manifests, guard: Guard) -> None:
        self._storage, self._guard = storage, guard
        self._browser = Browser(storage, manifests)
        with open(os.path.join(os.path.dirname(__file__), "page.css"), "rb") as file:
            self._style = file.read()

    def handle(self, request: Request, responder: Responder) -> bool:
        """True when it has answered."""
        if request.method not in ("GET", "HEAD"):
            return False
        if request.path == "/style.css":
            kind = ("Content-Type", "text/css; charset=utf-8")
            responder.send(
                200, (kind, ("X-Content-Type-Options", "nosniff"), ("Cache-Control", "max-age=300")), self._style
            )
            return True
        if request.path == "/":
            self._list(request, responder)
            return True
        if request.path.startswith("/browse/"):
            self._browse(request, responder, unquote(request.path.removeprefix("/browse/")))
            return True
        return False

    def _list(self, request: Request, responder: Responder) -> None:
        if not self._may(request, responder, "catalog", ""):
            return
        names: list[str] = []
        last = request.param("last")
        # Names that one may not read are left out, so more than a page may have to be looked at
        while len(names) <= _PER_PAGE and (found := self._storage.repositories(last, _PER_PAGE + 1)):
            names += [name for name in found if self._guard.check(request, "pull", name).allowed]
            last = found[-1]
        rows = [
            (_link(f"/browse/{quote(one.name)}", one.name), str(one.tags), _size(one.size), when(one.pushed_s))
            for one in map(self._browser.shelf, names[:_PER_PAGE])
            if one
        ]
        body = _table(("Repository", "Tags", "Size", "Last push (UTC)"), rows, numbers=(1, 2))
        if not rows:
            body = f"<p class=empty>Nothing is here yet. To push an image:</p>{_push_lines(request)}"
        more = names[_PER_PAGE - 1] if len(names) > _PER_PAGE else ""
        self._send(responder, "Repositories", f"<h1>Repositories</h1>{body}{_next('/', more)}")

    def _browse(self, request: Request, responder: Responder, rest: str) -> None:
        name, _, reference = rest.partition("@")
        if not reference:
            name, _, reference = rest.partition(":")
        if not self._may(request, responder, "pull", name):
            return
        if reference:
            details = self._browser.details(name, reference)
            if details:
                self._send(responder, f"{name}@{details.digest}", _manifest(name, details, _host(request)))
                return
        elif shelf := self._browser.shelf(name):
            tags = self._browser.tags(name, request.param("last"), _PER_PAGE + 1)
            facts = f"{shelf.tags} tags, {shelf.manifests} manifests, {_size(shelf.size)}"
            head = f"{_crumbs(name)}<h1>{escape(name)}</h1><p class=facts>{facts}</p>"
            more = tags[_PER_PAGE - 1].tag if len(tags) > _PER_PAGE else ""
            body = head + _tags(name, tags[:_PER_PAGE]) + _next(f"/browse/{quote(name)}", more)
            self._send(responder, name, body)
            return
        self._send(
            responder,
            "Not found",
            '<h1>Not found</h1><p>There is no such repository or manifest. <a href="/">All repositories</a></p>',
            404,
        )

    def _may(self, request: Request, responder: Responder, action: str, name: str) -> bool:
        decision = self._guard.check(request, action, name)
        if decision.allowed:
            return True
        page = _page("Refused", f"<h1>Refused</h1><p>{escape(decision.message)}</p>")
        responder.send(decision.status, (("Content-Type", "text/html; charset=utf-8"), *_SAFE, *decision.headers), page)
        return False

    def _send(self, responder: Responder, title: str, body: str, status: int = 200) -> None:
        responder.send(status, (("Content-Type", "text/html; charset=utf-8"), *_SAFE), _page(title, body))


def _page(title: str, body: str) -> bytes:
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)} - wherry registry</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        '<link rel="stylesheet" href="/style.css"></head><body>'
        '<header><a class="brand" href="/">wherry <span>registry</span></a></header>'
        f"<main>{body}</main></body></html>\n"
    ).encode()


def _manifest(name: str, one: Details, host: str) -> str:
    facts = [("Digest", f"<code>{escape(one.digest)}</code>"), ("Type", f"<code>{escape(one.media_type)}</code>")]
    facts += [("Artifact", f"<code>{escape(one.artifact_type)}</code>")] if one.artifact_type else []
    facts += [("Platform", escape(one.platform))] if one.platform else []
    facts += [("Created", escape(one.created))] if one.created else []
    facts += [("Size", _size(one.size))]
    facts += [("Refers to", _manifest_link(name, one.subject))] if one.subject else []
    facts += [(escape(title), f"<code>{escape(value)}</code>") for title, value in (*one.settings, *one.annotations)]
    tags = "".join(f"<li>{_link(f'/browse/{quote(name)}:{quote(tag)}', tag)}</li>" for tag in one.tags)
    title = escape(one.tags[0] if one.tags else one.digest.short)
    wanted = f"{host}/{name}:{one.tags[0]}" if one.tags else f"{host}/{name}@{one.digest}"
    return "".join((
        _crumbs(name), f"<h1>{escape(name)} <span>{title}</span></h1>",
        f"<ul class=tags>{tags}</ul>" if tags else "",
        f"<pre>wherry pull {escape(wanted)}</pre>",
        "<dl>", *(f"<dt>{key}</dt><dd>{value}</dd>" for key, value in facts), "</dl>",
        _children(name, one), _parts(one), _referrers(name, one),
    ))  # fmt: skip


def _children(name: str, one: Details) -> str:
    rows = [
        (
            _manifest_link(name, child.digest) if child.is_here else f"<code>{escape(child.digest)}</code> (not here)",
            escape(child.platform),
            _size(child.size),
        )
        for child in one.children
    ]
    return f"<h2>Platforms</h2>{_table(('Manifest', 'Platform', 'Size'), rows, numbers=(2,))}" if rows else ""


def _parts(one: Details) -> str:
    rows = [
        (f"<code title=\"{escape(part.digest)}\">{escape(_short(part.digest))}</code>", _size(part.size),
         f"<code>{escape(_kind(part.media_type))}</code>", escape(part.how[:300]))
        for part in one.parts
    ]  # fmt: skip
    return (
        f"<h2>Config and layers</h2>{_table(('Blob', 'Size', 'Type', 'Made by'), rows, numbers=(1,))}" if rows else ""
    )


def _referrers(name: str, one: Details) -> str:
    rows = [
        (_manifest_link(name, item.digest), f"<code>{escape(item.artifact_type)}</code>", _size(item.size))
        for item in one.referrers
    ]
    return f"<h2>Referrers</h2>{_table(('Manifest', 'Artifact type', 'Size'), rows, numbers=(2,))}" if rows else ""


def _tags(name: str, tags: Sequence[Tagged]) -> str:
    rows = [
        (
            _link(f"/browse/{quote(name)}:{quote(one.tag)}", one.tag),
            _manifest_link(name, one.digest),
            escape(", ".join(one.platforms)),
            _size(one.size),
            str(one.referrers or ""),
            when(one.pushed_s),
        )
        for one in tags
    ]
    heads = ("Tag", "Digest", "Platforms", "Size", "Referrers", "Pushed (UTC)")
    return _table(heads, rows, numbers=(3, 4)) if rows else "<p class=empty>No tags.</p>"


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]], numbers: Sequence[int]) -> str:
    """Cells are markup already; columns in `numbers` stand right."""

    def mark(i: int) -> str:
        return " class=n" if i in numbers else ""

    head = "".join(f'<th scope="col"{mark(i)}>{escape(text)}</th>' for i, text in enumerate(heads))
    lines = ("".join(f"<td{mark(i)}>{cell}</td>" for i, cell in enumerate(row)) for row in rows)
    body = "".join(f"<tr>{line}</tr>" for line in lines)
    return f'<div class=wide tabindex="0"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _crumbs(name: str) -> str:
    return f'<nav aria-label="Path"><a href="/">Repositories</a> / {_link(f"/browse/{quote(name)}", name)}</nav>'


def _link(target: str, text: str) -> str:
    return f'<a href="{escape(target)}">{escape(text)}</a>'


def _manifest_link(name: str, digest: str) -> str:
    target = escape(f"/browse/{quote(name)}@{quote(digest, safe=':')}")
    return f'<a href="{target}" title="{escape(digest)}"><code>{escape(_short(digest))}</code></a>'


def _next(target: str, last: str) -> str:
    return f'<p><a rel="next" href="{escape(target)}?last={quote(last, safe="")}">More</a></p>' if last else ""


def _push_lines(request: Request) -> str:
    host = escape(_host(request))
    return f"<pre>wherry tag IMAGE {host}/IMAGE\nwherry push {host}/IMAGE</pre>"


def _host(request: Request) -> str:
    return request.headers.get("host", "localhost:5000")


def _kind(media_type: str) -> str:
    """The part of a media type that tells a blob of an image from its neighbours."""
    return "config" if media_type in (mediatype.CONFIG, mediatype.DOCKER_CONFIG) else media_type.rpartition(".")[2]


def _short(digest: str) -> str:
    return digest.partition(":")[2][:12] or digest


def _size(count: int) -> str:
    """As docker writes sizes: 1000-based, four figures."""
    value, unit = float(count), 0
    while value >= 1000 and unit < len(_UNITS) - 1:
        value, unit = value / 1000, unit + 1
    return f"{count} B" if unit == 0 else f"{value:.3g} {_UNITS[unit]}"
