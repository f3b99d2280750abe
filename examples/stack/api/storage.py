"""Where predictions are kept: a table of PostgreSQL."""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from psycopg import conninfo
from psycopg.rows import class_row
from psycopg.types.json import Jsonb
from psycopg_pool import ConnectionPool

PATIENCE_S = 10.0
"""How long a request waits for a database that is coming back, before it gets a 503."""


class Stored(NamedTuple):
    id: int
    made_at: datetime
    measurements: dict[str, float]
    species: str
    probabilities: dict[str, float]


def settings() -> str:
    """How to reach the database. The password is read from a file: the environment is shown by inspect, ps and logs."""
    password = Path(os.environ["DB_PASSWORD_FILE"]).read_text().strip()
    return conninfo.make_conninfo(
        host=os.environ["DB_HOST"], user=os.environ["DB_USER"], dbname=os.environ["DB_NAME"], password=password
    )


class Predictions:
    """A few connections for all requests; each is tried before it is lent, so that one of a dead server is not."""

    def __init__(self) -> None:
        self._pool = ConnectionPool(
            settings(), min_size=1, max_size=8, timeout=PATIENCE_S, check=ConnectionPool.check_connection, open=False,
            kwargs={"connect_timeout": 3},
        )  # fmt: skip

    def open(self) -> None:
        self._pool.open()

    def close(self) -> None:
        self._pool.close()

    def add(self, measurements: dict[str, float], species: str, probabilities: dict[str, float]) -> int:
        """The number under which it is stored. When this returns it is on the disk: a kill of the server keeps it.

        Raises: psycopg.OperationalError (also its PoolTimeout) when the database can't be reached or died meanwhile.
        """
        with self._pool.connection() as connection:  # commits at its end
            row = connection.execute(
                "INSERT INTO prediction (measurements, species, probabilities) VALUES (%s, %s, %s) RETURNING id",
                [Jsonb(measurements), species, Jsonb(probabilities)],
            ).fetchone()
        assert row
        return int(row[0])

    def newest(self, limit: int) -> list[Stored]:
        """Raises: as `add`."""
        with self._pool.connection() as connection, connection.cursor(row_factory=class_row(Stored)) as cursor:
            cursor.execute(
                "SELECT id, made_at, measurements, species, probabilities FROM prediction ORDER BY id DESC LIMIT %s",
                [limit],
            )
            return cursor.fetchall()

    def ping(self) -> None:
        """Raises: as `add`."""
        with self._pool.connection(timeout=2) as connection:
            connection.execute("SELECT 1 FROM prediction LIMIT 1")
