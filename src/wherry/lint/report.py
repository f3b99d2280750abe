"""Findings as text, JSON and SARIF."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from wherry.dockerfile.span import Span, printable
from wherry.lint.rule import Level, Rule
from wherry.lint.run import Finding

__all__ = ["buildkit", "json_document", "sarif", "summary", "text"]

_SARIF_LEVELS: dict[Level, str] = {"error": "error", "warning": "warning", "info": "note", "style": "note"}
_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"


def text(findings: Sequence[Finding]) -> Iterator[str]:
    """As `docker build --check` prints it: a line that counts, then each finding with its place."""
    count = len(findings)
    if not count:
        yield "Check complete, no warnings found."
        return
    yield f"Check complete, {count} warning{'s have' if count > 1 else ' has'} been found!"
    for one in findings:
        yield ""
        yield f"{one.level.upper()}: {one.rule.name}" + (f" - {one.rule.url}" if one.rule.url else "")
        yield printable(one.message)
        yield one.span.excerpt()


def summary(findings: Sequence[Finding]) -> Iterator[str]:
    """What stands at the end of a build, as buildx has it."""
    if findings:
        count = len(findings)
        yield ""
        yield f" {count} warning{'s' if count > 1 else ''} found (wherry lint shows where):"
        for one in findings:
            yield f" - {one.rule.name}: {printable(one.message)} (line {one.span.first})"


def json_document(findings: Iterable[Finding], path: str) -> list[dict[str, Any]]:
    """hadolint's fields, so that what reads its JSON reads this."""
    return [
        {
            "line": one.span.first,
            "column": one.span.column or 1,
            "level": one.level,
            "code": one.rule.name,
            "message": one.message,
            "file": path,
        }
        for one in findings
    ]


def buildkit(findings: Iterable[Finding], name: str, data: bytes) -> dict[str, Any]:
    """As `docker build --call=check,format=json` prints it.

    Spec: https://github.com/moby/buildkit/blob/v0.17.0/frontend/subrequests/lint/lint.go
    """
    from base64 import b64encode

    warnings = []
    for one in findings:
        warning = {"ruleName": one.rule.name, "description": one.rule.description, "url": one.rule.url}
        ends = {"start": {"line": one.span.first}, "end": {"line": one.span.last}}
        warnings.append({**warning, "detail": one.message, "location": {"ranges": [ends]}})
    source = {"fileName": name, "language": "Dockerfile", "definition": None, "data": b64encode(data).decode()}
    return {"warnings": warnings, "sources": [source]}


def sarif(findings: Sequence[Finding], path: str, version: str) -> dict[str, Any]:
    """`path` is relative to the folder that a code scanner looks at, or absolute.

    Spec: https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/sarif-v2.1.0-errata01-os-complete.html
    """
    rules = {one.rule.name: one.rule for one in findings}
    places = {name: number for number, name in enumerate(sorted(rules))}
    driver = {
        "name": "wherry lint",
        "version": version,
        "rules": [_rule(rules[name]) for name in places],
    }
    results = [
        {
            "ruleId": one.rule.name,
            "ruleIndex": places[one.rule.name],
            "level": _SARIF_LEVELS.get(one.level, "none"),
            "message": {"text": one.message},
            "locations": [_location(one.span, path)],
        }
        for one in findings
    ]
    run = {"tool": {"driver": driver}, "columnKind": "unicodeCodePoints", "results": results}
    return {"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}


def _rule(rule: Rule) -> dict[str, Any]:
    found: dict[str, Any] = {
        "id": rule.name,
        "shortDescription": {"text": rule.description},
        "defaultConfiguration": {"level": _SARIF_LEVELS.get(rule.level, "none")},
    }
    if rule.url:
        found["helpUri"] = rule.url
    return found


def _location(span: Span, path: str) -> dict[str, Any]:
    from urllib.parse import quote

    region = {"startLine": span.first, "endLine": span.last}
    if span.column:
        region = {"startLine": span.first, "startColumn": span.column, "endColumn": span.end_column}
    return {"physicalLocation": {"artifactLocation": {"uri": quote(path)}, "region": region}}
