"""Lists of docker-compose's: its tables, whose columns are twenty wide, and one JSON array."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from wherry.cli.render import Output

__all__ = ["check_format", "print_list"]


def check_format(format: str) -> None:
    """Raises: InputError in docker-compose's words."""
    from wherry.errors import InputError

    if format not in {"", "table", "pretty", "json"}:
        raise InputError(f'format value "{format}" could not be parsed: parsing failed', hint="table or json")


def print_list(
    out: Output, keys: Sequence[str], headings: Sequence[str], rows: Sequence[Sequence[object]], format: str,
    json_rows: Sequence[Sequence[object]] | None = None,
) -> None:  # fmt: skip
    """`json_rows` are the values of --format json, where they aren't those of the table."""
    if format == "json":
        out.json([dict(zip(keys, row, strict=True)) for row in (rows if json_rows is None else json_rows)])
        return
    from wherry.cli.render import clean
    from wherry.cli.tabwriter import aligned

    lines = ["\t".join(headings), *("\t".join(clean(str(cell)) for cell in row) for row in rows)]
    out.write(aligned("".join(f"{line}\n" for line in lines), least=20))
