"""What a build takes, and which targets there are, by the Dockerfile alone."""

from __future__ import annotations

import pytest

from wherry.dockerfile import parse
from wherry.engine.build_call import outline, targets
from wherry.errors import NotFound

FILE = parse(
    b"""# VERSION is Python's
ARG VERSION=3.12
ARG UNUSED
# build compiles
FROM python:${VERSION} AS build
ARG TOKEN_URL=https://x
RUN --mount=type=secret,id=token,required=true --mount=type=ssh pip install x
FROM debian AS tools
ARG ELSEWHERE
RUN --mount=type=secret,target=/run/secrets/other true
# app is what runs
FROM --platform=$BUILDPLATFORM python:${VERSION}-slim AS app
COPY --from=build /venv /venv
RUN --mount=type=secret,id=token true
""",
    "Dockerfile",
)


def test_targets_are_the_stages_with_their_comments() -> None:
    found = [(one.name, one.is_default, one.description, one.base, one.platform) for one in targets(FILE)]
    assert found == [
        ("build", False, "compiles", "python:${VERSION}", ""),
        ("tools", False, "", "debian", ""),
        ("app", True, "is what runs", "python:${VERSION}-slim", "$BUILDPLATFORM"),
    ]


def test_an_outline_has_what_the_targets_own_stages_take() -> None:
    found = outline(FILE, "", {"VERSION": "3.13"})
    assert (found.target, found.description) == ("app", "is what runs")
    assert [one[:3] for one in found.args] == [
        ("VERSION", "3.13", "is Python's"),
        ("UNUSED", "", ""),
        ("TOKEN_URL", "https://x", ""),
    ]
    assert [one[:2] for one in found.secrets] == [("token", True)]
    assert [one.name for one in found.ssh] == ["default"]
    assert [one.name for one in outline(FILE, "tools", {}).secrets] == ["other"]


def test_a_target_that_is_not_there_is_named() -> None:
    with pytest.raises(NotFound, match="bild") as caught:
        outline(FILE, "bild", {})
    assert "build" in str(caught.value.hint)
