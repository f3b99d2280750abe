"""The Dockerfile of a conda project: micromamba makes the environment, a plain Debian runs it."""

from __future__ import annotations

from wherry.scaffold.install import comment
from wherry.scaffold.plan import Plan

__all__ = ["conda_dockerfile"]

_ENVIRONMENT = "/opt/env"
_MICROMAMBA = "docker.io/mambaorg/micromamba:2.3.3-debian13-slim"


def conda_dockerfile(plan: Plan) -> str:
    """Python is in the environment: no Python image is needed below it."""
    from wherry.scaffold.dockerfile import runtime

    packages = plan.facts.packages
    lock = packages.lock
    file = lock.file if lock else packages.manifest.file if packages.manifest else "environment.yml"
    seen = f"/tmp/{file.rpartition('/')[2]}"
    bind = f"--mount=type=bind,source={file},target={seen}"
    paragraphs = [
        comment("Written by `wherry init`, and yours from now on: change what you like."),
        "\n".join([comment("What installs stays in this stage."), f"FROM {_MICROMAMBA} AS build"]),
        "# To write below /opt; the image that comes of it has a user of its own.\n# hadolint ignore=DL3002\nUSER 0:0",
        "\n".join([
            "RUN " + " \\\n    ".join([
                "--mount=type=cache,target=/opt/conda/pkgs", bind,
                f"micromamba create --yes --always-copy --prefix {_ENVIRONMENT} --file {seen} \\\n"
                f"    && find {_ENVIRONMENT} -name '*.a' -delete",
            ]),
        ]),
        *runtime(
            plan,
            "FROM debian:trixie-slim AS runtime\n"
            "ENV PYTHONUNBUFFERED=1 PYTHONFAULTHANDLER=1 PYTHONDONTWRITEBYTECODE=1",
            [f"COPY --from=build {_ENVIRONMENT} {_ENVIRONMENT}"],
            f"{_ENVIRONMENT}/bin",
        ),
    ]  # fmt: skip
    return "\n\n".join(paragraphs) + "\n"
