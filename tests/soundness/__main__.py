"""`make soundness N=10000 SEED=1`: builds with the cache beside builds without, until so many steps were compared."""

from __future__ import annotations

import argparse
import os
import sys
import time


def _flags() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.soundness", description=__doc__)
    parser.add_argument("-n", "--cases", type=int, default=1000, help="stop after so many cases")
    parser.add_argument("--seed", type=int, default=1, help="the first world's seed")
    parser.add_argument("--workers", type=int, default=2, help="processes, each with roots of its own")
    parser.add_argument("--edits", type=int, default=7, help="edits of each world")
    parser.add_argument("--seconds", type=float, default=0, help="stop after this time, whatever N says")
    parser.add_argument("--no-tools", action="store_true", help="leave out worlds that need Python, make and git")
    parser.add_argument("--no-traced-cache", action="store_true", help="check the ordinary cache alone")
    parser.add_argument("--no-shrink", action="store_true", help="do not make wrong worlds smaller")
    parser.add_argument("--show", action="store_true", help="print the world of --seed, and run nothing")
    parser.add_argument("-v", "--verbose", action="store_true", help="figures for each kind of command")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    return parser


def main(argv: list[str]) -> int:
    """0 when nothing was wrong, 1 for a wrong hit or a crash, 2 when it can't run here."""
    from tests.soundness import run, worker

    options = _flags().parse_args(argv)
    settings = worker.Settings(options.edits, not options.no_tools, not options.no_traced_cache)
    if options.show:
        from tests.soundness.shrink import picture

        print("\n".join(picture(settings.world(options.seed))))
        return 0
    if os.geteuid():
        print("the checker builds images, which needs root", file=sys.stderr)
        return 2
    if options.worker:
        return worker.serve(settings)
    began = time.monotonic()
    plan = run.Plan(options.cases, options.seed, settings, options.workers, options.seconds)
    totals = run.check(plan, lambda text: print(text, flush=True))
    if options.verbose:
        print("\n".join(totals.table()))
    print("\n".join(totals.text(time.monotonic() - began, options.seed)))
    wrong = totals.of_kind("wrong hit") or totals.of_kind("other failure")
    if wrong and not options.no_shrink:
        seed, fault = wrong[0]
        print(f"\nThe first one made small (world {seed}):\n{run.shrunk(seed, fault, settings)}")
    return 0 if totals.is_sound else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
