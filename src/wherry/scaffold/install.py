"""The build stage: how each package manager installs a project's dependencies into one environment, /opt/venv."""

from __future__ import annotations

from collections.abc import Sequence

from wherry.scaffold.facts import Packages
from wherry.scaffold.plan import Plan
from wherry.scaffold.tool_versions import pinned

__all__ = ["VENV", "install"]

VENV = "/opt/venv"
_PIP_CACHE = "--mount=type=cache,target=/root/.cache/pip"
_UV_CACHE = "--mount=type=cache,target=/root/.cache/uv"
_IN_PLACE = (
    "The project itself is installed in place: an edit of its code leaves the environment, the large part, as it is."
)


def install(plan: Plan) -> list[str]:
    """Paragraphs of the build stage, behind its FROM and its system packages."""
    packages = plan.facts.packages
    by_manager = {"uv": _uv, "poetry": _poetry, "pdm": _pdm, "pipenv": _pipenv}
    if packages.manager in by_manager:
        return by_manager[packages.manager](plan)
    if packages.requirement_files:
        return _requirements(plan)
    if packages.manifest and packages.manifest.file.endswith("pyproject.toml"):
        return _pyproject(plan)
    if packages.manifest and packages.manifest.file.endswith("setup.py"):
        return _setup_py(plan)
    return _nothing_declared(plan)


def run(command: str, *mounts: str) -> str:
    """A RUN, its mounts one a line."""
    return "RUN " + " \\\n    ".join([*mounts, command])


def comment(*lines: str) -> str:
    return "\n".join(f"# {line}" for line in lines)


def _bind(*paths: str) -> list[str]:
    return [f"--mount=type=bind,source={path},target={path}" for path in paths]


def _in_root(packages: Packages, *names: str) -> list[str]:
    """The names in the folder of the project's manifest."""
    return [name if packages.root in ("", ".") else f"{packages.root}/{name}" for name in names]


def _tool(plan: Plan, name: str, *beside: str) -> str:
    wanted = pinned(name, plan.python)
    ignored = "" if "==" in wanted else "# hadolint ignore=DL3013\n"
    return ignored + run(f"pip install --root-user-action=ignore {' '.join([wanted, *beside])}", _PIP_CACHE)


def _venv() -> str:
    return "\n".join([
        comment("An environment without pip: the image gets what the application imports, and no installer."),
        f"RUN python -m venv --without-pip {VENV}",
    ])  # fmt: skip


def _server(plan: Plan, command: str, *mounts: str) -> list[str]:
    """The step that adds a server which the project does not declare."""
    server = plan.start.server
    if server is None:
        return []
    wanted = pinned(server.distribution, plan.python)
    said = comment(
        f"Serves the application, and is not among its dependencies: better declare {server.distribution} there."
    )
    ignored = "" if "==" in wanted else "# hadolint ignore=DL3013\n"
    quoted = f'"{wanted}"' if "[" in wanted else wanted
    return [f"{said}\n{ignored}{run(f'{command} {quoted}', *mounts)}"]


def _uv_env(**more: str) -> str:
    # UV_PYTHON: a .python-version with a patch level would have uv look for another Python than the image's
    names = {"UV_COMPILE_BYTECODE": "1", "UV_LINK_MODE": "copy", "UV_PYTHON": "/usr/local/bin/python", **more}
    return "ENV " + " \\\n    ".join(f"{name}={value}" for name, value in names.items())


