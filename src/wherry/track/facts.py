"""What a run ran on and from: Python and its packages, CPU, GPUs, OS; the code's commit and what differs from it.

Never a secret: of the environment only names on a list, of the command line no value of a flag that names one, of the
diff no file that is known to hold some.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Mapping, Sequence

__all__ = ["DIFF_BYTES", "command_line", "environment", "git"]

DIFF_BYTES = 1 << 20
_UNTRACKED = 200
_VARIABLES = (
    "CUBLAS_WORKSPACE_CONFIG", "CUDA_VISIBLE_DEVICES", "CUDA_VERSION", "JAX_PLATFORMS", "LOCAL_RANK", "MKL_NUM_THREADS",
    "NVIDIA_VISIBLE_DEVICES", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "PYTHONHASHSEED", "PYTORCH_CUDA_ALLOC_CONF",
    "RANK", "SLURM_JOB_ID", "TF_DETERMINISTIC_OPS", "TOKENIZERS_PARALLELISM", "WORLD_SIZE",
)  # fmt: skip
_SECRET = (
    "password",
    "passwd",
    "passphrase",
    "token",
    "secret",
    "apikey",
    "api-key",
    "api_key",
    "credential",
    "private",
)
# Not in a recorded diff, wherever they are (git's pathspecs); .env is the one that is committed by mistake
_PRIVATE = (".env", ".env.*", "*.env", "*.pem", "*.key", "*.p12", "*.pfx", "id_rsa*", "id_ed25519*", ".netrc", ".npmrc",
            ".pypirc", "*secret*", "*credential*", "*.tfstate", "*.keystore")  # fmt: skip


def environment(env: Mapping[str, str]) -> dict[str, Any]:
    """Costs a few milliseconds: files are read, nothing is imported or started."""
    uname = os.uname()
    found: dict[str, Any] = {
        "python": sys.version.split()[0], "implementation": sys.implementation.name, "executable": sys.executable,
        "os": _os_name(), "kernel": uname.release, "arch": uname.machine, "host": uname.nodename, "cpu": _cpu(),
        "cpu_count": len(os.sched_getaffinity(0)), "memory_bytes": _memory(), "gpus": _gpus(), "packages": _packages(),
        "variables": {name: env[name][:1000] for name in _chosen(env) if name in env},
    }  # fmt: skip
    driver = _first_word_like_version(_text("/proc/driver/nvidia/version"))
    if driver:
        found["gpu_driver"] = driver
    cuda = _cuda(env)
    if cuda:
        found["cuda"] = cuda
    return found


def command_line(argv: Sequence[str]) -> list[str]:
    """`argv` without the values of flags that name a secret: `--token x` and `--api-key=x`."""
    found: list[str] = []
    is_value = False
    for word in argv:
        name, equals, _ = word.partition("=")
        names_secret = any(part in name.lower() for part in _SECRET)
        if is_value and not word.startswith("--"):
            found.append("***")
            is_value = False
            continue
        is_value = names_secret and word.startswith("-") and not equals
        found.append(name + "=***" if equals and names_secret else word)
    return found


def git(folder: str) -> dict[str, Any]:
    """Commit, branch, remote, diff and untracked names of the work tree around `folder`; empty without git or one.

    The diff is cut at 1 MiB (`diff_truncated`), of untracked files only names are recorded, at most 200.
    """
    commit = _git(folder, "rev-parse", "--verify", "-q", "HEAD").strip()
    top = _git(folder, "rev-parse", "--show-toplevel").strip()
    if not top:
        return {}
    leave_out = [":(top,exclude,glob,icase)**/" + one for one in _PRIVATE]
    diff = _git(folder, "diff", "--no-color", "--no-ext-diff", "--no-textconv", "HEAD", "--", ":/", *leave_out,
                limit=DIFF_BYTES + 1) if commit else ""  # fmt: skip
    status = _git(folder, "status", "--porcelain", "-z", "--untracked-files=normal", limit=DIFF_BYTES)
    entries = status.split("\0")
    untracked = [one[3:] for one in entries if one.startswith("?? ")]
    found: dict[str, Any] = {"commit": commit, "dirty": bool(status.strip("\0"))}
    branch = _git(folder, "symbolic-ref", "-q", "--short", "HEAD").strip()
    remote = _without_login(_git(folder, "config", "--get", "remote.origin.url").strip())
    inside = os.path.relpath(os.path.realpath(folder), os.path.realpath(top))
    more = {"branch": branch, "remote": remote, "folder": "" if inside == "." else inside}
    found.update({key: value for key, value in more.items() if value})
    if diff:
        found["diff"] = diff[:DIFF_BYTES]
        found["diff_truncated"] = len(diff) > DIFF_BYTES
    if untracked:
        found["untracked"] = untracked[:_UNTRACKED]
        found["untracked_count"] = len(untracked)
    return found


def _git(folder: str, *words: str, limit: int = 64 << 10) -> str:
    """What git prints; "" when it fails, is not there or takes longer than 10 s."""
    import subprocess

    # No lock for a refreshed index: a run must not disturb a commit that is just being made
    argv = ["git", "--no-optional-locks", "-C", folder, *words]
    try:
        child = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    except OSError:
        return ""
    with child:
        assert child.stdout is not None
        data = child.stdout.read(limit)
        if len(data) == limit:
            child.kill()
            return data.decode("utf-8", "replace")
        try:
            child.wait(10)
        except subprocess.TimeoutExpired:
            child.kill()
            return ""
    return data.decode("utf-8", "replace") if child.returncode == 0 else ""


def _without_login(url: str) -> str:
    """A remote may carry a token: https://TOKEN@host/path."""
    scheme, there, rest = url.partition("://")
    if not there:
        return url
    place, slash, path = rest.partition("/")
    return scheme + "://" + place.rpartition("@")[2] + slash + path


