"""Environment variables that the code reads, and weights that it fetches when it runs."""

from __future__ import annotations

import ast
import re

from wherry.scaffold.facts import Download, Variable, Where
from wherry.scaffold.source import Module, Sketch, Sources, statements, top_statements
from wherry.scaffold.values import Constants, argument, constants, environment_name, text

__all__ = ["read_use"]

_SECRET = re.compile(
    r"(?:^|_)(?:TOKEN|SECRET|PASSWORD|PASSWD|PWD|KEY|CREDENTIALS?|DSN|PASS)(?:$|_)|DATABASE_URL|APIKEY", re.IGNORECASE
)
_OURS = frozenset({"PATH", "HOME", "USER", "PWD", "LANG", "TERM", "SHELL", "PYTHONPATH", "TMPDIR", "CI"})
_FETCHES = frozenset({
    "from_pretrained", "hf_hub_download", "snapshot_download", "load_state_dict_from_url", "cached_download",
    "urlretrieve", "SentenceTransformer", "WhisperModel", "gdown",
})  # fmt: skip
_FETCHING = {
    "torch.hub.load": "torch.hub.load", "transformers.pipeline": "pipeline", "whisper.load_model": "load_model",
    "spacy.cli.download": "spacy.download", "nltk.download": "nltk.download", "gdown.download": "gdown.download",
    "torch.hub.load_state_dict_from_url": "load_state_dict_from_url",
    "mlflow.pyfunc.load_model": "mlflow.load_model", "urllib.request.urlretrieve": "urlretrieve",
    "timm.create_model": "timm.create_model",
}  # fmt: skip
_SIGNS = (b"environ", b"getenv", b"BaseSettings", *(one.encode() for one in _FETCHES), b"download", b"hub.load",
          b"pipeline", b"load_model", b"create_model")  # fmt: skip
_LOADS_PICKLE = (b"torch.load", b"pickle.load", b"joblib.load", b"cloudpickle.load", b"torch.hub.load")


def read_use(sources: Sources) -> tuple[tuple[Variable, ...], tuple[Download, ...]]:
    variables: dict[str, Variable] = {}
    downloads: list[Download] = []
    sketches = {one.path: one for one in sources.sketches}
    for path in sorted(sources.modules):
        sketch = sketches[path]
        if sketch.is_aside or not any(sign in sketch.data for sign in _SIGNS):
            continue
        module = sources.modules[path]
        known = constants(module)
        for one in _variables(module, known):
            variables.setdefault(one.name, one)
        downloads += _downloads(module, known, sketch)
    return tuple(sorted(variables.values())), tuple(sorted(downloads, key=lambda one: one.where))


def _variables(module: Module, known: Constants) -> list[Variable]:
    found = []
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Subscript | ast.Call):
            if isinstance(node, ast.Subscript) and not isinstance(node.ctx, ast.Load):
                continue
            name = environment_name(node, known)
            if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{0,99}", name) and name not in _OURS:
                default = text(argument(node, "default", 1), known) if isinstance(node, ast.Call) else None
                found.append(_variable(name, default, isinstance(node, ast.Subscript), module.where(node)))
    for one, _ in top_statements(module.tree):
        if isinstance(one, ast.ClassDef) and any(module.qualified(base).endswith("BaseSettings") for base in one.bases):
            found += _settings(one, module, known)
    return found


def _settings(node: ast.ClassDef, module: Module, known: Constants) -> list[Variable]:
    """pydantic-settings: a variable for each field, in capitals, after env_prefix."""
    prefix = next(
        (text(argument(one, "env_prefix"), known) or "" for one in ast.walk(node) if isinstance(one, ast.Call)), ""
    )
    found = []
    for one in node.body:
        if isinstance(one, ast.AnnAssign) and isinstance(one.target, ast.Name) and one.target.id != "model_config":
            value = one.value
            default = str(value.value) if isinstance(value, ast.Constant) and value.value is not None else None
            found.append(_variable((prefix + one.target.id).upper(), default, value is None, module.where(one)))
    return found


def _variable(name: str, default: str | None, is_required: bool, where: Where) -> Variable:
    is_secret = _SECRET.search(name) is not None
    return Variable(name, None if is_secret and default else default, is_required, is_secret, where)


def _downloads(module: Module, known: Constants, sketch: Sketch) -> list[Download]:
    inside = {id(node) for each in _functions(module.tree) for node in ast.walk(each) if isinstance(node, ast.Call)}
    found = []
    for node in ast.walk(module.tree):
        if not isinstance(node, ast.Call):
            continue
        qualified = module.qualified(node.func)
        last = node.func.attr if isinstance(node.func, ast.Attribute) else qualified.rpartition(".")[2]
        call = _FETCHING.get(qualified, last if last in _FETCHES else "")
        if not call:
            continue
        name = text(argument(node, "repo_id", 0) or argument(node, "model"), known) or ""
        if name.startswith(("./", "/", "../")):
            continue  # a folder of the project's own
        is_pickle = any(sign in sketch.data for sign in _LOADS_PICKLE) and call != "from_pretrained"
        found.append(Download(call, name[:200], id(node) not in inside, is_pickle, module.where(node)))
    return found


def _functions(tree: ast.Module) -> list[ast.stmt]:
    return [one for one in statements(tree) if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef)]
