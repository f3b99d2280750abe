"""What stands around the app and is made for it alone: resource group, registry, environment, identity and its right.

All of it is looked for by its name, and is ours only with our tag.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from wherry.deploy.aca import names
from wherry.deploy.aca.app import environment, needs_identity
from wherry.deploy.aca.azure import Azure
from wherry.deploy.aca.choice import Choice
from wherry.deploy.aca.place import Place, place
from wherry.deploy.aca.validate import gpu_profile
from wherry.deploy.application import Application
from wherry.deploy.plan import Step
from wherry.errors import Conflict, InputError, NotFound

__all__ = ["Around", "Surrounding"]

Doc = dict[str, Any]
_ACR_COST = "Container Registry: Basic, by the day"


class Around(NamedTuple):
    """Steps in their order, and what the app is tied to. `principal` is "" as long as the identity is not there."""

    steps: tuple[Step, ...]
    location: str
    environment: str
    identity: str
    principal: str
    profile: str


class Surrounding:
    """Looks at the world for one application; changes nothing."""

    def __init__(self, azure: Azure, choice: Choice, app: Application) -> None:
        self._azure, self._choice, self._app = azure, choice, app
        self.group = choice.group or names.own(app.name)
        self.place: Place = place(app, choice, azure.subscription, self.group)

    def registry_steps(self) -> tuple[str, list[Step]]:
        """The location, and what a push needs. Raises: NotFound, Conflict, InputError."""
        location, step = self._group()
        steps = [step] if step else []
        if self.place.is_own:
            body = {"location": location, "tags": names.tags(self._app), "sku": {"name": "Basic"},
                    "properties": {"adminUserEnabled": False}}  # fmt: skip
            steps.append(self._own("registry", self._registry_id(), body, _ACR_COST))
        return location, steps

    def look(self) -> Around:
        location, steps = self.registry_steps()
        environment_id, profile, step = self._environment(location)
        steps += [step] if step else []
        identity = principal = ""
        if needs_identity(self._app, self.place.is_azure):
            identity, principal, found = self._identity(location)
            steps += found
        return Around(tuple(steps), location, environment_id, identity, principal, profile)

    def _group(self) -> tuple[str, Step | None]:
        group_id = names.group_id(self._azure.subscription, self.group)
        there = self._azure.get(group_id)
        if self._choice.group and there is None:
            raise NotFound(f"there is no resource group {self.group} in the subscription",
                           hint=f"az group create -n {self.group} -l LOCATION, or no --resource-group")  # fmt: skip
        location = self._choice.location or str((there or {}).get("location", ""))
        if not location:
            raise InputError("no location is chosen", hint="--location westeurope, or AZURE_DEFAULTS_LOCATION")
        if self._choice.group:
            return location, None
        return location, self._own("resource group", group_id, {"location": location, "tags": names.tags(self._app)})

    def _own(self, kind: str, resource_id: str, body: Doc, cost: str = "") -> Step:
        """Raises: Conflict for one that has the name and not our tag."""
        there = self._azure.get(resource_id)
        name = names.last(resource_id)
        if there is None:
            return Step("create", kind, name, cost=cost, body={"id": resource_id, "doc": body})
        if not names.is_ours(there, self._app.name):
            raise Conflict(f"the {kind} {name} is there, and was not made by wherry for {self._app.name}",
                           hint="give another --name; wherry does not touch what lacks its tag")  # fmt: skip
        state = (there.get("properties") or {}).get("provisioningState", "Succeeded")
        differ = () if state in ("Succeeded", "Ready") else (f"its state is {state}: the same again",)
        return Step("change" if differ else "leave", kind, name, differ, cost, {"id": resource_id, "doc": body,
                                                                               "there": there})  # fmt: skip

    def _environment(self, location: str) -> tuple[str, str, Step | None]:
        """Its id, the workload profile there, and what is to be done for it."""
        chosen = self._choice.environment
        resource_id = names.environment_id(self._azure.subscription, self.group, chosen or names.own(self._app.name))
        profile = self._choice.profile or ("gpu" if self._app.gpu else "Consumption")
        if not chosen:
            return resource_id, profile, self._own("environment", resource_id, environment(self._app, location))
        there = self._azure.get(resource_id)
        if there is None:
            raise NotFound(f"there is no environment {names.last(chosen)} in the resource group {self.group}",
                           hint="give its id, or leave --environment out: wherry makes one")  # fmt: skip
        return resource_id, self._profile_of(there), None

    def _profile_of(self, there: Doc) -> str:
        """Raises: InputError where the environment has no such workload profile."""
        profiles = (there.get("properties") or {}).get("workloadProfiles") or []
        listed = {one.get("name", ""): one.get("workloadProfileType", "") for one in profiles}
        wanted = self._choice.profile
        if not wanted and self._app.gpu:
            kind = gpu_profile(self._app)
            wanted = next((name for name, one in listed.items() if one == kind), kind)
        if not wanted:
            # An environment of the older kind has no profiles, and wants none named
            return "Consumption" if "Consumption" in listed else ""
        if wanted not in listed:
            raise InputError(f"the environment {there.get('name', '')} has no workload profile {wanted}",
                             hint=f"it has: {', '.join(listed) or 'none'}")  # fmt: skip
        return wanted

    def _identity(self, location: str) -> tuple[str, str, list[Step]]:
        """Its id, its principal, and the steps for it and for its right to pull."""
        chosen = self._choice.identity
        resource_id = names.identity_id(self._azure.subscription, self.group, chosen or names.own(self._app.name))
        if chosen:
            if self._azure.get(resource_id) is None:
                raise NotFound(
                    f"there is no identity {names.last(chosen)}", hint="--identity ID, as az identity list says"
                )
            return resource_id, "", []
        step = self._own("identity", resource_id, {"location": location, "tags": names.tags(self._app)})
        there: Doc = step.body.get("there") or {}
        principal = str((there.get("properties") or {}).get("principalId", ""))
        steps = [step]
        if self.place.is_azure:
            scope = self._registry_id()
            made = principal and self._azure.get(names.assignment(scope, principal)) is not None
            steps.append(Step("leave" if made else "create", "role", f"AcrPull of {self.place.registry}",
                              body={"scope": scope, "principal": principal}))  # fmt: skip
        return resource_id, principal, steps

    def _registry_id(self) -> str:
        """Raises: NotFound for one that is not in this subscription."""
        if self.place.is_own:
            return names.registry_id(self._azure.subscription, self.group, self.place.registry)
        for one in self._azure.registries():
            if (one.get("properties") or {}).get("loginServer", "").lower() == self.place.host.lower():
                return str(one["id"])
        raise NotFound(f"there is no registry {self.place.host} in the subscription",
                       hint="--identity of one that may pull from there, or another --registry")  # fmt: skip
