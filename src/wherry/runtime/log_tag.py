"""--log-opt tag: a template of docker's fields."""

from __future__ import annotations

import re

from wherry.errors import InputError, Unsupported

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["FIELDS", "render"]

FIELDS = frozenset(
    {
        "ID", "FullID", "Name", "ImageID", "ImageFullID", "ImageName", "Hostname", "DaemonName", "Command",
        "ContainerID", "ContainerName", "ContainerImageID", "ContainerImageName", "ContainerEntrypoint",
    }
)  # fmt: skip


def render(template: str, fields: Mapping[str, str], begin: str) -> str:
    """With {} for `fields`, only a check. Raises: InputError with docker's words after `begin`, Unsupported."""

    def fill(action: re.Match[str]) -> str:
        name = action[1].strip(" \t")
        if not re.fullmatch(r"\.[A-Za-z]+", name):
            raise Unsupported(f"log-opt tag: {action[0]} is not supported", hint="fields only, as {{.Name}}")
        if name[1:] not in FIELDS:
            raise InputError(
                f'{begin}template: log-tag:1:{action.start() + 2}: executing "log-tag" at <{name}>: '
                f"can't evaluate field {name[1:]} in type *logger.Info",
                hint=f"the fields are {', '.join(sorted(FIELDS))}",
            )
        return fields.get(name[1:], "")

    filled = re.sub(r"\{\{(.*?)\}\}", fill, template, flags=re.DOTALL)
    if "{{" in re.sub(r"\{\{.*?\}\}", "", template, flags=re.DOTALL):
        raise InputError(f"{begin}template: log-tag:1: unclosed action")
    return filled
