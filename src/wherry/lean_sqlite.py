"""The C half of sqlite3: all that is used here, without `datetime`, `warnings` and `functools`: 3 ms of each start."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    import sqlite3
else:
    import _thread
    import sys

    def _load():
        try:
            # It takes lru_cache of functools, which would bring collections and six more. Not where another thread
            # could meet what stands there for the moment
            if "functools" in sys.modules or _thread._count():
                import _sqlite3

                return _sqlite3
            sys.modules["functools"] = _stand_in()
            try:
                import _sqlite3
            finally:
                del sys.modules["functools"]
            return _sqlite3
        except ImportError:  # an interpreter with other halves
            import sqlite3

            return sqlite3

    def _stand_in():
        from _functools import _lru_cache_wrapper

        module = type(sys)("functools")
        module.lru_cache = lambda maxsize: lambda function: _lru_cache_wrapper(function, maxsize, False, tuple)
        return module

    sqlite3 = _load()

__all__ = ["sqlite3"]
