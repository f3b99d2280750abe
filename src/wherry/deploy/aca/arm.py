"""The same deployment as files: an ARM template, which Bicep decompiles, and YAML for `az containerapp create`. Pure.

Spec: https://learn.microsoft.com/azure/azure-resource-manager/templates/syntax
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from wherry.deploy.aca import names
from wherry.deploy.aca.app import Wiring, container_app, environment, needs_identity, registry_entry
from wherry.deploy.aca.choice import Choice
from wherry.deploy.aca.place import Place, place
from wherry.deploy.application import Application
from wherry.deploy.documents import dump

__all__ = ["template", "yaml"]

Doc = dict[str, Any]
_APP, _ENVIRONMENT = "Microsoft.App/containerApps", "Microsoft.App/managedEnvironments"
_IDENTITY = "Microsoft.ManagedIdentity/userAssignedIdentities"
_REGISTRY, _ROLE = "Microsoft.ContainerRegistry/registries", "Microsoft.Authorization/roleAssignments"
_VERSIONS = {_APP: "2025-07-01", _ENVIRONMENT: "2025-07-01", _IDENTITY: "2023-01-31", _REGISTRY: "2023-07-01",
             _ROLE: "2022-04-01"}  # fmt: skip
_SCHEMA = "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#"
_LOCATION = "[parameters('location')]"


def template(app: Application, choice: Choice) -> str:
    """`az deployment group create -g GROUP --template-file template.json --parameters api-key=...`."""
    where = _place(app, choice, "[parameters('registry')]")
    identity = _identity(app, choice, where)
    wiring = Wiring(_LOCATION, _environment(app, choice), identity, _registry(where, identity))
    there = _pulled(app, where)
    made = _escaped(container_app(there, choice, wiring), {*_own(wiring), where.host, there.image.reference})
    parameters: Doc = {"location": {"type": "string", "defaultValue": "[resourceGroup().location]"}}
    if where.is_own:
        parameters["registry"] = {"type": "string", "metadata": {"description": "NAME.azurecr.io, with the image"}}
    for secret in made["properties"]["configuration"]["secrets"]:
        if "keyVaultUrl" not in secret:
            parameters[secret["name"]] = {"type": "secureString"}
            secret["value"] = f"[parameters('{secret['name']}')]"
    resources = _around(app, choice, where)
    needed = [one for one in (_depends(resource) for resource in resources) if one]
    resources.append({"type": _APP, "apiVersion": _VERSIONS[_APP], "name": app.name, **made, "dependsOn": needed})
    host = f"reference(resourceId('{_APP}', '{app.name}')).configuration.ingress.fqdn"
    outputs = {"url": {"type": "string", "value": f"[concat('https://', {host})]"}}
    document = {"$schema": _SCHEMA, "contentVersion": "1.0.0.0", "parameters": parameters, "resources": resources,
                "outputs": outputs}  # fmt: skip
    return json.dumps(document, indent=2) + "\n"


def yaml(app: Application, choice: Choice) -> str:
    """What is not known here stands as $VARIABLE for envsubst: ids, and the values of secrets."""
    where = _place(app, choice, "$REGISTRY")
    group = f"/subscriptions/{choice.subscription or '$SUBSCRIPTION'}/resourceGroups/{choice.group or '$GROUP'}"
    environment_id = choice.environment or names.own(app.name)
    if not environment_id.startswith("/"):
        environment_id = f"{group}/providers/{_ENVIRONMENT}/{environment_id}"
    identity = ""
    if needs_identity(app, where.is_azure):
        identity = choice.identity or names.own(app.name)
        identity = identity if identity.startswith("/") else f"{group}/providers/{_IDENTITY}/{identity}"
    wiring = Wiring(choice.location or "$LOCATION", environment_id, identity, _registry(where, identity))
    made = container_app(_pulled(app, where), choice, wiring)
    by_name = {names.secret(one.name): one.name for one in app.secrets}
    open_ones = [word for word in ("SUBSCRIPTION", "GROUP", "LOCATION", "REGISTRY") if f"${word}" in json.dumps(made)]
    for secret in made["properties"]["configuration"]["secrets"]:
        if "keyVaultUrl" not in secret:
            variable = by_name[secret["name"]]
            open_ones.append(variable)
            secret["value"] = f"${variable}"
    command = f"az containerapp create --name {app.name} --resource-group GROUP --yaml"
    if open_ones:
        listed = " ".join(f"${one}" for one in open_ones)
        head = f"# envsubst '{listed}' < containerapp.yaml > /tmp/app.yaml && {command} /tmp/app.yaml\n"
    else:
        head = f"# {command} containerapp.yaml\n"
    return head + dump(made)


def _place(app: Application, choice: Choice, unknown: str) -> Place:
    """The name of a registry of its own follows from the subscription, which nobody has asked for yet: `unknown`."""
    found = place(app, choice, choice.subscription, choice.group)
    return replace(found, host=unknown) if found.is_own else found


def _pulled(app: Application, where: Place) -> Application:
    """With the name under which Azure pulls the image."""
    if where.is_own and where.host.startswith("["):
        reference = f"[concat(parameters('registry'), '/{where.path(app)}')]"
    else:
        reference = where.push_to(app) or app.image.reference
    return replace(app, image=replace(app.image, reference=reference))


def _environment(app: Application, choice: Choice) -> str:
    wanted = choice.environment or names.own(app.name)
    return wanted if wanted.startswith("/") else f"[resourceId('{_ENVIRONMENT}', '{wanted}')]"


def _identity(app: Application, choice: Choice, where: Place) -> str:
    if not needs_identity(app, where.is_azure):
        return ""
    wanted = choice.identity or names.own(app.name)
    return wanted if wanted.startswith("/") else f"[resourceId('{_IDENTITY}', '{wanted}')]"


def _registry(where: Place, identity: str) -> Doc | None:
    return registry_entry(where.host, identity=identity) if where.is_azure else None


def _own(wiring: Wiring) -> set[str]:
    return {wiring.location, wiring.environment, wiring.identity}


def _escaped(value: Any, ours: set[str]) -> Any:
    """What a user wrote that looks like an expression of ARM stays what it is: "[x]" is "[[x]" in a template."""
    if isinstance(value, dict):
        return {_escaped(key, ours): _escaped(one, ours) for key, one in value.items()}
    if isinstance(value, list):
        return [_escaped(one, ours) for one in value]
    if isinstance(value, str) and value.startswith("[") and value not in ours:
        return f"[{value}"
    return value


def _around(app: Application, choice: Choice, where: Place) -> list[Doc]:
    """What is made for the application alone; what the user names is there already."""
    found = []
    if not choice.environment:
        body = _escaped(environment(app, _LOCATION), {_LOCATION})
        found.append({"type": _ENVIRONMENT, "apiVersion": _VERSIONS[_ENVIRONMENT], "name": names.own(app.name), **body})
    own_identity = needs_identity(app, where.is_azure) and not choice.identity
    tags = _escaped(names.tags(app), set())
    if own_identity:
        found.append({"type": _IDENTITY, "apiVersion": _VERSIONS[_IDENTITY], "name": names.own(app.name),
                      "location": _LOCATION, "tags": tags})  # fmt: skip
    if own_identity and where.is_azure:
        found.append(_role(app, where))
    return found


def _role(app: Application, where: Place) -> Doc:
    """Of the registry, which must be in the same resource group: a template's own scope."""
    who = f"resourceId('{_IDENTITY}', '{names.own(app.name)}')"
    name = "first(split(parameters('registry'), '.'))" if where.is_own else f"'{where.registry}'"
    registry = f"resourceId('{_REGISTRY}', {name})"
    return {
        "type": _ROLE,
        "apiVersion": _VERSIONS[_ROLE],
        "name": f"[guid({registry}, {who}, '{names.ACR_PULL}')]",
        "scope": f"[{registry}]",
        "properties": {
            "roleDefinitionId": f"[subscriptionResourceId('Microsoft.Authorization/roleDefinitions', "
                                f"'{names.ACR_PULL}')]",
            "principalId": f"[reference({who}, '{_VERSIONS[_IDENTITY]}').principalId]",
            "principalType": "ServicePrincipal",
        },
        "dependsOn": [f"[{who}]"],
    }  # fmt: skip


def _depends(resource: Doc) -> str:
    if resource["type"] == _ROLE:
        registry = resource["scope"][1:-1]
        return f"[extensionResourceId({registry}, '{_ROLE}', {resource['name'][1:-1]})]"
    return f"[resourceId('{resource['type']}', '{resource['name']}')]"
