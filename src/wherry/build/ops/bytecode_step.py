"""What a step with `pip install` runs: pip without its compiler, then the .pyc files that pip would have made, side by
side.

This text goes to the image's own Python (3.8 or newer) by `-c`, so it imports nothing of ours. Its arguments: pip's
command line.
"""

import os
import sys

if __name__ == "__main__":
    # The working folder is the project's: a csv.py in it is not ours
    sys.path[:] = [one for one in sys.path if one]


def install(argv: "list[str]") -> int:
    """Before all other imports: pip leaves the .pyc files of those, as it would without us. Its exit status."""
    pid = os.posix_spawnp(argv[0], argv, {**os.environ, "PIP_COMPILE": "0"})  # noqa: TID251
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


if __name__ == "__main__":
    _before = records()
    _status = install(sys.argv[1:])
    _installed = sorted(path for path, seen in records().items() if _before.get(path) != seen)
    if _status or not _installed:
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
    children = []
    sys.stdout.flush()
    for number in range(1, count):
        child = os.fork()
        if child == 0:
            compile_some(paths[number::count])
            os._exit(0)
        children.append(child)
    compile_some(paths[::count])
    # What a child did not do is not there, and is done now
    if sum([os.waitpid(child, 0)[1] for child in children]):
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


def main(paths: "list[str]") -> None:
    listed = [Record(path) for path in paths]
    compile_all(sorted({path for record in listed for path in record.sources()}))
    for record in listed:
        made = [importlib.util.cache_from_source(path) for path in record.sources()]
        record.write([path for path in made if os.path.isfile(path)])


if __name__ == "__main__":
    main(_installed)
