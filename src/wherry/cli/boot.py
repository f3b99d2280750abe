"""wherry boot."""

from __future__ import annotations

import os
import sys

from wherry.cli.flags import ArgumentError, Flag, FlagError, Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wherry.cli.flags import Args
    from wherry.cli.render import Output
    from wherry.engine import Engine
    from wherry.engine.boot import Outcome
    from wherry.engine.boot_files import BootFile

VERB = Verb(
    "[OPTIONS] [run | status | stop | remove]",
    "Have containers with a restart policy started when the machine boots",
    [
        Flag("init", "Write for this init system: systemd, openrc or cron (default: the one that runs here)",
             kind="string"),
        Flag("jobs", "How many containers to start or stop at the same time", short="j", kind="int", default=8),
        Flag("print", "Print what would be written, and write nothing"),
    ],
    most=1,
    examples=(
        "wherry boot",
        "wherry boot --print --init systemd",
        "wherry boot status",
        "wherry boot run",
        "wherry boot remove",
    ),
)  # fmt: skip


def run(engine: Engine, args: Args, out: Output) -> int:
    what = args.rest[0] if args.rest else None  # "" is a slip of the shell, and no wish to write
    work = {None: _write, "run": _run, "stop": _stop, "status": _status, "remove": _remove}.get(what)
    if work is None:
        raise ArgumentError(f"wherry boot: {what!r} is none of run, status, stop and remove\nSee 'wherry boot --help'.")
    return work(engine, args, out)


def _file(engine: Engine, args: Args) -> BootFile:
    from wherry.engine import boot_files

    kind = args.text("init") or boot_files.detect()
    if kind not in boot_files.KINDS:
        raise _wrong("init", kind, f"one of {', '.join(boot_files.KINDS)}")
    paths = engine.settings.paths
    return boot_files.plan(kind, paths.tag, _command(engine), paths.root)


def _wrong(flag: str, value: str, wanted: str) -> FlagError:
    return FlagError(f'invalid argument "{value}" for "--{flag}" flag: {wanted}\nSee \'wherry boot --help\'.')


def _jobs(args: Args) -> int:
    jobs = args.number("jobs") or 0
    if jobs < 1:
        raise _wrong("jobs", str(jobs), "a number above 0")
    return jobs


def _command(engine: Engine) -> list[str]:
    """As this very program was called, by its whole path, with what must be the same at boot."""
    from wherry.runtime.launch import python_argv

    program = os.path.abspath(sys.argv[0])
    is_program = os.path.basename(program) == "wherry" and os.access(program, os.X_OK)
    words = [program] if is_program else python_argv("from wherry.cli.main import entry; entry()", site=True)
    if engine.settings.paths.tag:
        words += ["--root", engine.settings.paths.root]
    return [*words, "--runtime", engine.settings.runtime] if engine.settings.runtime else words


def _write(engine: Engine, args: Args, out: Output) -> int:
    from wherry.engine import boot_files
    from wherry.host.linux import require_root

    file = _file(engine, args)
    if args.on("print"):
        out.write(file.text)
        return 0
    require_root(engine.settings.uid, "wherry boot")
    is_new = boot_files.write(engine.host, file)
    out.line(f"{file.path} {'is written' if is_new else 'was there already'}: {file.kind} calls `wherry boot run`")
    return 0


def _told(outcomes: list[Outcome]) -> int:
    return 1 if any(one.fault for one in outcomes) else 0


def _run(engine: Engine, args: Args, out: Output) -> int:
    from wherry.engine import boot
    from wherry.host.linux import require_root

    require_root(engine.settings.uid, "wherry boot run")
    return _told(boot.run(engine, _jobs(args), lambda one: _tell(one, "start", out)))


def _stop(engine: Engine, args: Args, out: Output) -> int:
    from wherry.engine import boot
    from wherry.host.linux import require_root

    require_root(engine.settings.uid, "wherry boot stop")
    return _told(boot.stop(engine, _jobs(args), lambda one: _tell(one, "stop", out)))


def _tell(one: Outcome, verb: str, out: Output) -> None:
    if one.fault:
        out.error(f"wherry boot: cannot {verb} {one.name}: {one.fault}")
    else:
        out.line(one.name)
    out.flush()


def _status(engine: Engine, args: Args, out: Output) -> int:
    """What is installed, and what the next boot would start."""
    from wherry.engine import boot, boot_files

    file = _file(engine, args)
    text = boot_files.installed(file)
    if text is None:
        said = "is not there: nothing is started at boot (wherry boot)"
    elif text != file.text:
        said = "is another than this wherry would write (wherry boot writes it anew)"
    else:
        is_enabled = boot_files.is_enabled(engine.host, file)
        said = "is there" if is_enabled else f"is there, but {file.kind} does not call it (wherry boot enables it)"
    out.line(f"{file.path} {said}")
    rows = []
    for one in boot.candidates(engine):
        name, most = one.policy
        if name != "no":
            # As if all that runs were lost with the machine
            starts, why = boot.judge(boot.after_reboot(one))
            rows.append((one.name, f"{name}:{most}" if most else name, "start" if starts else "leave", why))
    if rows:
        out.line()
        out.table(["CONTAINER", "POLICY", "AT BOOT", "WHY"], rows)
    return 0


def _remove(engine: Engine, args: Args, out: Output) -> int:
    from wherry.engine import boot_files

    file = _file(engine, args)
    gone = boot_files.remove(engine.host, file)
    out.line(f"{file.path} {'is removed' if gone else 'was not there'}")
    return 0
