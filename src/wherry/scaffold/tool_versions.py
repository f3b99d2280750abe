"""Versions of what a build stage installs and the project does not pin: newest on 2026-12-03, raised with each release.

A version that is written down keeps a Dockerfile building as it did; the reader of the file raises it when it suits.
"""

from __future__ import annotations

__all__ = ["pinned"]

_VERSIONS = {
    "daphne": "4.2.3",
    "gunicorn": "27.0.1",
    "hypercorn": "0.18.0",
    "pdm": "2.29.4",
    "pipenv": "2026.10.3",
    "poetry": "2.5.1",
    "uv": "0.13.9",
    "uvicorn": "0.55.0",
    "waitress": "3.0.2",
}
# These versions need at least Python 3.10; uv is one program for all
_OLDEST = (3, 10)


def pinned(requirement: str, python: str) -> str:
    """ "uvicorn" → "uvicorn==0.55.0"; what is not in the table, or not for that Python, stays as it is."""
    name = requirement.partition("[")[0]
    major, _, minor = python.partition(".")
    is_old = (int(major), int(minor or 0)) < _OLDEST
    version = _VERSIONS.get(name)
    return f"{requirement}=={version}" if version and not (is_old and name != "uv") else requirement
