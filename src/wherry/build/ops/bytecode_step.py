"""What a step with `pip install` runs: pip without its compiler, and the .pyc files that pip would have made, side by
side: beside pip's own work out of the wheels that it has fetched, then the rest on all processors.

This text goes to the image's own Python (3.8 or newer) by `-c`, so it imports nothing of ours. Its arguments: pip's
command line.
"""

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# What is kept in memory, and the largest module that is worth it: the end of pip is not heard meanwhile
AHEAD_BYTES, MODULE_BYTES = 128 << 20, 1 << 20

if __name__ == "__main__":
    # The working folder is the project's: a csv.py in it is not ours
    sys.path[:] = [one for one in sys.path if one]


def start(argv: "list[str]") -> int:
    """Before all other imports: pip leaves the .pyc files of those, as it would without us. Its pid."""
    return os.posix_spawnp(argv[0], argv, {**os.environ, "PIP_COMPILE": "0"})  # noqa: TID251


def end(pid: int) -> int:
    """Its exit status."""
    status = os.waitpid(pid, 0)[1]
    return 128 + os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)


def records() -> "dict[str, tuple[int, ...]]":
    """Each RECORD of an installed distribution, and what changes when it is written."""
    found: dict[str, tuple[int, ...]] = {}
    for folder in dict.fromkeys(one for one in sys.path if one.endswith(("/site-packages", "/dist-packages"))):
        for name in os.listdir(folder) if os.path.isdir(folder) else ():
            if name.endswith(".dist-info"):
                path = f"{folder}/{name}/RECORD"
                if os.path.isfile(path) and os.path.isfile(f"{folder}/{name}/INSTALLER"):
                    seen = os.stat(path)
                    found[path] = (seen.st_ino, seen.st_mtime_ns, seen.st_ctime_ns, seen.st_size)
    return found


def side_by_side(count: int, work: "Callable[[int], object]") -> bool:
    """Do `work` for 0, 1, ..., each in a process but the first. Whether the others came to their ends."""
    children = []
    for number in range(1, count):
        child = os.fork()
        if child == 0:
            try:
                work(number)
                os._exit(0)
            finally:
                os._exit(1)
        children.append(child)
    try:
        work(0)
    finally:
        # Whatever happens here, nobody goes on writing behind our back
        ends = [os.waitpid(child, 0)[1] for child in children]
    return not any(ends)


class Ahead:
    """A process that compiles modules out of the wheels that pip has fetched, while pip works on the next ones.

    What it has counts for a file that pip installed with the same bytes, and is written by it at the end.
    """

    def __init__(self) -> None:
        orders, self._order = os.pipe()
        self._answer, answers = os.pipe()
        self._pid = os.fork()
        if self._pid == 0:
            try:
                os.close(self._order)
                os.close(self._answer)
                os.nice(5)
                run_ahead(orders, answers)
                os._exit(0)
            finally:
                os._exit(1)
        os.close(orders)
        os.close(answers)

    def give_up(self) -> None:
        os.kill(self._pid, 9)
        os.waitpid(self._pid, 0)

    def claim(self, paths: "list[str]") -> "set[str]":
        """Those of the installed modules that it has; it begins to write their .pyc files."""
        try:
            with open(self._order, "wb") as order:
                order.write(os.fsencode("\0".join(paths)))
        except BrokenPipeError:
            pass
        with open(self._answer, "rb") as answer:
            return {os.fsdecode(one) for one in answer.read().split(b"\0") if one}

    def is_done(self) -> bool:
        """Whether it has written all that it claimed: waits for its end."""
        return os.waitpid(self._pid, 0)[1] == 0


def run_ahead(orders: int, answers: int) -> None:
    """Compile until `orders` says what was installed, answer with those that are there, and write their .pyc files."""
    import select
    import sysconfig
    import warnings

    warnings.filterwarnings("ignore")
    shelf = Shelf(sysconfig.get_path("purelib"))
    seen: set[str] = set()
    waits = select.poll()
    waits.register(orders, select.POLLIN)
    # Each look at a path is a message to the builder that traces the step: few of them
    while not waits.poll(50):
        for name, source in fetched(seen) if shelf.size < AHEAD_BYTES else ():
            shelf.put(name, source)
            if shelf.size >= AHEAD_BYTES or waits.poll(0):
                break
    with open(orders, "rb") as order:
        good = shelf.good([os.fsdecode(one) for one in order.read().split(b"\0")])
    with open(answers, "wb") as answer:
        answer.write(os.fsencode("\0".join(good)))
    write_all(good)


