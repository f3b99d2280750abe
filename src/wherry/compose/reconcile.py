"""From what a project is to be and what is there of it to what is to be done. Pure: docker-compose's rules, as a plan.

A container is made anew when its service's configuration, image, networks or volumes are others than when it was made,
or when one it shares namespaces or volumes with is made anew: create under another name, stop the old one, remove it,
rename. So a creation that fails leaves the old one running. One that has ended but is as it should be is only started.
"""

from __future__ import annotations

from wherry.compose.decide import Decision, ReconcileOptions, decide, orphans
from wherry.compose.diverge import Standard
from wherry.compose.reconcile_resources import drifted_volumes, resources
from wherry.compose.reconcile_steps import Steps
from wherry.errors import NotFound

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wherry.compose.model import Project
    from wherry.compose.observe import Observed
    from wherry.compose.plan import Plan

__all__ = ["Decision", "ReconcileOptions", "Standard", "decide", "drifted_volumes", "orphans", "reconcile"]


def reconcile(project: Project, observed: Observed, standard: Standard, options: ReconcileOptions) -> Plan:
    """What `up` does (with `start`), or `create`.

    Raises: NotFound (an external network or volume, a service to scale), Conflict (a network of another key),
    InputError (container_name with more than one container), ComposeError (a cycle).
    """
    for name in options.scale:
        if name not in project.services:
            raise NotFound(f"no such service: {name}: not found")
    strays = orphans(project, observed)
    going = {one.id for one in strays} if options.remove_orphans else set()
    bystanders = [
        one
        for one in observed.containers
        if (one.one_off or one.service not in project.services) and one.id not in going
    ]
    wanted = resources(project, observed, options.recreate_volumes, bystanders)
    renewed = frozenset(project.volumes[key].name for key in wanted.drifted_volumes)
    decisions = decide(project, observed, standard._replace(renewed_volumes=renewed), options)
    warnings = wanted.warnings
    if strays and not options.remove_orphans:
        if not options.ignore_orphans:
            names = " ".join(one.name for one in strays)
            warnings += (
                f"Found orphan containers ([{names}]) for this project. If you removed or renamed this service in your "
                "compose file, you can run this command with the --remove-orphans flag to clean it up.",
            )
        strays = ()
    plan = Steps(project, observed, options, wanted, decisions).plan(strays)
    return plan._replace(warnings=warnings)