def _uv(plan: Plan) -> list[str]:
    packages = plan.facts.packages
    names = _in_root(packages, "pyproject.toml", *(["uv.lock"] if packages.lock else []))
    locked = "--locked " if packages.lock else ""
    sync = f"uv sync {locked}--no-dev" + ("" if packages.root in ("", ".") else f" --project {packages.root}")
    paragraphs = [
        comment("uv from PyPI: no second registry is needed for its image.") + "\n" + _tool(plan, "uv"),
        _uv_env(UV_PROJECT_ENVIRONMENT=VENV, VIRTUAL_ENV=VENV),
        "WORKDIR /app",
    ]
    why = (
        "--locked: fails when uv.lock does not fit pyproject.toml, instead of installing something else."
        if locked
        else ("There is no uv.lock: versions may differ from build to build. Write one with: uv lock")
    )
    is_split = not packages.local_paths
    if is_split:
        paragraphs.append(comment(why) + "\n" + run(f"{sync} --no-install-project", _UV_CACHE, *_bind(*names)))
        paragraphs += _server(plan, "uv pip install", _UV_CACHE)
    if packages.is_package or not is_split:
        said = comment(_IN_PLACE) if is_split else comment(why)
        inexact = " --inexact" if plan.start.server and is_split else ""
        paragraphs += ["COPY . .", f"{said}\n" + run(f"{sync}{inexact}", _UV_CACHE)]
    if not is_split:
        paragraphs += _server(plan, "uv pip install", _UV_CACHE)
    return paragraphs


def _poetry(plan: Plan) -> list[str]:
    packages = plan.facts.packages
    command = "poetry install --only=main --no-interaction --compile"
    if packages.root not in ("", "."):
        command += f" --directory {packages.root}"
    names = _in_root(packages, "pyproject.toml", *(["poetry.lock"] if packages.lock else []))
    cache = "--mount=type=cache,target=/root/.cache/pypoetry"
    steps = [run(f"{command} --no-root", cache, *_bind(*names))] if not packages.local_paths else []
    if not packages.lock:
        steps[:1] = [comment("There is no poetry.lock: versions may differ from build to build. Write one with: "
                             "poetry lock") + "\n" + one for one in steps[:1]]  # fmt: skip
    if packages.is_package or packages.local_paths:
        steps += ["COPY . .", comment(_IN_PLACE) + "\n" + run(command, cache)]
    return [
        _tool(plan, "poetry"),
        _venv(),
        comment("Poetry installs into the environment that VIRTUAL_ENV names.") + f"\nENV VIRTUAL_ENV={VENV}",
        "WORKDIR /app",
        *steps,
        *_server(plan, f"pip --python {VENV}/bin/python install", _PIP_CACHE),
    ]


def _pdm(plan: Plan) -> list[str]:
    packages = plan.facts.packages
    command = "pdm install --check --prod" if packages.lock else "pdm install --prod"
    if packages.root not in ("", "."):
        command += f" --project {packages.root}"
    names = _in_root(packages, "pyproject.toml", *(["pdm.lock"] if packages.lock else []))
    cache = "--mount=type=cache,target=/root/.cache/pdm"
    steps = [run(f"{command} --no-self", cache, *_bind(*names))] if not packages.local_paths else []
    if packages.is_package or packages.local_paths:
        steps += ["COPY . .", comment(_IN_PLACE) + "\n" + run(command, cache)]
    return [
        comment("hishel: pdm of this version fails with its release 2.") + "\n" + _tool(plan, "pdm", "'hishel<2'"),
        _venv(),
        f"ENV VIRTUAL_ENV={VENV} PDM_CHECK_UPDATE=false",
        "WORKDIR /app",
        *steps,
        *_server(plan, f"pip --python {VENV}/bin/python install", _PIP_CACHE),
        comment("pdm compiles nothing, and the container may not write.")
        + f"\nRUN python -m compileall -q -j 0 {VENV}/lib",
    ]


def _pipenv(plan: Plan) -> list[str]:
    packages = plan.facts.packages
    names = _in_root(packages, "Pipfile", *(["Pipfile.lock"] if packages.lock else []))
    if packages.root not in ("", "."):
        exported = f"cd {packages.root} && pipenv verify && pipenv requirements --hash > /tmp/requirements.txt"
    else:
        exported = "pipenv verify && pipenv requirements --hash > /tmp/requirements.txt"
    pip = f"pip --python {VENV}/bin/python install"
    if not packages.lock:
        exported = exported.replace("pipenv verify && pipenv requirements --hash", "pipenv lock && pipenv requirements")
    hashes = "--require-hashes " if packages.lock else ""
    mounts = _bind(*names) if packages.lock else [f"{one},rw" for one in _bind(*names)]
    return [
        _tool(plan, "pipenv"),
        _venv(),
        "WORKDIR /app",
        comment("verify: fails when Pipfile.lock does not fit Pipfile.") + "\n" + run(exported, *mounts),
        run(f"{pip} {hashes}--requirement /tmp/requirements.txt", _PIP_CACHE),
        *_server(plan, pip, _PIP_CACHE),
    ]


