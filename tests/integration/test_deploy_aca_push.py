"""The push of a deployment to Container Apps: to a registry that is made on the way, with the login that it gives then.

A registry of ours stands in for Azure's under its name; it asks for no password.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext, suppress
from dataclasses import replace
from pathlib import Path

import pytest

from tests.integration.container_lab import _ENV, Wherry
from tests.registries.real import WherryRegistry
from tests.unit.deploy.aca.world import HERE, OWN, PLAIN, FakeAzure, World
from tests.unit.deploy.cloudrun.fake import Told
from wherry.cancel import Cancel
from wherry.deploy import image, work
from wherry.deploy.aca import names
from wherry.deploy.aca.session import AcaSession
from wherry.engine import Engine
from wherry.errors import NotFound, NotSignedIn
from wherry.host.linux import LinuxHost
from wherry.oci.platform import Platform
from wherry.oci.reference import Reference
from wherry.registry.watch import Silent
from wherry.settings import Settings

pytestmark = pytest.mark.requires("root", "busybox")


class Late(FakeAzure):
    """Azure gives a login only for a registry that is there. `is_over`: its own login ended meanwhile."""

    is_over = False
    given = 0

    def registry_token(self, server: str) -> str:
        assert self.world.registries(), "there is no registry to sign in to yet"
        if self.is_over:
            raise NotSignedIn("can't sign in", hint="az login")
        self.given += 1
        return "refresh-token"


@pytest.fixture
def served(tmp_path: Path) -> Iterator[WherryRegistry]:
    found = WherryRegistry(tmp_path / "registry")
    yield found
    found.close()


def carry_out(wherry: Wherry, azure: Late, served: WherryRegistry, tmp_path: Path) -> work.Outcome:
    """One command."""
    conf = tmp_path / "registries.conf"
    conf.write_text(f'[[registry]]\nprefix = "{OWN}.azurecr.io"\nlocation = "{served.host}"\ninsecure = true\n')
    env = {**_ENV, "CONTAINERS_REGISTRIES_CONF": str(conf), "HOME": str(tmp_path)}
    with Engine(Settings(wherry.paths, env, 0, str(tmp_path)), LinuxHost(env)) as engine:
        app = replace(PLAIN, image=image.resolve(engine, "busybox", Platform.of("linux", "amd64"), Cancel()))
        session = AcaSession(azure, HERE, lambda secret: "", lambda host: None, poll_s=0)
        seen = work.preview(engine, session, app, Cancel())
        assert seen.push_to
        assert seen.plan.steps[0].text == f"+ create image {seen.push_to.reference}"
        try:
            return work.carry_out(work.Job(engine, session, Told(), lambda: nullcontext(Silent())), seen, Cancel())
        finally:
            with suppress(NotFound):
                engine.image_store.untag(Reference.parse(seen.push_to.reference))


def test_the_image_arrives_in_a_registry_that_was_made_on_the_way(
    wherry: Wherry, served: WherryRegistry, tmp_path: Path
) -> None:
    azure = Late(World())
    azure.is_over = True
    with pytest.raises(NotSignedIn):
        carry_out(wherry, azure, served, tmp_path)
    assert [call.partition(" ")[2] for call in azure.world.calls] == ["wherry-iris", OWN]
    azure.is_over = False
    outcome = carry_out(wherry, azure, served, tmp_path)
    assert outcome.app.image.reference.startswith(f"{OWN}.azurecr.io/iris@sha256:")
    assert azure.given > 0
    made = azure.world.get(names.app_id(azure.subscription, "wherry-iris", "iris"))
    assert made
    assert made["properties"]["template"]["containers"][0]["image"] == outcome.app.image.reference
    assert outcome.deployed.url.startswith("https://iris.")