class Shelf:
    """Compiled modules, by the paths that they are for below `top`: the source of each, and its code.

    Nothing is written while pip works: a wheel that pip has fetched need not be one that it installs.
    """

    def __init__(self, top: str) -> None:
        self._top = top
        self._ready: dict[str, tuple[bytes, bytes]] = {}
        self.size = 0

    def put(self, name: str, source: bytes) -> None:
        path = os.path.join(self._top, name)
        code = compiled(path, source)
        # Two wheels with one file: which one pip leaves there is known at the end
        if code and path not in self._ready:
            self._ready[path] = source, code
            self.size += len(source) + len(code)

    def good(self, paths: "list[str]") -> "dict[str, tuple[bytes, bytes]]":
        """Source and code of those of them where pip installed the very bytes that were compiled."""
        return {path: self._ready[path] for path in paths if path in self._ready and holds(path, self._ready[path][0])}


def holds(path: str, source: bytes) -> bool:
    """Whether it is a file with these bytes. Nothing else is waited for, a FIFO say."""
    import stat

    try:
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
            return stat.S_ISREG(os.fstat(file.fileno()).st_mode) and file.read(len(source) + 1) == source
    except OSError:
        return False


def write_all(rest: "dict[str, tuple[bytes, bytes]]") -> None:
    """By two processes. Raises: OSError."""
    paths = [*rest]

    def part(number: int) -> None:
        for path in paths[number::2]:
            write_pyc(path, *rest[path])

    if not side_by_side(2, part):
        raise ChildProcessError


def fetched(seen: "set[str]") -> "Iterator[tuple[str, bytes]]":
    """The modules in pip's folders that are not `seen`: name and source of each. pip makes a folder for each
    wheel. One that is not whole yet comes the next time.
    """
    import stat
    import zipfile

    place = os.environ.get("TMPDIR") or "/tmp"  # noqa: TID251
    for folder in [f"{place}/{name}" for name in os.listdir(place) if name.startswith("pip-unpack-")]:
        for name in names(folder) if folder not in seen else ():
            wheel = f"{folder}/{name}"
            try:
                if not name.endswith(".whl") or not stat.S_ISREG(os.lstat(wheel).st_mode):
                    continue
                with zipfile.ZipFile(wheel) as archive:
                    seen.add(folder)
                    for member in archive.infolist():
                        if is_module(member.filename) and member.file_size <= MODULE_BYTES:
                            yield member.filename, archive.read(member)
            except (OSError, ValueError, NotImplementedError, RuntimeError, zipfile.BadZipFile):
                continue


def names(folder: str) -> "list[str]":
    try:
        return os.listdir(folder)
    except OSError:
        return []


def is_module(name: str) -> bool:
    """Whether it is one that pip puts beside the packages: what is in a .data folder goes elsewhere."""
    parts = name.split("/")
    return name.endswith(".py") and not parts[0].endswith(".data") and not {"", "..", "."} & {*parts}


def compiled(path: str, source: bytes) -> bytes:
    """Its code as in a .pyc file; nothing where compiling has something to say, or another codec to load."""
    import marshal

    head = b"".join(source.split(b"\n", 2)[:2]).lower()
    if head.count(b"coding") != sum(head.count(b"coding" + one) for one in (b": utf-8", b":utf-8", b"=utf-8")):
        return b""
    try:
        return marshal.dumps(compile(source, path, "exec", dont_inherit=True))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return b""


