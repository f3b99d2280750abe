"""The laws of the house (docs/dev/architecture.md): imports point down, start-up stays light, effects have one home."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import TypeAlias

import pytest

ROOT = Path(__file__).parents[1] / "src" / "wherry"
RANK = {  # equal rank = siblings, which may not import each other
    "errors": 0, "_version": 0, "lean": 0, "lean_ctypes": 0, "lean_json": 0, "lean_sqlite": 0,
    "durations": 0,
    "oci": 1, "settings": 1, "cancel": 1, "gotemplate": 1, "track": 1,
    "fs": 2,
    "host": 3,
    "image": 4, "dockerfile": 4, "web": 4, "trace": 4, "scaffold": 4,
    "store": 5, "lint": 5,
    "bootstrap": 6, "build": 6, "gpu": 6, "runtime": 6, "network": 6, "volume": 6, "registry": 6, "trust": 6,
    "airgap": 6, "contract": 6, "models": 6, "pipelines": 6, "runs": 6,
    "engine": 7,
    "compose": 8,
    "deploy": 9,
    "cli": 10,
    "api": 11,
    "testing": 12,
    "__init__": 13,  # the names that it gives load when they are used
}  # fmt: skip
SOURCES = sorted(ROOT.rglob("*.py"))


def unit(path: Path) -> str:
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


Node: TypeAlias = ast.Import | ast.ImportFrom | ast.FunctionDef | ast.Attribute | ast.Name


@cache
def nodes(path: Path) -> tuple[Node, ...]:
    """Those that the tests look at. Each file is parsed once; its whole trees would be a lot to keep."""
    found = [node for node in ast.walk(ast.parse(path.read_bytes())) if isinstance(node, Node)]
    names = (ast.Attribute, ast.Name)
    return tuple(node for node in found if not isinstance(node, names) or name_of(node) in HOMES)


def imports(path: Path) -> Iterator[tuple[int, str]]:
    """(line, top-level wherry unit) for each import, function-level and TYPE_CHECKING ones included."""
    package = ("wherry", *path.relative_to(ROOT).parent.parts)
    for node in nodes(path):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package[: len(package) - node.level + 1]) if node.level else ""
            head = ".".join(filter(None, [base, node.module]))
            names = [f"{head}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            parts = name.split(".")
            if parts[0] == "wherry":
                yield node.lineno, parts[1] if len(parts) > 1 and parts[1] in RANK else "__init__"


def test_every_unit_has_a_rank() -> None:
    assert {unit(path) for path in SOURCES} <= RANK.keys()


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_down(path: Path) -> None:
    up = [
        f"{path.name}:{line} imports {target}"
        for line, target in imports(path)
        if target != unit(path) and RANK[target] >= RANK[unit(path)] and target != "__init__"
    ]
    assert not up


def test_files_stay_under_400_lines() -> None:
    long = {str(path.relative_to(ROOT)): n for path in SOURCES if (n := path.read_text().count("\n")) > 400}
    assert not long


def functions(path: Path) -> Iterator[tuple[str, int]]:
    for node in nodes(path):
        if isinstance(node, ast.FunctionDef) and node.end_lineno:
            doc = node.body[0] if ast.get_docstring(node) else None
            said = (doc.end_lineno or 0) - doc.lineno + 1 if doc else 0
            yield f"{path.relative_to(ROOT)}:{node.name}", node.end_lineno - node.lineno + 1 - said


def test_functions_stay_under_40_lines() -> None:
    assert not {name: n for path in SOURCES for name, n in functions(path) if n > 40}


def name_of(node: ast.Attribute | ast.Name) -> str:
    return node.attr if isinstance(node, ast.Attribute) else node.id


HOMES = {
    "print": ("cli/render.py",),
    "subprocess": ("host/", "track/facts.py"),
    "environ": ("api/engine.py", "cli/main.py", "host/", "build/ops/bytecode_step.py", "track/"),
    "getenv": ("cli/main.py",),
    "chdir": ("host/", "runtime/monitor"),
    "write_text": (),
    "write_bytes": (),
    "preexec_fn": (),
    "fork": ("host/", "runtime/monitor", "build/ops/bytecode_step.py"),
    "system": (),
    "popen": (),
}


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_effects_have_one_home(path: Path) -> None:
    here = str(path.relative_to(ROOT))
    astray = [
        f"{here}:{node.lineno} uses {name_of(node)}"
        for node in nodes(path)
        if isinstance(node, ast.Attribute | ast.Name) and not here.startswith(HOMES[name_of(node)] or ("never",))
    ]
    assert not astray


HEAVY = {
    "asyncio", "ssl", "http.client", "dataclasses", "inspect", "logging", "yaml", "importlib.metadata", "argparse",
    "subprocess", "tarfile", "urllib.request", "rich", "isal", "zstandard", "tempfile", "shutil", "concurrent.futures",
    "wherry.build", "wherry.dockerfile", "wherry.image.tar", "wherry.gotemplate", "wherry.cli.formats_template",
}  # fmt: skip
LIGHTEST = {"typing", "sqlite3", "json", "ctypes", "re", "pathlib", "wherry.engine", "wherry.oci"}


def loaded(argv: list[str], root: Path) -> set[str]:
    code = (
        f"import sys; sys.path.insert(0, {str(ROOT.parent)!r}); bare = set(sys.modules)\n"
        f"from wherry.cli.main import main\nmain({argv!r})\n"
        "print('LOADED', *sorted(set(sys.modules) - bare), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True, env={"WHERRY_ROOT": str(root)}
    )
    return set(done.stderr.rpartition("LOADED")[2].split())


@pytest.mark.parametrize(
    "argv",
    [
        ["--version"],
        ["--help"],
        ["image", "--help"],
        ["images", "--bad"],
        ["compose", "--help"],
        ["compose", "up", "--help"],
    ],
)
def test_help_and_version_load_next_to_nothing(argv: list[str], tmp_path: Path) -> None:
    assert not (HEAVY | LIGHTEST) & loaded(argv, tmp_path)


# 10 ms of each command, together: what wherry.lean, lean_json, lean_sqlite and lean_ctypes stand for (docs/adr/0240)
STOOD_FOR = {
    "re", "enum", "json", "typing", "collections", "functools", "contextlib", "types", "sqlite3", "datetime", "ctypes",
    "signal", "threading", "pathlib",
}  # fmt: skip


@pytest.mark.parametrize("argv", [["ps"], ["images"], ["compose", "-p", "shop", "ps"]])
def test_listing_loads_nothing_heavy(argv: list[str], tmp_path: Path) -> None:
    assert not (HEAVY | STOOD_FOR) & loaded(argv, tmp_path / "root")


PROJECT = """\
name: shop
services:
  web:
    image: "registry.example/web:${TAG:-1.27}" # the shop
    command: ["serve", "--port", "8080"]
    ports: ["127.0.0.1:8080:80"]
    volumes:
      - data:/data
      - ./conf:/etc/shop:ro
    environment: {LEVEL: info}
    healthcheck: {test: [CMD, check], interval: 1m30s}
    depends_on:
      db: {condition: service_healthy}
    mem_limit: 512m
    cpus: 0.5
    pull_policy: missing
    restart: unless-stopped
  db:
    image: postgres
    stop_grace_period: 20s
    x-note: a hint
