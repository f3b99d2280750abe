"""Containers of projects: docker-compose's beside docker, and ours, by `inspect` of each."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.compat.shapes import allowed, fits, own_values, settled, walk
from tests.compat.sides import Side

pytestmark = pytest.mark.requires("root", "runc", "nft", "ip", "busybox", "docker", "dockerd", "docker-compose")
CASES = sorted((Path(__file__).parents[1] / "cases" / "compose" / "containers").glob("*.yaml"))
OWN = [
    *(path for path in own_values("container") if path != "NetworkSettings.Networks"),
    "Config.Labels.com.docker.compose.version", "Config.Labels.com.docker.compose.image",
    # Differs from docker: 2.26 counts depends_on and profiles in, and makes containers anew for them
    "Config.Labels.com.docker.compose.config-hash",
]  # fmt: skip
KNOWN = [
    *allowed("container"),
    # Which of them a container that was not started yet shows is another for both
    "NetworkSettings.Networks.*.MacAddress", "NetworkSettings.Networks.*.DNSNames",
    "NetworkSettings.Networks.*.IPAddress",
]  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One for both sides: paths are part of labels and hashes."""
    made = tmp_path_factory.mktemp("project")
    (made / "bind").mkdir()
    (made / "word.txt").write_text("word")
    (made / "conf.txt").write_text("conf")
    return made


def made(side: Side, folder: Path, command: str) -> dict[str, Any]:
    """`inspect` of the project's containers, by name."""
    inspect = "docker ps -aq --filter label=com.docker.compose.project=shape | xargs docker inspect"
    done = side.run(f"{command} create >log 2>&1 && {inspect}", folder)
    try:
        assert done.returncode == 0, (folder / "log").read_text() + done.stderr.decode()
        found = json.loads(done.stdout.decode().replace(str(side.folder), "SIDE"))
    finally:
        side.run(f"{command} down -v -t 0 >/dev/null 2>&1", folder)
    return {one["Name"]: plain(settled(one)) for one in found}


def plain(value: Any) -> Any:
    """Without what is null or empty: `docker-compose` leaves out what docker's command line sends empty, and the other
    way round. Lists that docker-compose makes of Go's maps have no order."""
    if isinstance(value, dict):
        kept = {key: plain(one) for key, one in value.items()}
        for key, by in (("Mounts", "Target"), ("Ulimits", "Name")):
            if isinstance(kept.get(key), list):
                kept[key].sort(key=lambda one: str(one.get(by, "")))
        if isinstance(kept.get("Env"), list):
            # A name alone takes the image's variable out, and is shown by docker only
            kept["Env"] = [one for one in kept["Env"] if "=" in one]
        if isinstance(kept.get("ExtraHosts"), list):
            kept["ExtraHosts"].sort()
        return {key: one for key, one in kept.items() if one not in (None, [], {})}
    return [plain(one) for one in value] if isinstance(value, list) else value


@pytest.mark.parametrize("case", CASES, ids=lambda path: path.stem)
def test_docker_compose_and_wherry_make_the_same_containers(
    case: Path, sides: tuple[Side, Side], folder: Path
) -> None:  # fmt: skip
    shutil.copy(case, folder / "compose.yaml")
    docker, wherry = sides
    theirs, ours = made(docker, folder, "docker-compose"), made(wherry, folder, "docker compose")
    assert theirs.keys() == ours.keys()
    differences = [
        f"{name} {one.path}: {one.what}"
        for name in sorted(theirs)
        for one in walk(theirs[name], ours[name], OWN)
        if not any(fits(path, one.path) for path in KNOWN)
    ]
    assert not differences, "\n".join(["", *differences])
