"""The list of what is in an image, as SPDX 2.3 and CycloneDX 1.6 documents.

The libraries know the formats; what stands in a document depends on the image alone: no clock, no random number.
Spec: https://spdx.github.io/spdx-spec/v2.3/ and https://cyclonedx.org/docs/1.6/json/
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

from wherry._version import __version__
from wherry.oci.digest import Digest
from wherry.trust.extra import needs
from wherry.trust.packages import Distribution, Package
from wherry.trust.referrer import Payload

if TYPE_CHECKING:
    from cyclonedx.model.component import Component
    from cyclonedx.model.license import License
    from packageurl import PackageURL
    from spdx_tools.spdx.model import Package as SpdxPackage

__all__ = ["FORMATS", "Subject", "cyclonedx", "payload", "spdx"]

SPDX, CYCLONEDX = "application/spdx+json", "application/vnd.cyclonedx+json"
FORMATS = ("spdx", "cyclonedx")
# Any constant would do: it makes the same UUID of the same image
_SPACE = uuid.UUID("6f1f6f38-7c2d-5f0e-9a53-8d6f0c1f6a11")


class Subject(NamedTuple):
    """The image: its id (the config's digest), the name it was built as ("" when none), and when it was made."""

    id: Digest
    name: str
    created_ns: int

    @property
    def label(self) -> str:
        return self.name or str(self.id)

    @property
    def created(self) -> datetime:
        return datetime.fromtimestamp(self.created_ns // 10**9, UTC)


def payload(kind: str, subject: Subject, distribution: Distribution, packages: Sequence[Package]) -> Payload:
    """The artifact of one of FORMATS. Raises: HostError when the extra `sbom` is not installed."""
    if kind == "spdx":
        return Payload(SPDX, SPDX, spdx(subject, distribution, packages), "sbom.spdx.json")
    return Payload(CYCLONEDX, CYCLONEDX, cyclonedx(subject, distribution, packages), "sbom.cyclonedx.json")


def spdx(subject: Subject, distribution: Distribution, packages: Sequence[Package]) -> bytes:
    """SPDX 2.3 JSON. Raises: HostError."""
    with needs("sbom", "an SBOM"):
        from spdx_tools.spdx import model
        from spdx_tools.spdx.jsonschema.document_converter import DocumentConverter
    info = model.CreationInfo(
        "SPDX-2.3", "SPDXRef-DOCUMENT", subject.label, f"urn:uuid:{uuid.uuid5(_SPACE, f'spdx {subject.id}')}",
        [model.Actor(model.ActorType.TOOL, f"wherry-{__version__}")], subject.created.replace(tzinfo=None),
    )  # fmt: skip
    image = model.Package(
        "SPDXRef-image", subject.label, model.SpdxNoAssertion(), version=str(subject.id), files_analyzed=False,
        primary_package_purpose=model.PackagePurpose.CONTAINER,
    )  # fmt: skip
    listed = [image, *_spdx_packages(distribution, packages)]
    relate = model.Relationship
    relations = [relate("SPDXRef-DOCUMENT", model.RelationshipType.DESCRIBES, "SPDXRef-image")]
    relations += [relate("SPDXRef-image", model.RelationshipType.CONTAINS, one.spdx_id) for one in listed[1:]]
    document = model.Document(info, listed, relationships=relations)
    return _dump(DocumentConverter().convert(document))  # type: ignore[no-untyped-call]


def _spdx_packages(distribution: Distribution, packages: Sequence[Package]) -> list[SpdxPackage]:
    from spdx_tools.spdx import model

    found = []
    for number, one in enumerate(packages):
        nothing = model.SpdxNoAssertion()
        license_ = _expression(one.license)
        comment = "" if license_ is not None or not one.license else f"In the package's metadata: {one.license}"
        reference = model.ExternalPackageRef(
            model.ExternalPackageRefCategory.PACKAGE_MANAGER, "purl", _purl(one, distribution).to_string()
        )
        supplier = one.supplier and model.Actor(model.ActorType.ORGANIZATION, one.supplier)
        found.append(
            model.Package(
                f"SPDXRef-{one.kind}-{re.sub(r'[^A-Za-z0-9.-]+', '-', one.name)}-{number}", one.name, nothing,
                version=one.version, supplier=supplier or nothing, files_analyzed=False,
                source_info=f"found in /{one.location}", license_concluded=nothing,
                license_declared=nothing if license_ is None else license_, license_comment=comment or None,
                copyright_text=nothing,
                external_references=[reference],
            )
        )  # fmt: skip
    return found


def cyclonedx(subject: Subject, distribution: Distribution, packages: Sequence[Package]) -> bytes:
    """CycloneDX 1.6 JSON. Raises: HostError."""
    with needs("sbom", "an SBOM"):
        from cyclonedx.model.bom import Bom, BomMetaData
        from cyclonedx.model.component import Component, ComponentType
        from cyclonedx.output.json import JsonV1Dot6
    image = Component(name=subject.label, type=ComponentType.CONTAINER, version=str(subject.id), bom_ref="image")
    tool = Component(name="wherry", type=ComponentType.APPLICATION, version=__version__, bom_ref="tool")
    bom = Bom(
        components=[_component(one, distribution, number) for number, one in enumerate(packages)],
        serial_number=uuid.uuid5(_SPACE, f"cyclonedx {subject.id}"),
        metadata=BomMetaData(component=image, timestamp=subject.created),
    )
    bom.metadata.tools.components.add(tool)
    bom.register_dependency(image, bom.components)
    return _dump(json.loads(JsonV1Dot6(bom).output_as_string()))


def _component(one: Package, distribution: Distribution, number: int) -> Component:
    from cyclonedx.model import ExternalReference, ExternalReferenceType, Property, XsUri
    from cyclonedx.model.component import Component, ComponentType
    from cyclonedx.model.contact import OrganizationalEntity

    links = []
    if re.fullmatch(r"https?://[\x21-\x7e]+", one.homepage):
        links = [ExternalReference(type=ExternalReferenceType.WEBSITE, url=XsUri(one.homepage))]
    return Component(
        name=one.name, type=ComponentType.LIBRARY, version=one.version, purl=_purl(one, distribution),
        bom_ref=f"{one.kind}-{number}", licenses=_cyclonedx_license(one.license), external_references=links,
        supplier=OrganizationalEntity(name=one.supplier) if one.supplier else None,
        properties=[Property(name="wherry:location", value=f"/{one.location}")],
    )  # fmt: skip


def _cyclonedx_license(text: str) -> list[License]:
    from cyclonedx.model.license import DisjunctiveLicense, LicenseExpression

    if not text:
        return []
    expression = _expression(text)
    return [DisjunctiveLicense(name=text) if expression is None else LicenseExpression(str(expression))]


def _expression(text: str) -> Any:
    """The SPDX expression in `text`, or None when it is none."""
    with needs("sbom", "an SBOM"):
        from boolean.boolean import ParseError
        from license_expression import ExpressionError
    if not text:
        return None
    try:
        return _licensing().parse(text, validate=True)
    except (ExpressionError, ParseError, ValueError, TypeError, AttributeError, IndexError):
        # Its parser answers garbage with whatever breaks first
        return None


@cache
def _licensing() -> Any:
    """All of SPDX's licences: 20 ms to make, so not for each package."""
    from license_expression import get_spdx_licensing

    return get_spdx_licensing()


def _purl(one: Package, distribution: Distribution) -> PackageURL:
    """Spec: https://github.com/package-url/purl-spec/blob/v1.0.0/PURL-TYPES.rst"""
    from packageurl import PackageURL

    if one.kind == "pypi":
        return PackageURL("pypi", None, re.sub(r"[-_.\s/]+", "-", one.name).lower(), one.version)
    qualifiers = {}
    if one.architecture:
        qualifiers["arch"] = one.architecture
    if distribution.id:
        qualifiers["distro"] = "-".join(filter(None, distribution))
    if one.source:
        qualifiers["upstream"] = one.source
    # A name of slashes and blanks alone breaks the library; no package manager takes one, but an image can claim it
    vendor, name = (re.sub(r"[\s/]+", "-", text) for text in (distribution.id or "debian", one.name))
    return PackageURL("deb", vendor, name, one.version, qualifiers)


def _dump(document: object) -> bytes:
    """Indented, since people read it too."""
    return json.dumps(document, indent=2, ensure_ascii=False, sort_keys=True).encode("utf-8", "replace") + b"\n"
