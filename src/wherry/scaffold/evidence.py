"""What the project already says about being packaged, and its files in figures."""

from __future__ import annotations

import json
import re
from typing import Any

from wherry.scaffold.facts import Command, Evidence, Tree, Where
from wherry.scaffold.files import Files
from wherry.scaffold.manifests import line_of, table

__all__ = ["project_name", "read_evidence", "read_tree"]

_COMPOSE = ("compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml")
_APT = ("apt.txt", "packages.txt", "Aptfile")
_SECRET_NAMES = re.compile(
    r"(?:^|/)(?:\.env(?!\.(?:example|sample|template|dist)$)(?:\.[\w.-]+)?|id_(?:rsa|dsa|ecdsa|ed25519)|\.netrc|_netrc|\.pgpass|\.pypirc|"
    r"\.git-credentials|credentials(?:\.json|\.ya?ml)?|client_secret[\w.-]*\.json|service[-_]?account[\w.-]*\.json|[\w.-]*\.(?:p12|pfx|keystore|jks)|"
    r"secrets\.(?:toml|ya?ml|json)|kubeconfig|htpasswd|\.htpasswd|[\w.-]*[-_.]?(?:private|secret)[-_.]?key[\w.-]*|[\w.-]*\.key)$",
    re.IGNORECASE,
)  # fmt: skip
_DATA_SUFFIXES = (
    ".csv",
    ".tsv",
    ".parquet",
    ".feather",
    ".arrow",
    ".jsonl",
    ".sqlite",
    ".db",
    ".zip",
    ".tar",
    ".gz",
    ".mp4",
    ".wav",
    ".h5ad",
)
_LARGE_BYTES = 5_000_000
_MOST_COMMANDS = 50


def read_evidence(files: Files, pyproject: dict[str, Any], text: str) -> Evidence:
    names = [entry.path for entry in files.entries]
    dockerfiles = tuple(
        one for one in names
        if (base := one.rpartition("/")[2]) in ("Dockerfile", "Containerfile")
        or base.startswith("Dockerfile.") or base.endswith(".Dockerfile")
    )  # fmt: skip
    compose = tuple(one for one in _COMPOSE if one in names)
    commands = [*_procfile(files), *_scripts(pyproject, text)]
    for one in [path for path in dockerfiles if "/" not in path][:5]:
        commands += _dockerfile(files, one)
    for one in compose[:2]:
        commands += _composed(files, one)
    apt = [line.strip() for one in _APT for line in (files.text(one) or "").splitlines() if one in names]
    packages = tuple(sorted({line for line in apt if re.fullmatch(r"[a-z0-9][a-z0-9+.-]{1,100}", line)}))
    ignore = ".dockerignore" if ".dockerignore" in names else ""
    return Evidence(tuple(commands[:_MOST_COMMANDS]), dockerfiles, compose, ignore, packages)


def _procfile(files: Files) -> list[Command]:
    found = []
    for number, line in enumerate((files.text("Procfile", 65536) or "").splitlines(), 1):
        name, colon, command = line.partition(":")
        if colon and re.fullmatch(r"[\w-]+", name.strip()) and command.strip():
            found.append(Command(name.strip(), command.strip(), Where("Procfile", number)))
    return found


def _scripts(pyproject: dict[str, Any], text: str) -> list[Command]:
    scripts = table(pyproject, "project", "scripts") or table(pyproject, "tool", "poetry", "scripts")
    return [
        Command(str(name), value, Where("pyproject.toml", line_of(text, value)))
        for name, value in scripts.items() if isinstance(value, str)
    ]  # fmt: skip


def _dockerfile(files: Files, path: str) -> list[Command]:
    """The last CMD or ENTRYPOINT, an array as words. Only its text is wanted: a broken Dockerfile must not stop us."""
    found = None
    for number, line in enumerate((files.text(path, 1 << 20) or "").splitlines(), 1):
        match = re.match(r"\s*(CMD|ENTRYPOINT)\s+(.+)", line, re.IGNORECASE)
        if match:
            found = Command(match[1].upper(), _words(match[2].strip()), Where(path, number))
    return [found] if found else []


def _words(text: str) -> str:
    if text.startswith("["):
        try:
            words = json.loads(text)
        except (ValueError, RecursionError):
            return text
        return " ".join(str(one) for one in words) if isinstance(words, list) else text
    return text


def _composed(files: Files, path: str) -> list[Command]:
    found = []
    for number, line in enumerate((files.text(path, 1 << 20) or "").splitlines(), 1):
        match = re.match(r"\s+command:\s*(.+)", line)
        if match and match[1] not in ("|", ">"):
            found.append(Command("command", _words(match[1].strip()), Where(path, number)))
    return found


def read_tree(files: Files) -> Tree:
    paths = [entry.path for entry in files.entries]
    large = [e.path for e in files.entries if e.size_bytes >= _LARGE_BYTES and e.path.lower().endswith(_DATA_SUFFIXES)]
    tests = sorted(
        {
            "/".join(parts[: at + 1])
            for path in paths
            for parts in [path.split("/")]
            for at in [_tests_at(parts)]
            if at >= 0
        }
    )
    secrets = tuple(one for one in paths if _SECRET_NAMES.search(one) or (one.endswith(".pem") and _is_key(files, one)))
    notebooks = tuple(one for one in paths if one.endswith(".ipynb"))
    size = sum(entry.size_bytes for entry in files.entries)
    return Tree(
        len(paths),
        size,
        files.is_complete,
        files.skipped,
        notebooks,
        secrets,
        tuple(sorted({*files.data, *large})),
        tuple(tests),
    )


def _tests_at(parts: list[str]) -> int:
    return next((at for at, one in enumerate(parts[:-1]) if one in ("tests", "test")), -1)


def _is_key(files: Files, path: str) -> bool:
    return b"PRIVATE KEY" in (files.read(path, 4096) or b"")


def project_name(files: Files, pyproject: dict[str, Any]) -> str:
    said = table(pyproject, "project").get("name") or table(pyproject, "tool", "poetry").get("name")
    name = said if isinstance(said, str) and said else files.root.rpartition("/")[2]
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:100] or "app"
