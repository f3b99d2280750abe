"""The target `ecs`, as it is known without boto3."""

from __future__ import annotations

from wherry.deploy.application import Application
from wherry.deploy.ecs.choice import Choice
from wherry.deploy.options import OPTIONS
from wherry.deploy.target import Chosen, Document, Problem, Session, Surroundings

__all__ = ["EcsTarget"]


class EcsTarget:
    name = "ecs"
    extra = "aws"
    options = OPTIONS["ecs"]

    def validate(self, app: Application, options: Chosen) -> list[Problem]:
        from wherry.deploy.ecs.validate import validate

        return validate(app, Choice.parse(options))

    def documents(self, app: Application, options: Chosen) -> list[Document]:
        from wherry.deploy.ecs.documents import documents

        return documents(app, Choice.parse(options))

    def connect(self, options: Chosen, around: Surroundings) -> Session:
        from wherry.deploy.ecs.boto import connect
        from wherry.deploy.ecs.session import EcsSession
        from wherry.deploy.ecs.validate import wrong_options
        from wherry.deploy.targets import refuse

        choice = Choice.parse(options)
        refuse(self.name, wrong_options(choice))
        return EcsSession(connect(choice, around.env), choice, around.read_secret)
