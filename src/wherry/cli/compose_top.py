"""wherry compose top."""

from __future__ import annotations

from wherry.cli.compose import ComposeContext, compose_verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wherry.cli.flags import Args
    from wherry.cli.render import Output
    from wherry.engine import Engine

VERB = compose_verb("[SERVICES...]", "Display the running processes", most=None, examples=("wherry compose top web",))


def run(engine: Engine, args: Args, out: Output) -> int:
    """A table for each container that runs, by name."""
    from wherry.cli.render import clean
    from wherry.cli.tabwriter import aligned
    from wherry.compose.choose import containers
    from wherry.compose.observe import observe

    name = ComposeContext(engine, args, out).name()
    for one in sorted(containers(observe(engine, name), args.rest), key=lambda one: one.name):
        header, *rows = engine.containers.top(one.id, ())
        lines = [header, *([clean(cell) for cell in row] + [""] * (len(header) - len(row)) for row in rows)]
        out.line(one.name)
        out.write(aligned("".join("".join(f"{cell}\t" for cell in line) + "\n" for line in lines), least=4))
        out.line()
    return 0
