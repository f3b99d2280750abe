"""What runc and crun say when they fail, and which of our errors that is. The one table of its kind.

They give text only. `tests/cases/runtime/complaints/` holds what each version really wrote. Loaded on failure only.
"""

from __future__ import annotations

import json
import re

from wherry.errors import CommandNotFound, Conflict, HostError, NotExecutable, NotFound, RuntimeFailure, WherryError

__all__ = ["explain", "last_message"]

_TABLE: tuple[tuple[str, type[WherryError], str, str | None], ...] = (
    # runc: the program
    (r'exec: "([^\n]*)": executable file not found in \$PATH', CommandNotFound,
     'exec: "{0}": executable file not found in $PATH', None),
    (r'exec: "([^\n]*)": stat [^\n]*: no such file or directory', CommandNotFound,
     'exec: "{0}": stat {0}: no such file or directory', None),
    (r'exec: "([^\n]*)": permission denied', NotExecutable, 'exec: "{0}": permission denied',
     "the file is there but may not be executed: chmod +x it in the image"),
    (r'exec: "([^\n]*)": is a directory', NotExecutable, 'exec: "{0}": is a directory', None),
    # crun: the program
    (r"executable file `([^\n]*)` not found in \$PATH", CommandNotFound,
     'exec: "{0}": executable file not found in $PATH', None),
    (r"cannot find `([^\n]*)` in \$PATH", CommandNotFound, 'exec: "{0}": executable file not found in $PATH', None),
    (r"executable file `([^\n]*)` not found", CommandNotFound,
     'exec: "{0}": stat {0}: no such file or directory', None),
    (r"the path `([^\n]*)` exists but it is not executable", NotExecutable, 'exec: "{0}": permission denied',
     "the file is there but may not be executed: chmod +x it in the image"),
    (r"the path `([^\n]*)` is not a regular file", NotExecutable, 'exec: "{0}": is a directory', None),
    # Working folder
    (r"error during container init: mkdir ([^\n:]*): ([^\n]*)", RuntimeFailure,
     'the working directory "{0}" can\'t be used: {1}', "choose another with -w or WORKDIR"),
    (r"chdir to `([^\n]*)`: ([^\n]*)", RuntimeFailure, 'the working directory "{0}" can\'t be used: {1}',
     "choose another with -w or WORKDIR"),
    # Mounts
    (r"check proc-safety of ([^\n ]+) mount: [^\n]*cannot be mounted because it is", RuntimeFailure,
     "can't mount anything at {0}: nothing may hide or replace what is in /proc", "choose another place for it"),
    (r'error mounting "([^\n"]*)" to rootfs at "([^\n"]*)": ([^\n]*)', RuntimeFailure,
     "can't mount {0} at {1}: {2}", "is one a file and the other a folder, or is the source missing?"),
    (r"mount `([^\n`]*)` to `([^\n`]*)`: ([^\n]*)", RuntimeFailure, "can't mount {0} at /{1}: {2}",
     "is one a file and the other a folder, or is the source missing?"),
    # Limits
    (r"unable to set memory limit to (\d+) ([^\n]*)", RuntimeFailure,
     "a memory limit of {0} bytes is too small to start a container {1}", "give more with --memory"),
    (r"the memory limit could be too low: ([^\n]*)", RuntimeFailure, "the memory limit can't be set: {0}",
     "give more with --memory, or start without a limit"),
    (r'failed to write "([^\n"]*)": write [^\n]*cpuset\.cpus: ([^\n]*)', RuntimeFailure,
     "Requested CPUs are not available - requested {0}: {1}", "see /sys/devices/system/cpu/online"),
    (r"controller `([^\n`]*)` is not available", HostError, "the cgroup controller {0} is not available here",
     "start without the limit that needs it"),
    (r"error setting rlimit type (\d+): operation not permitted", RuntimeFailure,
     "a ulimit is higher than this machine allows (rlimit {0})", "give a lower one with --ulimit"),
    (r"setrlimit `RLIMIT_([^\n`]*)`", RuntimeFailure, "the ulimit {0} is higher than this machine allows",
     "give a lower one with --ulimit"),
    # The machine
    (r"mkdir /sys/fs/cgroup[^\n ]*: (read-only file system|permission denied)", HostError,
     "no cgroup can be made for the container: {0}", "wherry doctor says why, and what to do"),
    (r"cgroups in hybrid mode not supported", HostError, "crun does not work with this machine's hybrid cgroups",
     "apt-get install --no-install-recommends runc"),
    # State
    (r"container does not exist", NotFound, "the runtime knows no such container", None),
    (r"error opening file `[^\n]*/status`: No such file|cannot open directory `[^\n]*`: No such file", NotFound,
     "the runtime knows no such container", None),
    (r"container not running|container is not running|process already finished|is not in a state to be paused",
     Conflict, "the container is not running", None),
    (r"container with (?:id|given ID) (?:exists|already exists)|container `[^\n]*` already exists", Conflict,
     "the runtime has a container of this id already", None),
)  # fmt: skip

_NOISE = re.compile(
    r"^(?:(?:OCI runtime \w+ failed|runc \w+ failed|exec failed|unable to start container process|"
    r"error during container init|unable to apply cgroup configuration)(?::\s*))+"
)


def last_message(text: str) -> str:
    """The last complaint in a log (`--log-format json`) or on standard error; "" when there is none."""
    found = ""
    for line in text.splitlines():
        message = line.strip()
        if message.startswith("{"):
            try:
                doc = json.loads(message)
                message = doc["msg"] if doc.get("level") in ("error", "fatal") else ""
            except (ValueError, KeyError, AttributeError):
                pass
        elif match := re.match(r'time="[^"]*" level=(\w+) msg="(.*)"$', message):
            message = match[2].replace('\\"', '"') if match[1] in ("error", "fatal") else ""
        found = message or found
    return found


def explain(text: str, *, doing: str = "start the container") -> WherryError:
    """The error that the runtime's log or standard error stands for; RuntimeFailure with its words when unknown."""
    message = last_message(text)
    for pattern, kind, template, hint in _TABLE:
        if match := re.search(pattern, message):
            return kind(template.format(*match.groups()), hint=hint)
    said = _NOISE.sub("", message)
    return RuntimeFailure(f"failed to {doing}: {said or 'the runtime gave no reason'}")
