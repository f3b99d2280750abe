"""Commands that a service wants run in its containers: post_start once it runs, pre_stop before it is stopped.

Spec: https://github.com/compose-spec/compose-spec/blob/v2.1.0/05-services.md#post_start
"""

from __future__ import annotations

import os

from wherry.errors import WherryError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from wherry.cancel import Cancel
    from wherry.compose.model_parts import Hook
    from wherry.engine import Engine
    from wherry.runtime.exec_options import ExecOptions

__all__ = ["HookFailed", "exec_options", "run_hook"]

_KEPT = 4096
_LINES = 10


class HookFailed(WherryError):
    """A hook ended with another code than 0, `status`. The message has the end of its output."""

    code = "hook"
    status = 1


def exec_options(hook: Hook) -> ExecOptions:
    """A variable without a value anywhere is left out."""
    from wherry.runtime.exec_options import ExecOptions

    return ExecOptions(
        command=tuple(hook.command or ()),
        env=tuple(f"{name}={value}" for name, value in hook.environment.items() if value is not None),
        user=hook.user,
        workdir=hook.working_dir,
        privileged=hook.privileged,
    )


def run_hook(
    engine: Engine, container: str, service: str, kind: str, hook: Hook, show: Callable[[bytes], None] | None = None,
    cancel: Cancel | None = None,
) -> None:  # fmt: skip
    """Run it to its end, or until `cancel` is set; `show` gets what it writes, as it comes.

    Raises: HookFailed; RuntimeFailure when it can't be started; Conflict when the container does not run; Cancelled.
    """
    output = _Output(show)
    with output as fd:
        from wherry.runtime.attach import Streams

        streams = Streams(stdout=fd, stderr=fd, signals=False)
        code = engine.containers.exec(container, exec_options(hook), streams, cancel=cancel)
    if code:
        # docker-compose's words, and what it said
        fault = HookFailed(f"{service} hook exited with status {code}{output.end()}", hint=f"it is its {kind} hook")
        fault.status = code
        raise fault


class _Output:
    """A pipe to write to, read by a thread: the end of it is kept. `with` gives the end to write to."""

    def __init__(self, show: Callable[[bytes], None] | None) -> None:
        self._show, self._kept = show, b""

    def __enter__(self) -> int:
        from wherry.lean import in_thread

        reads, self._writes = os.pipe2(os.O_CLOEXEC)

        def read() -> None:
            try:
                while data := os.read(reads, 1 << 16):
                    self._kept = (self._kept + data)[-_KEPT:]
                    if self._show:
                        self._show(data)
            finally:
                os.close(reads)

        self._join = in_thread(read)
        return self._writes

    def __exit__(self, *_: object) -> None:
        os.close(self._writes)
        self._join()

    def end(self) -> str:
        from wherry.compose.conditions import indented

        lines = [line for line in self._kept.decode("utf-8", "replace").splitlines() if line.strip()][-_LINES:]
        return f":{indented(lines)}" if lines else ""
