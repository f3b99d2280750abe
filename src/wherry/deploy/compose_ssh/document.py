"""The compose file and the file of secrets beside it. Pure.

Spec: https://github.com/compose-spec/compose-spec/blob/main/05-services.md
"""

from __future__ import annotations

from typing import Any

from wherry.deploy.application import APPLICATION_LABEL, Application
from wherry.deploy.compose_ssh.choice import Choice, Publish
from wherry.deploy.documents import dump

__all__ = ["LOCAL_PREFIX", "SECRETS", "compose", "image_name", "project_name", "secrets_env", "sent_name"]

Doc = dict[str, Any]
SECRETS = "secrets.env"
LOCAL_PREFIX = "wherry-deploy"
"""Names of images that were sent: no registry has them, so that nobody's own image is renamed there."""


def project_name(name: str) -> str:
    return f"wherry-{name}"


def sent_name(app: Application) -> str:
    """By the image's id: a name never means another image, and going back finds the one of before."""
    return f"{LOCAL_PREFIX}/{app.name}:{app.image.id.rpartition(':')[2][:12]}"


def image_name(app: Application, choice: Choice) -> str:
    """What the compose file names: what was sent, what was pushed, or what is in a registry anyway."""
    if not app.image.id:
        return app.image.reference
    if not choice.registry:
        return sent_name(app)
    if app.image.reference.startswith(f"{choice.registry}/") and "@" in app.image.reference:
        return app.image.reference
    return f"{choice.registry}/{app.name}:{app.image.id.rpartition(':')[2][:12]}"


def compose(app: Application, choice: Choice) -> str:
    """Without any secret's value."""
    own = [one.name for one in app.secrets if one.kind != "ref"]
    head = "# Written by `wherry deploy compose-ssh`, which writes it anew: changes belong into wherry.toml\n"
    if own:
        head += f"# {SECRETS} beside it, mode 0600, sets {', '.join(own)}\n"
    doc = {"name": project_name(app.name), "services": {"app": _service(app, choice)}}
    return head + dump(_literal(doc))


def _service(app: Application, choice: Choice) -> Doc:
    image = image_name(app, choice)
    made: Doc = {
        "image": image,
        "pull_policy": "never" if image.startswith(f"{LOCAL_PREFIX}/") else "missing",
        "restart": "unless-stopped",
        "init": True,
        "security_opt": ["no-new-privileges:true"],
    }
    if app.image.user.partition(":")[0] not in {"", "0", "root"}:
        # Root needs its capabilities to become somebody else
        made["cap_drop"] = ["ALL"]
    if not choice.is_writable:
        made |= {"read_only": True, "tmpfs": ["/tmp"]}
    made["environment"] = {"PORT": str(app.port), **app.env}
    files = [SECRETS] if any(one.kind != "ref" for one in app.secrets) else []
    files += dict.fromkeys(one.where for one in app.secrets if one.kind == "ref")
    made |= {
        **({"env_file": files} if files else {}),
        "ports": [_port(choice.where_published or Publish(), app.port)],
        "cpus": app.cpu_m / 1000,
        "mem_limit": f"{app.memory_mib}m",
        "stop_grace_period": f"{app.grace_s}s",
        "labels": {**app.labels, APPLICATION_LABEL: app.name},
    }
    if app.entrypoint is not None:
        made["entrypoint"] = list(app.entrypoint)
    if app.command is not None:
        made["command"] = list(app.command)
    if app.weights:
        made["volumes"] = [{"type": "image", "source": one.reference, "target": one.mount} for one in app.weights]
    if app.gpu is not None:
        device = {"driver": app.gpu.kind or "nvidia", "count": app.gpu.count, "capabilities": ["gpu"]}
        made["deploy"] = {"resources": {"reservations": {"devices": [device]}}}
    return made


def _port(publish: Publish, port: int) -> str:
    return f"{publish.ip}:{publish.port or port}:{port}" if publish.ip else f"{publish.port or port}:{port}"


def _literal(value: Any) -> Any:
    """A $ of the user's is no variable of that machine: compose reads $$ as $."""
    if isinstance(value, dict):
        return {key: _literal(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_literal(one) for one in value]
    return value.replace("$", "$$") if isinstance(value, str) else value


def secrets_env(values: dict[str, str]) -> str:
    """As docker-compose's env files have it: single quotes replace nothing, and may go over lines."""
    return "".join(f"{name}={_quoted(value)}\n" for name, value in values.items())


def _quoted(value: str) -> str:
    if "'" not in value and not value.endswith("\\"):
        return f"'{value}'"
    escaped = (
        value.replace("\\", "\\\\").replace('"', '\\"').replace("$", "\\$").replace("\n", "\\n").replace("\r", "\\r")
    )
    return f'"{escaped}"'
