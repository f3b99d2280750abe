"""Container Apps as a target, known without Azure's SDK."""

from __future__ import annotations

from wherry.deploy.aca import arm
from wherry.deploy.aca.choice import Choice
from wherry.deploy.aca.session import AcaSession
from wherry.deploy.aca.validate import validate, wrong_options
from wherry.deploy.application import Application
from wherry.deploy.options import OPTIONS
from wherry.deploy.target import Chosen, Document, Problem, Surroundings
from wherry.deploy.targets import refuse

__all__ = ["AcaTarget"]


class AcaTarget:
    """See deploy.target.Target."""

    name = "aca"
    extra = "azure"
    options = OPTIONS["aca"]

    def validate(self, app: Application, options: Chosen) -> list[Problem]:
        return validate(app, Choice.parse(options))

    def documents(self, app: Application, options: Chosen) -> list[Document]:
        """containerapp.yaml for `az containerapp create --yaml`, template.json for `az deployment group create`."""
        choice = Choice.parse(options)
        return [Document("containerapp.yaml", arm.yaml(app, choice)), Document("template.json",
                                                                               arm.template(app, choice))]  # fmt: skip

    def connect(self, options: Chosen, around: Surroundings) -> AcaSession:
        from wherry.deploy.aca.sdk import connect

        choice = Choice.parse(options).over(around.env)
        refuse(self.name, wrong_options(choice))
        credentials = around.engine.registries.credentials

        def login(host: str) -> tuple[str, str] | None:
            found = credentials.find(host)
            return (found.username, found.password) if found and found.username else None

        return AcaSession(connect(choice, around.env), choice, around.read_secret, login)
