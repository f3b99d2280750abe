"""What docker has and wherry does not, each with its reason: for the message, and for docs/coverage.md."""

from __future__ import annotations

__all__ = ["COMMANDS", "FLAGS", "flag_reason", "reason_of"]

_CLUSTER = "wherry has no cluster of its own: several machines are Kubernetes's work, or your cloud's"
_DAEMON = "there is no daemon"

_BUILDER = "wherry itself is the one builder: there is none to make or choose"

# docker has one on XFS with project quotas only
_NO_SIZE = "overlayfs has no size of its own: put what grows on a volume, or on --tmpfs with a size"

# By command, or by the group that all of it belongs to
COMMANDS: dict[str, str] = {
    **dict.fromkeys(("config", "node", "secret", "service", "stack", "swarm"), _CLUSTER),
    **{f"builder {name}": _BUILDER for name in (
        "create", "dial-stdio", "inspect", "ls", "rm", "stop", "use", "version")},
    "builder bake": "one `wherry build` for each target does the same work: they share the cache",
    "builder imagetools": "`wherry copy --all` moves images of several platforms, `manifest inspect` shows them",
    "compose alpha": "what is not settled in docker-compose is not imitated",
    "checkpoint": "processes are not frozen to disk: CRIU can't keep GPU state, and few programs survive it",
    "manifest annotate": "the index is made from the images' own platforms: see `wherry copy --all`",
    "manifest create": "the index is made from the images' own platforms: see `wherry copy --all`",
    "manifest push": "`wherry push --all-platforms` sends an index with its images",
    "manifest rm": "nothing is kept of a manifest that was not pushed",
    "network update": _DAEMON,
    "plugin": f"{_DAEMON} to plug into: devices come by CDI, credentials by docker's helpers",
    "system dial-stdio": _DAEMON,
    "trust": "`wherry image sign` and `wherry image verify` sign as cosign does; Notary v1 is at its end",
    "volume update": "only volumes of a swarm can be updated",
}  # fmt: skip

# (command, flag) -> why it is refused or missing; "" as the command: wherever it is
FLAGS: dict[tuple[str, str], str] = {
    ("start", "checkpoint"): COMMANDS["checkpoint"],
    ("start", "checkpoint-dir"): COMMANDS["checkpoint"],
    ("", "builder"): _BUILDER,
    **{(verb, name): "only Windows has it" for verb in ("run", "create") for name in (
        "cpu-count", "cpu-percent", "io-maxbandwidth", "io-maxiops")},
    **{(verb, "storage-opt"): _NO_SIZE for verb in ("run", "create")},
    ("build", "annotation"): "`--label` says the same in the image's configuration, which every registry keeps",
    ("build", "cgroup-parent"): "steps run in cgroups of wherry's own, whose limits are the machine's",
    ("volume ls", "cluster"): _CLUSTER,
    **{("volume create", name): _CLUSTER for name in (
        "availability", "group", "limit-bytes", "required-bytes", "scope", "secret", "sharing", "topology-preferred",
        "topology-required", "type")},
}  # fmt: skip


def reason_of(name: str) -> str:
    """Why the command (or its group) is not there; "" when no reason is known."""
    if name.startswith("buildx "):
        name = "builder " + name.removeprefix("buildx ")
    words = name.split(" ")
    return next((found for count in (3, 2, 1) if (found := COMMANDS.get(" ".join(words[:count])))), "")


def flag_reason(command: str, flag: str) -> str:
    """Why the command does not take docker's flag; "" when no reason is known."""
    return FLAGS.get((command, flag)) or FLAGS.get(("", flag), "")