def write_pyc(path: str, source: bytes, code: bytes) -> None:
    """As `py_compile` does: whole or not at all, never in place of what is no file. Raises: OSError. Spec: PEP 552."""
    import importlib.util

    target, found = importlib.util.cache_from_source(path), os.stat(path)
    if os.path.islink(target) or (os.path.exists(target) and not os.path.isfile(target)):
        return
    if os.environ.get("SOURCE_DATE_EPOCH"):  # noqa: TID251
        head = (3).to_bytes(4, "little") + importlib.util.source_hash(source)
    else:
        head = bytes(4) + b"".join(
            (one & 0xFFFFFFFF).to_bytes(4, "little") for one in (int(found.st_mtime), len(source))
        )
    os.makedirs(os.path.dirname(target), exist_ok=True)
    fresh = f"{target}.{os.getpid()}"
    fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, (found.st_mode | 0o200) & 0o666)
    try:
        with open(fd, "wb") as file:
            file.write(importlib.util.MAGIC_NUMBER + head + code)
        os.replace(fresh, target)
    except OSError:
        os.unlink(fresh)
        raise


def ahead_or_none() -> "Ahead | None":
    """Where there is a processor for it, and room for a process."""
    try:
        return Ahead() if len(os.sched_getaffinity(0)) > 1 else None
    except OSError:
        return None


if __name__ == "__main__":
    _before = records()
    _pip = start(sys.argv[1:])
    _ahead = ahead_or_none()
    _status = end(_pip)
    _installed = sorted(path for path, seen in records().items() if _before.get(path) != seen)
    if _status or not _installed:
        if _ahead:
            _ahead.give_up()
        sys.exit(_status)  # noqa: TID251
    # From here on as in pip: what compiling imports (a codec, say) leaves its .pyc file in the image
    sys.dont_write_bytecode = False

import compileall  # noqa: E402
import csv  # noqa: E402
import importlib.util  # noqa: E402
import io  # noqa: E402
import warnings  # noqa: E402


class Record:
    """A distribution's list of files, as pip 20 and newer writes it."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.top = os.path.dirname(os.path.dirname(path))
        with open(path, newline="", encoding="utf-8") as file:
            text = file.read()
        self.end = "\r\n" if "\r\n" in text else "\n"
        self.rows = [tuple(row) for row in csv.reader(io.StringIO(text, newline="")) if row]

    def sources(self) -> "list[str]":
        """As pip puts them together: a file of another folder keeps its ".." in the compiled code's name."""
        found = sorted({row[0] for row in self.rows if row[0].endswith(".py")})
        paths = [os.path.join(self.top, name) for name in found]
        return [path for path in paths if os.path.isfile(path)]

    def write(self, made: "list[str]") -> None:
        """With the .pyc files, in pip's order; in place, with the mode that it has."""
        names = [os.path.relpath(one, self.top).replace(os.sep, "/") for one in made]
        # A wheel may bring a .pyc itself: pip lists it a second time
        rows = sorted({*self.rows, *((name, "", "") for name in names)})
        text = io.StringIO(newline="")
        csv.writer(text, lineterminator=self.end).writerows(rows)
        with open(self.path, "w", newline="", encoding="utf-8") as file:
            file.write(text.getvalue())


def compile_all(paths: "list[str]") -> None:
    """As pip calls it, by as many processes as there are processors."""
    count = max(1, min(len(os.sched_getaffinity(0)), 16, len(paths) // 20))
    # The largest first, dealt out in turn
    paths = sorted(paths, key=os.path.getsize, reverse=True)
    sys.stdout.flush()
    # What a child did not do is not there, and is done now
    if not side_by_side(count, lambda number: compile_some(paths[number::count])):
        compile_some(paths)


def compile_some(paths: "list[str]") -> None:
    out, sys.stdout = sys.stdout, io.StringIO()
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore")
            for path in paths:
                compileall.compile_file(path, force=True, quiet=True)
    finally:
        sys.stdout = out


def main(paths: "list[str]", ahead: "Ahead | None") -> None:
    listed = [Record(path) for path in paths]
    sources = sorted({path for record in listed for path in record.sources()})
    claimed = ahead.claim(sources) if ahead else set()
    compile_all([path for path in sources if path not in claimed])
    if ahead and not ahead.is_done():
        compile_all([path for path in sources if path in claimed])
    for record in listed:
        made = [importlib.util.cache_from_source(path) for path in record.sources()]
        record.write([path for path in made if os.path.isfile(path)])


if __name__ == "__main__":
    main(_installed, _ahead)
