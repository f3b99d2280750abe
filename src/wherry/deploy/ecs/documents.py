"""What `--output` writes. Pure."""

from __future__ import annotations

import json

from wherry.deploy.application import Application
from wherry.deploy.documents import dump
from wherry.deploy.ecs.choice import Choice
from wherry.deploy.ecs.task import for_registration
from wherry.deploy.ecs.template import template
from wherry.deploy.target import Document

__all__ = ["documents"]


def documents(app: Application, choice: Choice) -> list[Document]:
    """The stack's template; beside it the task definition alone, for those who have a service already."""
    made = [Document("template.yaml", dump(template(app, choice)))]
    if not choice.is_express:
        task = json.dumps(for_registration(app, choice), indent=2, ensure_ascii=False)
        made.append(Document("task-definition.json", task + "\n"))
    return made
