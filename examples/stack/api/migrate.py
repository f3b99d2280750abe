"""Bring the database to the newest version: each file of migrations/ once, in the order of their names.

All of a run is one transaction, behind a lock: it happens whole or not at all, also when two start at once.
"""

from __future__ import annotations

from pathlib import Path

import psycopg

from storage import settings

MIGRATIONS = Path(__file__).parent / "migrations"
LOCK = 7121  # any number that is only ours


def main() -> None:
    with psycopg.connect(settings(), connect_timeout=10) as connection:
        connection.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])
        connection.execute(
            "CREATE TABLE IF NOT EXISTS migration (name text PRIMARY KEY, done_at timestamptz DEFAULT now())"
        )
        done = {name for (name,) in connection.execute("SELECT name FROM migration")}
        for path in sorted(MIGRATIONS.glob("*.sql")):
            if path.name not in done:
                connection.execute(path.read_bytes())
                connection.execute("INSERT INTO migration (name) VALUES (%s)", [path.name])
                print(f"migrated: {path.name}")
    print("the database is up to date")


if __name__ == "__main__":
    main()
