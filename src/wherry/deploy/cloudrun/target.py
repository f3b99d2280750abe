"""Cloud Run as a target, known without Google's SDK."""

from __future__ import annotations

from wherry.deploy.application import Application
from wherry.deploy.cloudrun.choice import Choice
from wherry.deploy.cloudrun.knative import knative
from wherry.deploy.cloudrun.session import CloudRunSession
from wherry.deploy.cloudrun.validate import validate, wrong_options
from wherry.deploy.documents import dump
from wherry.deploy.options import OPTIONS
from wherry.deploy.target import Chosen, Document, Problem, Surroundings
from wherry.deploy.targets import refuse

__all__ = ["CloudRunTarget"]


class CloudRunTarget:
    """See deploy.target.Target."""

    name = "cloudrun"
    extra = "gcp"
    options = OPTIONS["cloudrun"]

    def validate(self, app: Application, options: Chosen) -> list[Problem]:
        return validate(app, Choice.parse(options))

    def documents(self, app: Application, options: Chosen) -> list[Document]:
        """service.yaml: `gcloud run services replace service.yaml`."""
        return [Document("service.yaml", dump(knative(app, Choice.parse(options))))]

    def connect(self, options: Chosen, around: Surroundings) -> CloudRunSession:
        from wherry.deploy.cloudrun.sdk import connect

        choice = Choice.parse(options)
        refuse(self.name, wrong_options(choice))
        return CloudRunSession(connect(choice, around.env), choice, around.read_secret)