def _requirements(plan: Plan) -> list[str]:
    packages = plan.facts.packages
    lock = packages.lock
    hashes = "--require-hashes " if lock and lock.has_hashes else ""
    pip = f"pip --python {VENV}/bin/python install"
    command = f"{pip} {hashes}--requirement {packages.requirement_files[0]}"
    paragraphs = [_venv(), "WORKDIR /app"]
    if packages.local_paths:
        named = _list(packages.local_paths)
        paragraphs += [
            "COPY . .",
            comment(f"The requirements name {named} of this project.") + "\n" + run(command, _PIP_CACHE),
        ]
    else:
        # Bound, not copied: the step runs again when these files change, and for nothing else
        paragraphs.append(
            comment("Bound, not copied: this runs again when the requirements change, and not for an edit of the code.")
            + "\n" + run(command, _PIP_CACHE, *_bind(*packages.requirement_files))
        )  # fmt: skip
    return [*paragraphs, *_server(plan, pip, _PIP_CACHE)]


def _list(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else ", ".join(names[:-1]) + f" and {names[-1]}"


def _pyproject(plan: Plan) -> list[str]:
    """pyproject.toml without a lock: pip can't install the dependencies without the project, uv can."""
    packages = plan.facts.packages
    names = _in_root(packages, "pyproject.toml")
    paragraphs = [
        comment("uv installs the dependencies that pyproject.toml names without building the project, which pip can't.")
        + "\n" + _tool(plan, "uv"),
        _uv_env(VIRTUAL_ENV=VENV),
        f"RUN uv venv {VENV}",
        "WORKDIR /app",
        comment("There is no lock: versions may differ from build to build. Write one with: uv lock")
        + "\n" + run(f"uv pip install --requirements {names[0]}", _UV_CACHE, *_bind(*names)),
        *_server(plan, "uv pip install", _UV_CACHE),
    ]  # fmt: skip
    if packages.is_package:
        where = "." if packages.root in ("", ".") else f"./{packages.root}"
        paragraphs += [
            "COPY . .",
            comment(_IN_PLACE) + "\n" + run(f"uv pip install --no-deps --editable {where}", _UV_CACHE),
        ]
    return paragraphs


def _setup_py(plan: Plan) -> list[str]:
    pip = f"pip --python {VENV}/bin/python install"
    where = "." if plan.facts.packages.root in ("", ".") else f"./{plan.facts.packages.root}"
    return [
        _venv(), "WORKDIR /app", "COPY . .",
        comment("setup.py is a program: what it needs is known only by running it, so the code comes first.")
        + "\n" + run(f"{pip} --editable {where}", _PIP_CACHE),
        *_server(plan, pip, _PIP_CACHE),
    ]  # fmt: skip


def _nothing_declared(plan: Plan) -> list[str]:
    """The imports are all that is known: what the table is sure of, without versions."""
    names = sorted({one.distribution for one in plan.facts.undeclared if one.is_known})
    pip = f"pip --python {VENV}/bin/python install"
    server = _server(plan, pip, _PIP_CACHE)
    if not names:
        return [_venv(), "WORKDIR /app", *server]
    said = comment("Nothing declares the dependencies: these are what the code imports, in the newest version.",
                   "Better: write them with versions into requirements.txt, then `wherry init --force`.")  # fmt: skip
    command = run(f"{pip} {' '.join(names)}", _PIP_CACHE)
    return [_venv(), "WORKDIR /app", f"{said}\n# hadolint ignore=DL3013\n{command}", *server]