def _chosen(env: Mapping[str, str]) -> list[str]:
    more = [one.strip() for one in env.get("WHERRY_TRACK_ENV", "").split(",")]
    return sorted({*_VARIABLES, *more} - {""})


def _packages() -> dict[str, str]:
    """By the names of their .dist-info folders: importlib.metadata would cost 36 ms, and more for each of them."""
    found: dict[str, str] = {}
    for folder in sys.path:
        try:
            names = os.listdir(folder or ".")
        except OSError:
            continue
        for entry in sorted(names):
            if entry.endswith((".dist-info", ".egg-info")):
                name, _, version = entry.rpartition(".")[0].partition("-")
                if version:
                    found.setdefault(name.replace("_", "-").lower(), version.partition("-py")[0])
    return {name: found[name] for name in sorted(found)}


def _text(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read(1 << 20)
    except OSError:
        return ""


def _value(text: str, key: str, separator: str) -> str:
    for line in text.splitlines():
        name, there, value = line.partition(separator)
        if there and name.strip() == key:
            return value.strip().strip('"')
    return ""


def _os_name() -> str:
    return _value(_text("/etc/os-release"), "PRETTY_NAME", "=") or os.uname().sysname


def _cpu() -> str:
    text = _text("/proc/cpuinfo")
    return _value(text, "model name", ":") or _value(text, "CPU part", ":")


def _memory() -> int:
    words = _value(_text("/proc/meminfo"), "MemTotal", ":").split()
    return int(words[0]) * 1024 if words and words[0].isdigit() else 0


def _gpus() -> list[str]:
    """Of NVIDIA's driver, by name. Not by nvidia-smi: that takes up to seconds."""
    try:
        cards = sorted(os.listdir("/proc/driver/nvidia/gpus"))
    except OSError:
        return []
    texts = (_text(f"/proc/driver/nvidia/gpus/{card}/information") for card in cards)
    return [_value(text, "Model", ":") or "unknown" for text in texts]


def _cuda(env: Mapping[str, str]) -> str:
    """Torch's, when the program has loaded it, else what the image says. Torch is never loaded for this."""
    torch = sys.modules.get("torch")
    version = getattr(getattr(torch, "version", None), "cuda", None)
    return str(version or env.get("CUDA_VERSION", ""))


def _first_word_like_version(text: str) -> str:
    for word in text.split():
        if word.replace(".", "").isdigit() and word.count(".") >= 1:
            return word
    return ""
