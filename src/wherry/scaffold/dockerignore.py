"""The .dockerignore of a project: what never belongs into an image, and what is kept although it lies there."""

from __future__ import annotations

from wherry.scaffold.plan import Plan

__all__ = ["dockerignore"]

_GROUPS = (
    ("Version control, editors, CI", (".git", ".gitattributes", ".gitlab-ci.yml", ".github", ".idea", ".vscode",
                                      "**/.DS_Store")),
    ("Python's own leftovers: the image has an environment of its own", (
        ".venv", "venv", "**/__pycache__", "**/*.py[cod]", "**/.ipynb_checkpoints", ".mypy_cache", ".nox",
        ".pytest_cache",
        ".ruff_cache", ".tox", ".coverage", "htmlcov", "**/*.egg-info")),
    ("Secrets: whoever can pull an image can read every file in it", (
        "**/.env", "**/.env.*", "!**/.env.example", "**/*.pem", "**/*.key", "**/id_rsa*", "**/id_ed25519*", "**/.netrc",
        "**/.pypirc", ".aws", ".ssh", "**/.streamlit/secrets.toml")),
    ("What training leaves behind", ("**/*.ipynb", "lightning_logs", "mlruns", "mlartifacts", "wandb")),
    ("About containers", ("**/Dockerfile*", ".dockerignore", "**/compose*.yaml", "**/compose*.yml",
                          "**/docker-compose*.yml")),
)  # fmt: skip
_SECRETS, _DATA = 2, 3


def dockerignore(plan: Plan) -> str:
    """The whole text. Later lines win, so what is kept comes last."""
    tree = plan.facts.tree
    more = {1: tree.skipped, _SECRETS: tree.secrets, _DATA: (*tree.data, *tree.notebooks)}
    parts = ["# Written by `wherry init`. What is named here is not sent to builds, and can't get into the image."]
    hidden: list[str] = []
    every = tuple(pattern for _, patterns in _GROUPS for pattern in patterns)
    for number, (title, patterns) in enumerate(_GROUPS):
        own = [_literal(path) for path in more.get(number, ()) if not _is_named(path, every)]
        hidden += more.get(number, ())
        parts.append("\n".join([f"# {title}", *patterns, *sorted(set(own))]))
    if tree.tests:
        parts.append("\n".join(["# Tests", *sorted(map(_literal, tree.tests))]))
        hidden += tree.tests
    if kept := sorted({path for path in _needed(plan) if _is_below(path, hidden)}):
        parts.append("\n".join(["# ... but the application needs these", *(f"!{_literal(path)}" for path in kept)]))
    return "\n\n".join(parts) + "\n"


def _needed(plan: Plan) -> list[str]:
    """Files of the project without which the image can't be built, or the application can't start."""
    facts = plan.facts
    packages = facts.packages
    named = [facts.app.file if facts.app else "", plan.app.file, *packages.requirement_files, *packages.local_paths]
    named += [one.file for one in (packages.manifest, packages.lock) if one]
    return [path for path in named if path] + [one.path for one in facts.weights if one.loaded_at]


def _is_below(path: str, folders: list[str]) -> bool:
    return any(path == folder or path.startswith(folder.rstrip("/") + "/") for folder in folders)


def _is_named(path: str, patterns: tuple[str, ...]) -> bool:
    """Whether a pattern that is there anyway is this very path, at the top or anywhere."""
    name = path.rpartition("/")[2]
    if f"**/{name}" in patterns or path in patterns or (name.endswith(".ipynb") and "**/*.ipynb" in patterns):
        return True
    # Nested ones of the folders that are named for the top only stand in the list with their whole path
    return name == "__pycache__" or (name.startswith(".env.") and name != ".env.example")


def _literal(path: str) -> str:
    """The path as a pattern: what would be a wildcard in it is escaped, and no name begins a comment."""
    escaped = "".join(f"\\{char}" if char in "*?[\\" else char for char in path.rstrip("/"))
    return f"./{escaped}" if escaped.startswith(("#", "!")) else escaped
