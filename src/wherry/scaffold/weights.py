"""Models' files: known by their first bytes rather than by their names."""

from __future__ import annotations

import os
import re
from typing import Literal

from wherry.scaffold.facts import Problem, Weights, Where
from wherry.scaffold.files import Files
from wherry.scaffold.gitindex import tracked
from wherry.scaffold.source import Sources

__all__ = ["read_weights"]

_SUFFIXES = frozenset({
    ".safetensors", ".onnx", ".gguf", ".ggml", ".pkl", ".pickle", ".joblib", ".pt", ".pth", ".ckpt", ".bin", ".h5",
    ".hdf5", ".keras", ".tflite", ".model", ".ubj", ".cbm", ".pb", ".npy", ".npz", ".mlmodel", ".torchscript", ".ptl",
    ".engine", ".plan", ".params", ".weights", ".lgb", ".xgb", ".json", ".txt", ".sav",
})  # fmt: skip
_BY_CONTENT_ONLY = frozenset(
    {".json", ".txt", ".bin", ".model", ".pb", ".npy", ".npz", ".sav", ".params", ".plan", ".engine"}
)
_CODE = frozenset({"pickle", "joblib", "torch-pickle", "torch-zip"})
_LFS = re.compile(rb"version https://git-lfs\.github\.com/spec/v1\n.*?\bsize (\d{1,18})", re.DOTALL)
_MOST = 200
_LARGE_BYTES = 100_000


def read_weights(files: Files, sources: Sources) -> tuple[tuple[Weights, ...], list[Problem]]:
    found: list[Weights] = []
    problems: list[Problem] = []
    index = tracked(files)
    for entry in files.entries:
        suffix = os.path.splitext(entry.path)[1].lower()
        if suffix not in _SUFFIXES or entry.size_bytes == 0 or len(found) >= _MOST:
            continue
        head = files.read(entry.path, 600) or b""
        size, kind = entry.size_bytes, _format(head, suffix, entry.size_bytes)
        if kind == "lfs-pointer":
            pointed = _LFS.match(head)
            size = int(pointed[1]) if pointed else size
        if not kind:
            continue
        git: Literal["tracked", "untracked", ""] = (
            "" if index is None else "tracked" if entry.path in index else "untracked"
        )
        one = Weights(entry.path, size, kind, kind in _CODE, git, _loaded_at(entry.path, sources))
        found.append(one)
        problems += _problems(one)
    return tuple(sorted(found, key=lambda one: (-one.size_bytes, one.path))), problems


def _format(head: bytes, suffix: str, size: int) -> str:
    """ "" for what is no model."""
    if _LFS.match(head):
        return "lfs-pointer"
    if head[:4] == b"GGUF":
        return "gguf"
    if head[8:9] == b"{" and 1 < int.from_bytes(head[:8], "little") <= size - 8:
        return "safetensors"
    if head[:8] == b"\x89HDF\r\n\x1a\n":
        return "hdf5"
    if head[4:8] == b"TFL3":
        return "tflite"
    if head[:6] == b"\x93NUMPY":
        return "numpy" if size > _LARGE_BYTES else ""
    if head[:4] == b"PK\x03\x04":
        return _zip(head, suffix, size)
    return _serial(head, suffix)


def _zip(head: bytes, suffix: str, size: int) -> str:
    name = head[30 : 30 + int.from_bytes(head[26:28], "little")]
    if suffix == ".keras" or name in (b"metadata.json", b"config.json"):
        return "keras"
    if suffix == ".npz" or name.endswith(b".npy"):
        return "numpy" if size > _LARGE_BYTES else ""
    is_torch = name.endswith((b"data.pkl", b"/version", b".data/serialization_id", b"/byteorder", b"constants.pkl"))
    return "torch-zip" if is_torch or suffix in (".pt", ".pth", ".ckpt") else ""


def _serial(head: bytes, suffix: str) -> str:
    if head[:1] == b"\x80" and head[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05"):
        is_joblib = suffix == ".joblib" or b"joblib" in head
        return "joblib" if is_joblib else "pickle"
    if suffix == ".joblib" and head[:2] in (b"\x78\x9c", b"\x78\x01", b"\x78\x5e", b"\x1f\x8b"):
        return "joblib"
    if suffix == ".onnx" and head[:1] == b"\x08" and head[1:2] < b"\x20":
        return "onnx"
    if head[:200].lstrip().startswith(b'{"learner"') or (head[:1] == b"{" and b'"learner":' in head[:400]):
        return "xgboost-json"
    if suffix == ".ubj" and head[:1] == b"{":
        return "xgboost-ubj"
    if head.startswith(b"tree\nversion="):
        return "lightgbm-text"
    if head[:4] == b"CBM1":
        return "catboost"
    return "" if suffix in _BY_CONTENT_ONLY else "unknown"


def _loaded_at(path: str, sources: Sources) -> Where | None:
    name = path.rpartition("/")[2].encode()
    for one in sources.sketches:
        at = one.data.find(name) if not one.is_aside else -1
        if at >= 0 and one.data[at - 1 : at] in (b'"', b"'", b"/", b"\\"):
            return Where(one.path, one.data.count(b"\n", 0, at) + 1)
    return None


def _problems(one: Weights) -> list[Problem]:
    where = Where(one.path)
    if one.format == "lfs-pointer":
        text = f"is a pointer of git-lfs, and its {one.size_bytes / 1e6:.0f} MB are not here"
        return [Problem("error", "lfs-pointer", where, text, "git lfs pull")]
    found = []
    if one.is_code:
        text = f"is a {one.format}: loading it runs the code that is in it, and needs the versions it was written with"
        found.append(
            Problem("warning", "pickle", where, text, "load only your own; safetensors, ONNX or skops hold no code")
        )
    if one.git == "tracked" and one.size_bytes >= 50_000_000:
        text = f"has {one.size_bytes / 1e6:.0f} MB, and git keeps every version of it for ever"
        found.append(Problem("note", "weights-in-git", where, text, "git lfs, or wherry model push"))
    return found