volumes:
  data:
"""


def test_a_plain_project_is_read_and_hashed_by_nothing_heavy(tmp_path: Path) -> None:
    """Neither by PyYAML (docs/adr/0250-plain-yaml.md), nor by what only faults, anchors and other files need."""
    (tmp_path / "compose.yaml").write_text(PROJECT)
    code = (
        f"import sys; sys.path.insert(0, {str(ROOT.parent)!r})\n"
        "from wherry.compose.load import LoadRequest, load\n"
        f"project = load(LoadRequest(current_dir={str(tmp_path)!r}))\n"
        "from wherry.compose.config_hash import service_hash\n"
        "import wherry.compose.up, wherry.compose.reconcile, wherry.compose.image_plan, wherry.compose.observe\n"
        "print(*map(service_hash, project.services.values()), *sys.modules)"
    )
    done = subprocess.run([sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=True)
    assert not (HEAVY | STOOD_FOR | SELDOM) & set(done.stdout.split())


SELDOM = {
    f"wherry.compose.{name}"
    for name in (
        "yaml_reader", "scalar_forms", "extends", "include", "resets", "schema_faults", "envfile", "dotenv",
        "emit_yaml", "build_request", "execute", "perform", "pulling", "create", "variables", "models", "provider",
        "watch",
    )
} | {"wherry.registry", "wherry.build", "wherry.image", "wherry.network", "wherry.gotemplate"}  # fmt: skip


def test_what_runs_a_container_loads_nothing_heavy() -> None:
    """By what is imported at the top of its modules."""
    modules = (
        "cli.run, cli.exec, cli.run_options, engine.containers_start, engine.containers_create, engine.networks, "
        "engine.containers_exec, engine.containers_remove, engine.containers_rootfs, store.images, store.layers, "
        "runtime.spec, runtime.seccomp, runtime.users, runtime.machine, runtime.monitor, runtime.monitor_exec"
    )
    imports = "; ".join(f"import wherry.{name}" for name in modules.split(", "))
    code = f"import sys; sys.path.insert(0, {str(ROOT.parent)!r}); {imports}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=True)
    assert not (HEAVY | STOOD_FOR) & set(done.stdout.split())


def test_the_command_itself_loads_nothing_heavy() -> None:
    """As it is installed: `re` and what it brings would cost it a third of `wherry --version`."""
    command = Path(sys.executable).with_name("wherry")
    argv = [sys.executable, "-X", "importtime", str(command), "--version"]
    done = subprocess.run(argv, capture_output=True, text=True, check=True, env={})
    assert "wherry version" in done.stdout
    assert not (HEAVY | STOOD_FOR) & {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}


def test_a_run_without_devices_loads_next_to_nothing_of_gpus() -> None:
    modules = "cli.run, cli.run_options, engine.containers_start, engine.containers_create, gpu.torch"
    imports = "; ".join(f"import wherry.{name}" for name in modules.split(", "))
    code = f"import sys; sys.path.insert(0, {str(ROOT.parent)!r}); {imports}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True)
    of_gpus = {name for name in done.stdout.split() if name.startswith("wherry.gpu") or name == "yaml"}
    assert of_gpus == {"wherry.gpu", "wherry.gpu.torch"}


def test_images_of_an_empty_store_loads_no_parser(tmp_path: Path) -> None:
    """Each of these costs 1 to 5 ms and brings nothing to a list."""
    assert not {"re", "json", "ctypes", "signal", "threading", "secrets"} & loaded(["images"], tmp_path / "root")


def test_the_database_needs_no_more_than_its_c_half() -> None:
    code = (
        f"import sys; sys.path.insert(0, {str(ROOT.parent)!r})\n"
        "from wherry.lean_sqlite import sqlite3\n"
        "assert not {'functools', 'datetime', 'collections'} & set(sys.modules)\n"
        "one = sqlite3.connect(':memory:', cached_statements=2)\n"
        "assert [one.execute(f'SELECT {n % 3}').fetchone()[0] for n in range(7)] == [0, 1, 2, 0, 1, 2, 0]\n"
        "import functools, sqlite3 as whole\nassert whole.Connection is sqlite3.Connection and functools.wraps\n"
        "assert whole.connect(':memory:').execute('SELECT 1').fetchone() == (1,)\n"
    )
    subprocess.run([sys.executable, "-I", "-S", "-c", code], check=True)
