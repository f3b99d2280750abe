"""`wherry build --explain`: what a build found in the cache and why, and what the next one compares with."""

from __future__ import annotations

from wherry.engine.ambient import project

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from wherry.build.explain_memory import Memory
    from wherry.build.job import Outcome
    from wherry.build.solve import Solver
    from wherry.engine import Engine
    from wherry.engine.builds import BuildRequest

__all__ = ["account"]


def account(
    engine: Engine, request: BuildRequest, solver: Solver, shape: tuple[object, ...], *, is_whole: bool
) -> None:
    """Tell `request.explain` of the steps that are done, and remember them when the build is whole.

    A build in which nothing changed, and that nobody wants explained, asks the database once. Raises: WherryError.
    """
    from wherry.build.explain_memory import Memory

    memory = Memory(engine.db, f"{project(request.context, engine.settings.cwd)}\0{request.dockerfile}")
    keys = [solver.outcomes[number].job.key for number in sorted(solver.outcomes)]
    notes = is_whole and request.remember and not memory.is_current(keys)
    if request.explain is not None:
        from wherry.build.explain import Before, explain

        flag = "--no-cache" if request.options.no_cache else "--no-cache-filter"
        before = Before(memory.recall(), memory.files, flag, solver.source)
        request.explain(explain(solver.outcomes, shape, before))
    if notes:
        _note(memory, solver.outcomes, shape, keys)


def _note(memory: Memory, outcomes: Mapping[int, Outcome], shape: tuple[object, ...], keys: list[str]) -> None:
    from wherry.build.explain_facts import facts_of, files_of
    from wherry.build.graph import Copy, Source

    jobs = [one.job for _, one in sorted(outcomes.items()) if not isinstance(one.job.vertex.op, Source)]
    facts = [facts_of(job, shape, outcomes) for job in jobs]
    files = {
        fact.slot: files_of(job)
        for fact, job in zip(facts, jobs, strict=True)
        if isinstance(job.vertex.op, Copy) and job.gathered
    }
    memory.note(facts, files, keys)
