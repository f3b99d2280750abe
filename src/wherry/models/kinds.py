"""What a file of a model is for, by its name: weights, their settings, documentation, code or data. Pure."""

from __future__ import annotations

import posixpath

from wherry.models.media import CODE, DATASET, DOC, WEIGHT, WEIGHT_CONFIG

__all__ = ["PICKLES", "Kind", "format_of", "is_pickle", "kind_of"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NamedTuple
else:
    from wherry.lean import NamedTuple


class Kind(NamedTuple):
    """`is_sure` is false when the name says nothing, and size alone decided."""

    name: str
    is_sure: bool = True


_FORMATS = {
    ".safetensors": "safetensors", ".gguf": "gguf", ".onnx": "onnx", ".pt": "pytorch", ".pth": "pytorch",
    ".bin": "pytorch", ".ckpt": "pytorch", ".pkl": "pickle", ".pickle": "pickle", ".joblib": "joblib",
    ".h5": "keras", ".keras": "keras", ".tflite": "tflite", ".pb": "tensorflow", ".msgpack": "flax",
    ".npz": "numpy", ".npy": "numpy", ".mlmodel": "coreml", ".engine": "tensorrt", ".plan": "tensorrt",
    ".ubj": "xgboost", ".xgb": "xgboost", ".cbm": "catboost", ".lgb": "lightgbm", ".skops": "skops",
    ".ggml": "ggml", ".pdparams": "paddle", ".llamafile": "gguf", ".onnx_data": "onnx",
}  # fmt: skip
PICKLES = frozenset({".pkl", ".pickle", ".joblib", ".pt", ".pth", ".ckpt", ".bin"})
"""What the names of files end in that may run code of their author's when they are loaded."""

_SETTINGS = frozenset({
    ".json", ".yaml", ".yml", ".toml", ".jinja", ".jinja2", ".model", ".tiktoken", ".vocab", ".bpe", ".spm", ".ini",
    ".cfg", ".conf", ".proto", ".index", ".meta",
})  # fmt: skip
_CODE = frozenset({".py", ".ipynb", ".sh", ".js", ".ts", ".go", ".rs", ".c", ".cc", ".cpp", ".h", ".cu", ".sql", ".r"})
_DOC = frozenset({".md", ".rst", ".pdf", ".html", ".png", ".jpg", ".jpeg", ".svg", ".gif", ".webp"})
_DATA = frozenset({".csv", ".tsv", ".parquet", ".arrow", ".jsonl", ".feather", ".tfrecord", ".wav"})
_WHOLE = {
    "merges.txt": WEIGHT_CONFIG, "vocab.txt": WEIGHT_CONFIG, "labels.txt": WEIGHT_CONFIG, "classes.txt": WEIGHT_CONFIG,
    "requirements.txt": CODE, "dockerfile": CODE, "makefile": CODE, "license": DOC, "licence": DOC, "notice": DOC,
    "copying": DOC, "authors": DOC, "readme": DOC, "training_args.bin": WEIGHT_CONFIG, "mlmodel": WEIGHT_CONFIG,
    "conda.yaml": CODE, "python_env.yaml": CODE, "kitfile": WEIGHT_CONFIG, "modelfile": WEIGHT_CONFIG,
}  # fmt: skip
_LARGE_BYTES = 4 << 20


def kind_of(path: str, size: int) -> Kind:
    """`path` is relative to the model's folder. What nobody knows is code when small, and weights when large."""
    name = posixpath.basename(path).lower()
    stem, ending = posixpath.splitext(name)
    if found := _WHOLE.get(name) or (_WHOLE.get(stem) if ending in {".txt", ".md", ""} else None):
        return Kind(found)
    for endings, kind in ((_FORMATS, WEIGHT), (_SETTINGS, WEIGHT_CONFIG), (_CODE, CODE), (_DOC, DOC), (_DATA, DATASET)):
        if ending in endings:
            return Kind(kind)
    if ending == ".txt":
        return Kind(DOC)
    return Kind(WEIGHT if size >= _LARGE_BYTES else CODE, is_sure=False)


def format_of(path: str) -> str:
    """The format that a name's ending says, as a model's config writes it: "safetensors"; "" when it says none."""
    return _FORMATS.get(posixpath.splitext(path.lower())[1], "")


def is_pickle(path: str, start: bytes) -> bool:
    """Whether loading the file runs what it holds: a pickle, bare, in torch's zip, or packed by joblib. `start`: 4 KiB.

    The first bytes decide, where they can: a .bin may be anything, and an honest ending may hold a pickle.
    """
    if len(start) > 1 and start[0] == 0x80 and 2 <= start[1] <= 5:
        return True
    if start[:4] == b"PK\3\4":
        return b"/data.pkl" in start or posixpath.splitext(path.lower())[1] in {".pt", ".pth", ".ckpt"}
    ending = posixpath.splitext(path.lower())[1]
    return ending in {".pkl", ".pickle", ".joblib"}
