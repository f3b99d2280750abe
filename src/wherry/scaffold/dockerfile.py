"""The Dockerfile that an expert would have written for a project, with the why of what a beginner would ask about."""

from __future__ import annotations

from wherry.scaffold.command import Start, exec_form, module_folder
from wherry.scaffold.install import VENV, comment, install
from wherry.scaffold.plan import Plan

__all__ = ["dockerfile"]

_UID = 10001
_LARGE_BYTES = 1 << 30


def dockerfile(plan: Plan) -> str:
    """The whole text."""
    if plan.facts.packages.manager == "conda":
        from wherry.scaffold.conda import conda_dockerfile

        return conda_dockerfile(plan)
    build = ["FROM base AS build", *_apt(plan.build_packages, "Only for the installation: the image gets none of it."),
             *install(plan)]  # fmt: skip
    paragraphs = [*_head(plan), "\n".join([comment("What installs stays in this stage."), build[0]]), *build[1:]]
    paragraphs += runtime(plan, "FROM base AS runtime", [f"COPY --from=build {VENV} {VENV}"], f"{VENV}/bin")
    return "\n\n".join(paragraphs) + "\n"


def runtime(plan: Plan, stage: str, environment: list[str], path: str) -> list[str]:
    """The stage that becomes the image. `environment` are the lines that bring it, `path` its programs."""
    return [
        stage,
        *_apt(plan.run_packages, _reasons(plan)),
        comment("A user of its own, which owns nothing: what is broken into can change nothing here.",
                "Any other uid does too (--user, OpenShift), and so does a read-only root: only /tmp is written to.")
        + f"\nRUN useradd --uid {_UID} --user-group --no-create-home --home-dir /tmp --no-log-init app",
        _environment(plan, path),
        "WORKDIR /app",
        "\n".join([*environment, *_code(plan)]),
        f"USER {_UID}:{_UID}",
        *_port_and_health(plan),
        "\n".join([
            comment(f"Exec form: the application is process 1, and gets {plan.start.stop_signal} itself.",
                    *plan.start.why),
            f"CMD {exec_form(plan.start.command)}",
        ]),
    ]  # fmt: skip


def _head(plan: Plan) -> list[str]:
    if plan.is_pinned:
        pin = [
            "The digest says which image exactly; `wherry init --force` (or Renovate, Dependabot) brings the newest."
        ]
    else:
        pin = [
            "A tag moves. `wherry init --pin --force` writes the digest behind it, when the registry can be reached."
        ]
    return [
        comment("Written by `wherry init`, and yours from now on: change what you like."),
        "\n".join([
            comment(*pin),
            f"FROM {plan.base} AS base",
            comment("Output comes at once, also when it is piped; a crash in C shows where; no .pyc is written."),
            "ENV PYTHONUNBUFFERED=1 PYTHONFAULTHANDLER=1 PYTHONDONTWRITEBYTECODE=1 PIP_DISABLE_PIP_VERSION_CHECK=1",
        ]),
    ]  # fmt: skip


def _apt(names: tuple[str, ...], why: str) -> list[str]:
    if not names:
        return []
    return ["\n".join([
        comment(*why.split("\n"), "Unpinned: Debian keeps the newest version of a package only."),
        "# hadolint ignore=DL3008",
        "RUN apt-get update \\\n"
        f"    && apt-get install --yes --no-install-recommends {' '.join(names)} \\\n"
        "    && rm -rf /var/lib/apt/lists/*",
    ])]  # fmt: skip


def _reasons(plan: Plan) -> str:
    found: dict[str, str] = {}
    for one in plan.facts.system_packages:
        if one.phase == "run":
            found.setdefault(one.name, one.distribution)
    lines = [f"{name}: {distribution} needs it." for name, distribution in sorted(found.items())]
    asked = [name for name in plan.run_packages if name not in found]
    return "\n".join(lines + ([f"Asked for by the project: {', '.join(asked)}."] if asked else []))


def _environment(plan: Plan, path: str) -> str:
    names = [("PATH", f"{path}:$PATH"), ("HOME", "/tmp")]
    said = ["HOME: libraries keep caches there, and no other folder can be written to."]
    if (folder := module_folder(plan.app)) and not _is_installed(plan):
        names.append(("PYTHONPATH", folder))
    names += plan.start.env
    if plan.is_gpu:
        said.append("NVIDIA_*: what the host's driver lends to the container; CUDA itself comes with the wheels.")
        names += [("NVIDIA_VISIBLE_DEVICES", "all"), ("NVIDIA_DRIVER_CAPABILITIES", "compute,utility")]
    return comment(*said) + "\nENV " + " \\\n    ".join(f"{name}={value}" for name, value in names)


def _is_installed(plan: Plan) -> bool:
    packages = plan.facts.packages
    return (
        packages.is_package
        and packages.manager not in ("pipenv", "conda")
        and not (packages.manager == "pip" and packages.requirement_files and "." not in packages.local_paths)
    )


def _code(plan: Plan) -> list[str]:
    weights = [one for one in plan.facts.weights if one.size_bytes >= 64 << 20]
    if not weights:
        return ["COPY . ."]
    return [comment(f"{weights[0].path} is a layer of its own in wherry: an edit of the code leaves it alone."),
            "COPY . ."]  # fmt: skip


def _port_and_health(plan: Plan) -> list[str]:
    start = plan.start
    if not plan.has_port:
        return [
            comment("It listens on no port: there is nothing to ask for its health.")
            + "\nHEALTHCHECK NONE\n"
            + _stop_signal(start)
        ]
    if start.health_path:
        code = ("import http.client as h, sys; c = h.HTTPConnection('127.0.0.1', {port}, timeout=2); "
                "c.request('GET', '{path}'); sys.exit(c.getresponse().status >= 400)")  # fmt: skip
        why = ["Python asks, since a slim image has no curl; http.client, which no proxy variable leads astray."]
        code = code.format(port=start.port, path=start.health_path)
    else:
        code = f"import socket; socket.create_connection(('127.0.0.1', {start.port}), 2).close()"
        why = ["No route for health was found: it only looks whether the port answers."]
        if plan.app.framework == "django" and plan.app.health:
            why = ["Django refuses what asks for a host that ALLOWED_HOSTS does not name, 127.0.0.1 often among them:",
                   "it only looks whether the port answers."]  # fmt: skip
    check = exec_form(("python", "-c", code))
    return ["\n".join([
        f"EXPOSE {start.port}",
        comment(*why),
        f"HEALTHCHECK --interval=10s --timeout=3s --start-period={_start_period_s(plan)}s --retries=3 \\",
        f"    CMD {check}",
        _stop_signal(start),
    ])]  # fmt: skip


def _stop_signal(start: Start) -> str:
    if start.stop_signal == "SIGTERM":
        return "STOPSIGNAL SIGTERM"
    why = "Process 1 hears only signals that it handles: as Python leaves it, that is SIGINT (^C), and not SIGTERM."
    return comment(why) + f"\nSTOPSIGNAL {start.stop_signal}"


def _start_period_s(plan: Plan) -> int:
    """How long failed checks do not count: a large model takes a while to load, a download longer."""
    loads = sum(one.size_bytes for one in plan.facts.weights if one.loaded_at)
    if any(one.at_import for one in plan.facts.downloads):
        return 600
    return 300 if loads >= _LARGE_BYTES else 60
