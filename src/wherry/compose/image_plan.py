"""Which images of a project are pulled, which are built, before its containers are made. Pure: docker-compose's rules.

Spec: https://github.com/compose-spec/compose-spec/blob/v2.1.0/05-services.md#pull_policy
"""

from __future__ import annotations

from wherry.compose.plan import BuildImage, Cause, Plan, Planner, PullImage
from wherry.errors import InputError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import NamedTuple

    from wherry.compose.model import Project, Service
else:
    from wherry.lean import NamedTuple

__all__ = ["FALLBACK", "POLICIES", "ImageOptions", "LocalImage", "plan_images"]

FALLBACK = "fallback"
"""The cause of a build that is done only when the pull before it brought nothing."""

POLICIES = frozenset({"always", "missing", "if_not_present", "never", "build", "policy", "refresh", "daily", "weekly"})
"""What --pull takes, beside every_<duration>. "policy" is what the file says."""

_MISSING = ("", "missing", "if_not_present")
_HOUR_NS = 3_600_000_000_000
_DAY_NS = 24 * _HOUR_NS


class LocalImage(NamedTuple):
    """An image that is here. `added_ns` is when it came. `fits` False: it is for another platform than is wanted."""

    id: str
    added_ns: int = 0
    fits: bool = True


class ImageOptions(NamedTuple):
    """Flags of `up` and `create`: --pull ("" is the file's policy), --build, --no-build."""

    pull: str = ""
    build: bool = False
    no_build: bool = False


def plan_images(
    project: Project, here: Mapping[str, LocalImage], options: ImageOptions, now_ns: int
) -> Plan:  # fmt: skip
    """`here` is by the image's name as services have it (`Service.image_name`). Raises: InputError."""
    planner = Planner()
    pulls: dict[str, int] = {}
    builds: dict[str, int] = {}
    decided = {name: _Wish(service, project, options) for name, service in project.services.items()}
    for name, wish in decided.items():
        cause = wish.pull_cause(here.get(wish.image), now_ns)
        if cause and wish.image not in pulls:
            pulls[wish.image] = planner.add(PullImage(name, wish.image, wish.is_built), cause)
    for name in decided:
        _add_build(name, project, decided, here, planner, pulls, builds)
    return planner.plan()


def _add_build(
    name: str, project: Project, decided: Mapping[str, _Wish], here: Mapping[str, LocalImage], planner: Planner,
    pulls: Mapping[str, int], builds: dict[str, int],
) -> None:  # fmt: skip
    """After those that its build takes images of. There are no cycles: the builder would have refused them."""
    if name in builds or name not in decided:
        return
    wish = decided[name]
    cause = wish.build_cause(here.get(wish.image), is_pulled=wish.image in pulls)
    if cause is None:
        return
    from wherry.compose.build_request import built_from

    builds[name] = 0
    for other in built_from(project, wish.service):
        _add_build(other, project, decided, here, planner, pulls, builds)
    needs = [builds[other] for other in built_from(project, wish.service) if builds.get(other)]
    if wish.image in pulls:
        needs.append(pulls[wish.image])
    builds[name] = planner.add(BuildImage(name, wish.image), cause, needs)


class _Wish:
    """What one service wants of its image."""

    def __init__(self, service: Service, project: Project, options: ImageOptions) -> None:
        self.service = service
        self.image = service.image_name(project.name)
        self.is_built = service.build is not None and not options.no_build
        self.policy = options.pull if options.pull not in ("", "policy") else service.pull_policy
        if options.build and self.is_built:
            self.policy = "build"
        self._after_ns = _refresh_after(self.policy, service)

    def pull_cause(self, here: LocalImage | None, now_ns: int) -> Cause | None:
        """Why it is pulled, None when it is not. A name that only a build gives is nobody's to give."""
        is_nameless = not self.service.image or self.service.provider is not None
        if is_nameless or self.policy in ("never", "build"):
            return None
        if self.policy == "always":
            return Cause("policy", "its pull policy is always")
        if here is None or not here.fits:
            return Cause("missing", "it is not here" if here is None else "it is here for another platform")
        if self._after_ns is not None and now_ns - here.added_ns >= self._after_ns:
            return Cause("policy", f"its pull policy is {self.policy}, and it came here before that")
        return None

    def build_cause(self, here: LocalImage | None, *, is_pulled: bool) -> Cause | None:
        if not self.is_built:
            return None
        if self.policy == "build":
            return Cause("policy", "it is to be built")
        if is_pulled:
            return Cause(FALLBACK, "in case that it can't be pulled")
        return Cause("missing", "it is not here") if here is None or not here.fits else None


def _refresh_after(policy: str, service: Service) -> int | None:
    """After how many ns an image that is here is asked for again; None: never. Raises: InputError."""
    if policy in ("daily", "weekly"):
        return _DAY_NS * (7 if policy == "weekly" else 1)
    if policy == "refresh":
        text = service.pull_refresh_after
        if not text:
            raise InputError(f"service {service.name}: pull_policy refresh needs pull_refresh_after")
    elif policy.startswith("every_"):
        text = policy.removeprefix("every_")
    elif policy in POLICIES or not policy:
        return None
    else:
        raise InputError(f'invalid --pull option "{policy}"', hint="always, missing, never, build, or every_<duration>")
    return _duration_ns(text, service)


_UNITS = {"w": 7 * _DAY_NS, "d": _DAY_NS, "h": _HOUR_NS, "m": 60 * 10**9, "s": 10**9}


def _duration_ns(text: str, service: Service) -> int:
    """1w2d3h4m5s, of whole numbers."""
    total, number = 0, ""
    for char in text:
        if char.isascii() and char.isdigit():
            number += char
        elif char in _UNITS and number:
            total, number = total + int(number) * _UNITS[char], ""
        else:
            number = "?"
            break
    if number or not text:
        raise InputError(f"service {service.name}: {text!r} is no duration", hint="as 12h, 2d or 1w")
    return total
