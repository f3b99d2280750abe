"""python -m bench [--rows run,noop] [--out bench.json]"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

from bench import machine, rows_compose, rows_engine, rows_logs, rows_project, rows_registry, rows_track
from bench import rows as rows_local
from bench.engines import Docker, Wherry
from bench.rows import Pair, Row, Setup

ROWS = (
    *rows_local.ROWS, *rows_engine.ROWS, *rows_logs.ROWS, *rows_registry.ROWS, *rows_compose.ROWS, *rows_track.ROWS,
    *rows_project.ROWS,
)  # fmt: skip

NOTES = """\
Medians of alternating runs, both engines on the same base image and the same files, caches of the system warm.
docker: its own dockerd for this run; the host's certificates are inside its base image, where wherry lends them.
Memory is PSS. Ratios are wherry / docker; a target is a ratio, for memory MB. Targets without a mark come later."""


def show(value: float, unit: str) -> str:
    if unit == "MB":
        return f"{value:.1f} MB"
    return f"{value:.3f} s" if value < 10 else f"{value:.1f} s"


def line(row: Row, pair: Pair) -> tuple[str, ...]:
    wherry, docker = pair.medians
    ratio = wherry / docker if docker else 0.0
    if row.target is None:
        target, verdict = "", ""
    elif pair.unit in ("s over", "s within"):
        target, verdict = f"{row.target:.2f} s", "met" if wherry <= row.target else "missed"
    elif pair.unit == "MB":
        target, verdict = f"{row.target:.0f} MB", "met" if wherry <= row.target else "missed"
    else:
        target, verdict = f"{row.target:.2f}", "met" if ratio <= row.target else "missed"
    return row.title, show(wherry, pair.unit), show(docker, pair.unit), f"{ratio:.2f}", target, verdict


def table(lines: list[tuple[str, ...]]) -> str:
    cells = [("workload", "wherry", "docker", "ratio", "target", ""), *lines]
    widths = [max(len(row[i]) for row in cells) for i in range(len(cells[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) if i == 0 else cell.rjust(width) for i, (cell, width) in
                  enumerate(zip(row, widths, strict=True))).rstrip() for row in cells
    )  # fmt: skip


def measure(folder: Path, rows: list[Row]) -> tuple[dict[str, str], list[tuple[Row, Pair]]]:
    facts = machine.facts(folder)
    wherry = Wherry(folder / "wherry")
    print("preparing: base image, dockerd", flush=True)
    base = wherry.base()
    docker = Docker(folder / "docker")
    try:
        docker.load(wherry, base)
        setup = Setup(wherry, docker, base, folder)
        found = []
        for row in rows:
            start = time.monotonic()
            pair = row.measure(setup)
            found.append((row, pair))
            print(f"{'  '.join(line(row, pair)[:4])}   ({time.monotonic() - start:.0f} s)", flush=True)
        return facts | {"base image": base}, found
    finally:
        docker.close()


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench")
    parser.add_argument("--rows", default="", help=f"some of: {','.join(row.key for row in ROWS)}")
    parser.add_argument("--out", default="bench.json")
    args = parser.parse_args()
    wanted = [word for word in args.rows.split(",") if word] or [row.key for row in ROWS]
    if unknown := set(wanted) - {row.key for row in ROWS}:
        parser.error(f"no such rows: {', '.join(sorted(unknown))}; there are {', '.join(row.key for row in ROWS)}")
    if os.geteuid() != 0:
        parser.error("dockerd and wherry need root for this: sudo make bench")
    rows = [row for row in ROWS if row.key in wanted]
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    folder = Path(tempfile.mkdtemp(prefix="wherry-bench-", dir="/var/tmp"))
    try:
        facts, found = measure(folder, rows)
    except RuntimeError as fault:
        print(f"bench: {fault}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print("\n" + table([line(row, pair) for row, pair in found]) + "\n")
    print("\n".join(f"{key}: {value}" for key, value in facts.items()) + f"\n{NOTES}")
    result = {
        "machine": facts,
        "rows": [
            {"key": row.key, "title": row.title, "unit": pair.unit, "target": row.target, "note": row.note,
             "wherry": pair.wherry, "docker": pair.docker, "medians": pair.medians} for row, pair in found
        ],
    }  # fmt: skip
    Path(args.out).write_text(json.dumps(result, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
