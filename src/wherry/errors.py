"""The one error hierarchy.

WherryError                    exit 1    .code: a stable string for --format json
  UsageError                   exit 2    the command line only (125 for run, create, exec: as docker)
  InputError                             what the user wrote: .where says file and line
    InvalidReference
    DockerfileError                      .source holds the lines to print under the message
    ComposeError               exit 15   the same for a Compose file or an env file (exit codes: docker-compose's)
      ComposeFileMissing       exit 14   there is none, or one that another names is not there
    InvalidSpec                          a JSON document of OCI or Docker that breaks its spec
    HostileArchive                       a tar that tries to write outside its target
  NotFound
  Conflict                               name taken, image in use, wrong state
  Locked
  Unsupported                            known, but not built yet
  IntegrityError                         digest or size differ; never retried
  BadSignature                 exit 12   there are signatures, and none is the one asked for (exit codes: cosign's)
    Unsigned                   exit 10   there is no signature at all
  Cancelled                    exit 130
  RegistryError                          a registry refused, or did not do what was asked: .status, .spec_code
    Unauthorized                         it does not know who asks
    Denied                               it knows, and says no
    RateLimited                          too many requests: .after_s
    Unreachable                          no answer: name, connection, time
    UntrustedCertificate                 it answered, and who it is could not be checked
  DeployError                            a platform refused, or did not do what was asked: .status, .platform_code
    NotSignedIn                          no login there, or one that is over
    Unhealthy                            it was applied, and did not get healthy: .reasons
  TrackingError                          a tracking server (MLflow) refused, is none, or does not answer: .server_code
  BuildError
    StepFailed                 exit 1    a RUN ended with another code than 0: .status
  HostError                              the machine lacks something: the hint says what to install
    DiskFull
  RuntimeFailure               exit 125  the engine could not start a container
    NotExecutable              exit 126
    CommandNotFound            exit 127
  ContainerExited              exit = .exit_code; prints nothing
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "BadSignature",
    "BuildError",
    "Cancelled",
    "CommandNotFound",
    "ComposeError",
    "ComposeFileMissing",
    "Conflict",
    "ContainerExited",
    "Denied",
    "DeployError",
    "DiskFull",
    "DockerfileError",
    "HostError",
    "HostileArchive",
    "InputError",
    "IntegrityError",
    "InvalidReference",
    "InvalidSpec",
    "Locked",
    "NotExecutable",
    "NotFound",
    "NotSignedIn",
    "RateLimited",
    "RegistryError",
    "RuntimeFailure",
    "StepFailed",
    "TrackingError",
    "Unauthorized",
    "Unhealthy",
    "Unreachable",
    "Unsigned",
    "Unsupported",
    "UntrustedCertificate",
    "UsageError",
    "WherryError",
    "nearest",
]


class WherryError(Exception):
    """Anything wherry tells its user. The message says what was being done and to what; `hint` what to try."""

    code = "error"
    exit_code = 1

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return self.message


class UsageError(WherryError):
    code = "usage"
    exit_code = 2


class InputError(WherryError):
    """Something the user wrote is wrong. `where` is "file" or "file:line", when known."""

    code = "invalid-input"

    def __init__(self, message: str, *, hint: str | None = None, where: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.where = where


class InvalidReference(InputError):
    code = "invalid-reference"


class DockerfileError(InputError):
    """A fault in a Dockerfile. `source` is the excerpt with a caret, ready to print, or "".

    `faults` are the faults of the whole file, when there are several; `source` then shows them all.
    """

    code = "invalid-dockerfile"

    def __init__(
        self,
        message: str,
        *,
        hint: str | None = None,
        where: str | None = None,
        source: str = "",
        faults: tuple[DockerfileError, ...] = (),
    ) -> None:
        super().__init__(message, hint=hint, where=where)
        self.source = source
        self.faults = faults


class ComposeError(InputError):
    """A fault in a Compose file or an env file. `where`: "file:line:column"; `source`: the lines and a caret, or ""."""

    code = "invalid-compose"
    exit_code = 15

    def __init__(self, message: str, *, hint: str | None = None, where: str | None = None, source: str = "") -> None:
        super().__init__(message, hint=hint, where=where)
        self.source = source


class ComposeFileMissing(ComposeError):
    code = "compose-file-missing"
    exit_code = 14


class InvalidSpec(InputError):
    code = "invalid-spec"


class HostileArchive(InputError):
    code = "hostile-archive"


class NotFound(WherryError):
    code = "not-found"


class Conflict(WherryError):
    code = "conflict"


class Locked(WherryError):
    code = "locked"


class Unsupported(WherryError):
    code = "unsupported"


class IntegrityError(WherryError):
    """Bytes are not what their digest or size said. Never retried."""

    code = "integrity"

    def __init__(self, what: str, *, expected: str, actual: str) -> None:
        super().__init__(f"{what}: expected {expected}, got {actual}")
        self.expected = expected
        self.actual = actual


class BadSignature(WherryError):
    code = "bad-signature"
    exit_code = 12


class Unsigned(BadSignature):
    code = "unsigned"
    exit_code = 10


class Cancelled(WherryError):
    code = "cancelled"
    exit_code = 130


class RegistryError(WherryError):
    """What a registry answered with, when it is not what was asked for.

    `status` is the HTTP status (0 when there was none), `spec_code` the spec's ("MANIFEST_UNKNOWN") or "".
    `retryable`: the same request may work a moment later. The registry package has tried that already.
    """

    code = "registry"

    def __init__(
        self, message: str, *, hint: str | None = None, status: int = 0, spec_code: str = "", retryable: bool = False
    ) -> None:
        super().__init__(message, hint=hint)
        self.status = status
        self.spec_code = spec_code
        self.retryable = retryable


class Unauthorized(RegistryError):
    code = "unauthorized"


class Denied(RegistryError):
    code = "denied"


class RateLimited(RegistryError):
    """Too many requests. `after_s` is how long the registry asked to wait, None when it did not say."""

    code = "rate-limited"

    def __init__(
        self,
        message: str,
        *,
        hint: str | None = None,
        after_s: float | None = None,
        status: int = 429,
        spec_code: str = "",
    ) -> None:
        super().__init__(message, hint=hint, status=status, spec_code=spec_code, retryable=True)
        self.after_s = after_s


class Unreachable(RegistryError):
    """No answer, or none in time: the name, the connection, a proxy. Worth another endpoint."""

    code = "unreachable"


class UntrustedCertificate(RegistryError):
    """TLS failed: expired, for another host, from an authority that is not known here. The message says which."""

    code = "untrusted-certificate"


class DeployError(WherryError):
    """What a platform answered with, when it is not what was asked for: quota, region, throttling, a wrong document.

    `status` is the HTTP status (0 when there was no answer), `platform_code` the platform's own word or "".
    `retryable`: the same may work later. The target has tried that already.
    """

    code = "deploy"

    def __init__(
        self, message: str, *, hint: str | None = None, status: int = 0, platform_code: str = "",
        retryable: bool = False,
    ) -> None:  # fmt: skip
        super().__init__(message, hint=hint)
        self.status = status
        self.platform_code = platform_code
        self.retryable = retryable


class NotSignedIn(DeployError):
    code = "not-signed-in"


class Unhealthy(DeployError):
    """`reasons` are the platform's events and the last log lines, a line each, oldest first."""

    code = "unhealthy"

    def __init__(self, message: str, *, hint: str | None = None, reasons: Sequence[str] = ()) -> None:
        super().__init__(message, hint=hint)
        self.reasons = tuple(reasons)


