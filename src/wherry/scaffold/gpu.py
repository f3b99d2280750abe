"""GPU or not: what the code asks for, which variant its wheels are, and how many megabytes CUDA would add."""

from __future__ import annotations

import ast
import re

from wherry.scaffold.facts import Accelerated, Dependency, Gpu, Packages, Problem, Wheel, Where
from wherry.scaffold.locks import Locked
from wherry.scaffold.source import Module, Sources
from wherry.scaffold.table_cuda import DEFAULT_CUDA, GPU_ONLY, MB, VARIANTS

__all__ = ["gpu_problems", "read_gpu"]

_LOCAL = re.compile(r"\+((?:cu|rocm|cpu|xpu)[0-9.]*)")
_INDEX = re.compile(r"/((?:cu\d{2,3}|rocm[0-9.]+|cpu|xpu))/?$")
_SURE = re.compile(
    rb"\.cuda\(\)|\.to\(\s*[\"']cuda|device\s*=\s*[\"']cuda|device_map\s*=\s*[\"']cuda|CUDAExecutionProvider|tree_method\s*=\s*[\"']gpu_hist"
)
_ASKS = re.compile(
    rb"cuda\.is_available\(\)|list_physical_devices\(\s*[\"']GPU|get_available_providers\(\)|mps\.is_available"
)


def read_gpu(sources: Sources, packages: Packages, locked: Locked | None) -> Gpu:
    sure, asks = _uses(sources)
    frameworks = tuple(_accelerated(packages, locked))
    needs = [one for one in packages.dependencies if one.name in GPU_ONLY and not one.group]
    is_optional = bool(asks)
    is_used = bool(needs) or (bool(sure) and not is_optional)
    chosen = next((one.variant for one in frameworks if one.variant.startswith(("cu", "rocm"))), "")
    fits = (chosen or DEFAULT_CUDA) if is_used else "cpu" if frameworks or needs else ""
    wheels = _wheels(frameworks, locked)
    places = tuple(dict.fromkeys([*sure, *asks, *(one.where for one in needs)]))
    return Gpu(is_used, is_optional, places, frameworks, fits, wheels, sum(one.mb for one in wheels))


def _uses(sources: Sources) -> tuple[list[Where], list[Where]]:
    sure, asks = [], []
    for path, module in sources.modules.items():
        sketch = next(one for one in sources.sketches if one.path == path)
        if sketch.is_aside or not (_SURE.search(sketch.data) or _ASKS.search(sketch.data)):
            continue
        lines = _code_lines(module)
        for number, line in enumerate(sketch.data.split(b"\n"), 1):
            if number in lines and not line.lstrip().startswith(b"#"):
                sure += [Where(path, number)] if _SURE.search(line) else []
                asks += [Where(path, number)] if _ASKS.search(line) else []
    return sure, asks


def _code_lines(module: Module) -> set[int]:
    """Lines on which a call or an attribute stands: a docstring that speaks of .cuda() is none."""
    return {node.lineno for node in ast.walk(module.tree) if isinstance(node, ast.Call | ast.Attribute | ast.keyword)}


def _accelerated(packages: Packages, locked: Locked | None) -> list[Accelerated]:
    named = {one.name: one for one in packages.dependencies if not one.group}
    wheels = {one.name: one.version for one in locked.every} if locked else {}
    found = []
    for name in VARIANTS:
        one = named.get(name)
        version = wheels.get(name) or (one.version if one else "")
        if one is None and not version:
            continue
        where = one.where if one else Where(locked.file if locked else "", locked.line.get(name, 0) if locked else 0)
        found.append(Accelerated(name, version, _variant(name, version, one, packages, locked), where))
    return found


def _variant(name: str, version: str, one: Dependency | None, packages: Packages, locked: Locked | None) -> str:
    versions = [each.version for each in locked.every if each.name == name] if locked else [version]
    local = [found[1] for each in versions if (found := _LOCAL.search(each))]
    if local:
        return local[0]
    if one and (found := _LOCAL.search(one.specifier) or _INDEX.search(one.reference.rsplit("/", 1)[0])):
        return found[1]
    if VARIANTS[name]:
        return VARIANTS[name]
    if name.startswith("torch"):
        for index in packages.indexes:
            found = _INDEX.search(index.url)
            if found and not locked:
                return found[1]
    if locked and not any(each.name.startswith("nvidia-") for each in locked.every):
        return "cpu"
    return "default"


def _wheels(frameworks: tuple[Accelerated, ...], locked: Locked | None) -> tuple[Wheel, ...]:
    """What comes for CUDA: by the lock when it names them, else by what the framework's wheel from PyPI requires."""
    if locked and any(one.name.startswith("nvidia-") for one in locked.every):
        named = {
            one.name: one for one in locked.every if one.name.startswith("nvidia-") or one.name in ("triton", "cupy")
        }
        found = [Wheel(one.name, one.version, MB.get(_stem(one.name)) or one.mb) for one in named.values()]
    elif locked is None and any(
        (one.name == "torch" and one.variant == "default") or one.variant[:2] == "cu" for one in frameworks
    ):
        suffix = "cu12"
        found = [Wheel(f"{name}-{suffix}" if name.startswith("nvidia-") else name, "", mb) for name, mb in MB.items()]
    else:
        found = []
    return tuple(sorted(found, key=lambda one: (-one.mb, one.name)))


def _stem(name: str) -> str:
    return re.sub(r"-cu\d+$", "", name)


def gpu_problems(gpu: Gpu) -> list[Problem]:
    found = []
    if gpu.cuda_wheels and not gpu.is_used:
        one = next((each for each in gpu.frameworks if each.variant == "default" or each.variant[:2] == "cu"), None)
        what = one.name if one else gpu.cuda_wheels[0].name
        text = f"{what} brings {gpu.cuda_mb:,} MB of CUDA wheels, and nothing here asks for a GPU"
        if gpu.is_optional:
            text = f"{what} brings {gpu.cuda_mb:,} MB of CUDA wheels for a GPU that the code can do without"
        hint = (
            "take the CPU build: https://download.pytorch.org/whl/cpu as the index of torch; or say that there is a GPU"
        )
        found.append(Problem("warning", "cuda-on-cpu", one.where if one else None, text, hint))
    if gpu.is_used and (one := next((each for each in gpu.frameworks if each.variant == "cpu"), None)):
        text = f"{one.name} is its CPU build, and {gpu.uses[0]} asks for CUDA"
        found.append(Problem("warning", "cpu-on-gpu", one.where, text, f"take the {DEFAULT_CUDA} build"))
    return found
