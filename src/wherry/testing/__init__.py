"""Throw-away containers for tests: started, waited for, and removed whatever happens, also when the tests are killed.

    from wherry.testing import listens, throwaway

    with wherry.Engine() as engine, throwaway(engine, "postgres:16", ports=[5432], ready=listens(5432)) as db:
        connect("127.0.0.1", db.port(5432))

With pytest: `pytest_plugins = ["wherry.testing.fixtures"]` gives the fixtures `wherry_engine` and `throwaway`.
The guide is docs/testing.md.
"""

from __future__ import annotations

from wherry.testing.ready import Condition, NotReady, answers, exits, is_healthy, listens, says
from wherry.testing.throwaway import Throwaway, throwaway

__all__ = [
    "Condition", "NotReady", "Throwaway", "answers", "exits", "is_healthy", "listens", "says", "throwaway",
]  # fmt: skip
