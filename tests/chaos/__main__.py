"""`make chaos N=1000 SEED=1`: random commands, most of them killed at a random moment, and nothing lost or left."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path


def main(argv: list[str]) -> int:
    """0 when all agreed, 1 when something did not, 2 when it can't run here."""
    from tests.chaos.crowd import crowd
    from tests.chaos.run import chaos

    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("-n", "--acts", type=int, default=1000, help="how many commands")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--every", type=int, default=5, help="look at everything after so many commands")
    parser.add_argument("--clients", type=int, default=0, help="so many clients at once instead, and nothing killed")
    parser.add_argument("--seconds", type=float, default=300, help="how long the clients are at it")
    options = parser.parse_args(argv)
    if os.geteuid():
        print("chaos runs containers, which needs root", file=sys.stderr)
        return 2
    began = time.monotonic()
    if options.clients:
        with tempfile.TemporaryDirectory(prefix="chaos-") as folder:
            found = crowd(Path(folder), options.clients, options.seed, lambda _, s: s < options.seconds, print)
        print(f"{found.commands} commands of {options.clients} clients, the longest {found.longest_s:.1f} s "
              f"({found.longest}); {found.words} words written to a volume; "
              f"{time.monotonic() - began:.0f} s")  # fmt: skip
        return _verdict(found.faults)
    with tempfile.TemporaryDirectory(prefix="chaos-") as folder:
        outcome = chaos(Path(folder), options.acts, options.seed, lambda text: print(text, flush=True), options.every)
    print(f"{outcome.acts} commands, {outcome.killed} of them killed, and {outcome.bystanders} bystanders; "
          f"{outcome.words} words written to volumes; {time.monotonic() - began:.0f} s")  # fmt: skip
    return _verdict(outcome.faults)


def _verdict(faults: tuple[str, ...]) -> int:
    for fault in faults:
        print(f"WRONG: {fault}")
    print("all agree" if not faults else "NOT all agree")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
