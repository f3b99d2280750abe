"""The texts of an image's history, in the form in which BuildKit writes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from wherry.dockerfile.instructions import Add, Copy
from wherry.oci.config import Healthcheck, History

__all__ = ["COMMENT", "command", "copied", "healthcheck", "matching", "rfc3339", "run", "spread"]

COMMENT = "buildkit.dockerfile.v0"


def quoted(words: Sequence[str]) -> str:
    """As Go's %q prints a list: ["a" "b"]."""
    return "[" + " ".join(map(_quote, words)) + "]"


def _quote(word: str) -> str:
    import json

    return json.dumps(word, ensure_ascii=False)


def command(name: str, argv: Sequence[str]) -> str:
    """CMD and ENTRYPOINT."""
    return f"{name} {quoted(argv)}"


def run(argv: Sequence[str], args: Sequence[tuple[str, str]]) -> str:
    """`args` are the build arguments that the stage has declared so far, each once."""
    words = [f"|{len(args)}", *(f"{name}={value}" for name, value in args)] if args else []
    return "RUN " + " ".join([*words, *argv]) + " # buildkit"


def copied(one: Copy | Add) -> str:
    """`one` is expanded."""
    words = ["COPY" if isinstance(one, Copy) else "ADD"]
    if isinstance(one, Copy) and one.parents:
        words.append("--parents")
    words += [f"--chown={one.chown}"] if one.chown else []
    words += [f"--chmod={one.chmod}"] if one.chmod else []
    words += [*one.sources, *(f"<<{file.name}" for file in one.files), one.destination, "# buildkit"]
    return " ".join(words)


def healthcheck(health: Healthcheck) -> str:
    """As Go prints the struct with %q."""
    times = [health.interval_ns, health.timeout_ns, health.start_period_ns, health.start_interval_ns]
    retries = f"'\\x{health.retries:02x}'" if health.retries < 32 else f"'{chr(health.retries)}'"
    return "HEALTHCHECK &{" + " ".join([quoted(health.test), *(f'"{_duration(ns)}"' for ns in times), retries]) + "}"


def _duration(ns: int) -> str:
    """Go's Duration.String for whole milliseconds."""
    if ns == 0:
        return "0s"
    if ns < 10**9:
        return f"{ns / 10**6:g}ms"
    minutes, seconds = divmod(ns / 10**9, 60)
    hours, minutes = divmod(int(minutes), 60)
    text = f"{seconds:g}s"
    if hours or minutes:
        text = f"{minutes}m{text}"
    return f"{hours}h{text}" if hours else text


def rfc3339(ns: int) -> str:
    """In UTC, to the second."""
    import time

    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(ns // 10**9))


def matching(history: Sequence[History], layers: int) -> tuple[History, ...]:
    """The history with exactly `layers` entries that made a layer: other tools are careless, and ours must add up."""
    made = sum(not one.empty_layer for one in history)
    entries = list(history)
    for i, one in enumerate(entries):
        if made <= layers:
            break
        if not one.empty_layer:
            entries[i] = one._replace(empty_layer=True)
            made -= 1
    return (*entries, *[History(comment="no history")] * (layers - made))


def spread(history: Sequence[History], added: Sequence[Sequence[str]]) -> tuple[History, ...]:
    """The history with an entry for each layer. `added` has the last steps that made layers, the first of them first:
    of each the comments of its layers, base first, "" where the step's own stands.
    """
    entries: list[History] = []
    left = list(added)
    for one in reversed(history):
        comments = left.pop() if left and not one.empty_layer else ("",)
        entries += [one._replace(comment=text or one.comment) for text in reversed(comments)]
    return tuple(reversed(entries))


def environment(words: Sequence[str]) -> dict[str, str]:
    """KEY=VALUE words as a mapping, in order."""
    return dict(word.partition("=")[::2] for word in words)


def joined(env: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(f"{key}={value}" for key, value in env.items())
