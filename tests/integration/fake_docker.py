"""docker's command line in a JSON file, as far as `wherry deploy compose-ssh` uses it. Started by the sandbox's ssh.

The variable BECOMES of a compose file says what its container comes to.
"""

import io
import json
import os
import sys
from typing import Any

STATE = os.path.join(os.environ["HOME"], "docker.json")


def main(words: list[str]) -> int:
    state: dict[str, Any] = {"images": [], "containers": [], "log": []}
    if os.path.exists(STATE):
        with open(STATE) as file:
            state = json.load(file)
    state["log"].append(" ".join(words))
    code = run(words, state)
    with open(STATE, "w") as file:
        json.dump(state, file)
    return code


def run(words: list[str], state: dict[str, Any]) -> int:
    match words:
        case ["compose", "version"] | ["ps", "-q"]:
            pass
        case ["ps", "-aq", "--no-trunc", "--filter", label]:
            project = label.rpartition("=")[2]
            print("\n".join(one["Id"] for one in state["containers"] if one["Project"] == project))
        case ["inspect", *ids]:
            print(json.dumps([one for one in state["containers"] if one["Id"] in ids]))
        case ["image", "inspect", name]:
            return 0 if name in state["images"] else 1
        case ["images", "--format", _, repository]:
            print("\n".join(name for name in state["images"] if name.startswith(f"{repository}:")))
        case ["load"]:
            import tarfile

            with tarfile.open(fileobj=io.BytesIO(sys.stdin.buffer.read())) as archive:
                manifest = archive.extractfile("manifest.json")
                assert manifest
                state["images"] += json.load(manifest)[0]["RepoTags"]
        case ["rmi", name]:
            state["images"].remove(name)
        case ["compose", "-p", project, "-f", file, "up", *_]:
            return up(project, file, state)
        case ["compose", "-p", project, "-f", _, "down", *_]:
            state["containers"] = [one for one in state["containers"] if one["Project"] != project]
        case ["logs", *_]:
            print("ImportError: sklearn")
        case _:
            print(f"fake docker knows no {words}", file=sys.stderr)
            return 125
    return 0


def up(project: str, file: str, state: dict[str, Any]) -> int:
    import yaml

    with open(file) as text:
        service = yaml.safe_load(text)["services"]["app"]
    if service["image"].startswith("wherry-deploy/") and service["image"] not in state["images"]:
        print(f"no such image: {service['image']}", file=sys.stderr)
        return 1
    env = dict(service["environment"])
    for path in service.get("env_file", []):
        with open(path) as values:
            env |= dict(line.rstrip("\n").split("=", 1) for line in values)
    becomes = env.get("BECOMES", "running")
    if becomes == "refused":
        print("Bind for 0.0.0.0:8000 failed: port is already allocated", file=sys.stderr)
        return 1
    state["containers"] = [one for one in state["containers"] if one["Project"] != project]
    state["containers"].append({
        "Id": "f" * 60 + f"{len(state['log']):04}", "Name": f"/{project}-app-1", "Project": project, "Created": "2026",
        "Config": {"Labels": service["labels"], "Env": env, "Image": service["image"]},
        "State": {"Status": becomes, "ExitCode": 0 if becomes == "running" else 3}, "RestartCount": 0,
    })  # fmt: skip
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
