"""Another machine as a target."""

from __future__ import annotations

import os

from wherry.cancel import Cancel
from wherry.deploy.application import Application
from wherry.deploy.compose_ssh.choice import Choice
from wherry.deploy.compose_ssh.document import compose
from wherry.deploy.compose_ssh.machine import connected
from wherry.deploy.compose_ssh.remote import Write
from wherry.deploy.compose_ssh.session import ComposeSshSession
from wherry.deploy.compose_ssh.ssh import Ssh
from wherry.deploy.compose_ssh.validate import problems
from wherry.deploy.options import OPTIONS
from wherry.deploy.target import Chosen, Document, Problem, Surroundings
from wherry.engine import Engine
from wherry.errors import InputError
from wherry.oci.digest import Digest
from wherry.oci.reference import Reference

__all__ = ["ComposeSshTarget"]


class ComposeSshTarget:
    """See deploy.target.Target. Nothing is to be installed here but ssh."""

    name = "compose-ssh"
    extra = ""
    options = OPTIONS["compose-ssh"]

    def validate(self, app: Application, options: Chosen) -> list[Problem]:
        return problems(app, Choice.parse(options))

    def documents(self, app: Application, options: Chosen) -> list[Document]:
        return [Document("compose.yaml", compose(app, Choice.parse(options)))]

    def connect(self, options: Chosen, around: Surroundings) -> ComposeSshSession:
        choice = Choice.parse(options)
        address = choice.address
        if address is None:
            raise InputError(f"{choice.host[:80]!r} is no [USER@]HOST[:PORT]" if choice.host else "no machine is named",
                             hint="--host [USER@]HOST[:PORT], as ssh takes it")  # fmt: skip
        key = os.path.join(around.cwd, choice.key) if choice.key else ""
        if key and not os.path.isfile(key):
            raise InputError(f"there is no key {key}", hint="--ssh-key FILE: the private one")
        remote = Ssh(around.host, around.env, address, key)
        try:
            machine = connected(remote, choice.engine, "sudo -n " if choice.has_sudo else "", Cancel())
        except BaseException:
            remote.close()
            raise
        return ComposeSshSession(machine, choice, around.read_secret, _saver(around.engine))


class _saver:  # noqa: N801 - a function with an engine
    """Writes an image's archive under the name that it gets there."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def __call__(self, image: str, name: str, write: Write) -> None:
        reference = Reference.parse(name)
        self._engine.image_store.tag(Digest.parse(image), reference)
        try:
            self._engine.images.save([name], write)
        finally:
            self._engine.image_store.untag(reference)