class TrackingError(WherryError):
    """What a tracking server said instead of what was asked for. `server_code` is its own word for it, or ""."""

    code = "tracking"

    def __init__(self, message: str, *, hint: str | None = None, server_code: str = "") -> None:
        super().__init__(message, hint=hint)
        self.server_code = server_code


class BuildError(WherryError):
    """A step of a build failed. `where` and `source` are its place in the Dockerfile and the excerpt, when known."""

    code = "build"

    def __init__(self, message: str, *, hint: str | None = None, where: str | None = None, source: str = "") -> None:
        super().__init__(message, hint=hint)
        self.where = where
        self.source = source


class StepFailed(BuildError):
    """A RUN step ended with `status`. `output` is its last lines, `source` the Dockerfile excerpt."""

    code = "step-failed"

    def __init__(self, message: str, *, status: int, output: Sequence[str] = (), source: str = "") -> None:
        super().__init__(message, source=source)
        self.status = status
        self.output = tuple(output)


class HostError(WherryError):
    code = "host"


class DiskFull(HostError):
    """The disk of wherry's root has no room left for what was to be written."""


class RuntimeFailure(WherryError):
    code = "runtime"
    exit_code = 125


class NotExecutable(RuntimeFailure):
    code = "not-executable"
    exit_code = 126


class CommandNotFound(RuntimeFailure):
    code = "command-not-found"
    exit_code = 127


class ContainerExited(WherryError):
    """Carries a container's exit code to the shell; the command line prints nothing for it."""

    code = "container-exited"

    def __init__(self, exit_code: int) -> None:
        super().__init__(f"container exited with status {exit_code}")
        self.exit_code = exit_code


def nearest(word: str, known: Sequence[str]) -> str | None:
    """The known word most like `word`, or None when nothing is close enough to be a slip of the fingers.

    Own edit distance: difflib brings `re` and 5 ms to every mistyped flag.
    """
    allowed = len(word) // 3
    ranked = sorted((_distance(word, one), one) for one in known if abs(len(one) - len(word)) <= allowed)
    return ranked[0][1] if ranked and ranked[0][0] <= allowed else None


def _distance(a: str, b: str) -> int:
    """How many letters to put in, leave out, change, or swap with the next one."""
    before: list[int] = []
    row = list(range(len(b) + 1))
    for i, left in enumerate(a, 1):
        older, before, row = before, row, [i]
        for j, right in enumerate(b, 1):
            cost = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (left != right))
            if i > 1 and j > 1 and left == b[j - 2] and a[i - 2] == right:
                cost = min(cost, older[j - 2] + 1)
            row.append(cost)
    return row[-1]
