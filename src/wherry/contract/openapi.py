"""The application's OpenAPI document: what it promises of an answer, and what a newer one breaks.

Spec: https://spec.openapis.org/oas/v3.1.1.html (3.0's schemas are translated: nullable, exclusive bounds)
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from wherry.contract.call import Answer
from wherry.contract.compare import Fault
from wherry.contract.model import Request
from wherry.contract.values import Json, parse_json
from wherry.errors import HostError, InputError

__all__ = ["Api", "breaking", "require_validator"]

_METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")
_MOST = 10


class Api:
    """An OpenAPI 3 document that answers are held against. Raises: InputError for a document that is none."""

    def __init__(self, document: Json) -> None:
        if not isinstance(document, dict) or not isinstance(document.get("paths"), dict):
            raise InputError("it is no OpenAPI document: it has no paths")
        if not str(document.get("openapi", "")).startswith("3."):
            raise InputError(f"OpenAPI {document.get('openapi') or document.get('swagger')!r}: only 3.x is known here")
        self._document = document
        self._is_30 = str(document["openapi"]).startswith("3.0")
        self._whole = _modern(document) if self._is_30 else document
        self._validators: dict[str, Any] = {}

    def check(self, request: Request, answer: Answer) -> list[Fault]:
        """What of the answer is not as the document says. Raises: HostError without the extra `verify`."""
        if not request.expect.schema:
            return []
        try:
            with _understood():
                return self._checked(request, answer)
        except InputError as fault:
            return [Fault("", f"schema: {fault.message}")]

    def _checked(self, request: Request, answer: Answer) -> list[Fault]:
        operation = self._operation(request)
        if operation is None:
            return [Fault("", f"schema: {request.method} {request.path} is not in the OpenAPI document")]
        responses = operation.get("responses") or {}
        status = str(answer.status)
        found = responses.get(status) or responses.get(f"{status[0]}XX") or responses.get("default")
        if found is None:
            return [Fault("", f"schema: {operation['__where']} says nothing of status {status}")]
        schema = self._schema(self._resolved(found), answer)
        if schema is None or not answer.is_json:
            return []
        try:
            value = parse_json(answer.body)
        except InputError:
            return [Fault("", "schema: the answer is no JSON")]
        return self._faults(schema, value)

    def _operation(self, request: Request) -> dict[str, Any] | None:
        path = request.path.partition("?")[0]
        for template in sorted(self._whole["paths"], key=lambda one: ("{" in one, one)):
            pattern = re.sub(r"\\\{[^/]*?\\\}", "[^/]+", re.escape(template))
            if re.fullmatch(pattern, path):
                item = self._resolved(self._whole["paths"][template])
                one = item.get(request.method.lower())
                if one is not None:
                    return {**one, "__where": f"{request.method} {template}"}
        return None

    def _schema(self, response: Mapping[str, Any], answer: Answer) -> Json:
        content = response.get("content") or {}
        kind = answer.content_type
        one = content.get(kind) or content.get(f"{kind.partition('/')[0]}/*") or content.get("*/*")
        return (one or {}).get("schema")

    def _resolved(self, value: Any) -> Any:
        for _ in range(20):
            if not (isinstance(value, dict) and isinstance(ref := value.get("$ref"), str) and ref.startswith("#/")):
                return value
            value = self._whole
            for step in ref[2:].split("/"):
                value = (value or {}).get(step.replace("~1", "/").replace("~0", "~"))
        raise InputError("the OpenAPI document refers to itself without end")

    def _faults(self, schema: Json, value: Json) -> list[Fault]:
        # The references of the schema are those of the document that it stands in
        validator = _validator({"components": self._whole.get("components", {}), "allOf": [schema]})
        from jsonschema.exceptions import UnknownType
        from referencing.exceptions import Unresolvable

        from wherry.contract.paths import shown

        try:
            errors = sorted(validator.iter_errors(value), key=lambda one: list(map(str, one.absolute_path)))
        except (Unresolvable, UnknownType) as fault:
            raise InputError(f"the OpenAPI document makes no sense here: {str(fault).splitlines()[0][:160]}") from None
        return [Fault(shown(tuple(one.absolute_path)), f"schema: {one.message[:200]}") for one in errors[:_MOST]]


@contextmanager
def _understood() -> Iterator[None]:
    """A document comes from outside, and any part of it may be of another shape. Raises: InputError then."""
    try:
        yield
    except RecursionError:
        raise InputError("the OpenAPI document refers to itself without end") from None
    except (AttributeError, TypeError, KeyError, ValueError, re.error) as fault:
        raise InputError(f"the OpenAPI document makes no sense here: {str(fault)[:160]}") from None


def require_validator() -> None:
    """Raises: HostError without the extra `verify`."""
    _validator({})


def _validator(schema: Json) -> Any:
    """It fetches nothing: a reference out of the document is what it is, and not what this machine could reach."""
    try:
        with _without_grammars():
            from jsonschema import Draft202012Validator
        from referencing import Registry
    except ImportError:
        raise HostError("checking answers against their schema needs the Python package jsonschema",
                        hint="pip install 'wherry[verify]'") from None  # fmt: skip
    return Draft202012Validator(schema, registry=Registry())


@contextmanager
def _without_grammars() -> Iterator[None]:
    """jsonschema takes rfc3987_syntax in where somebody installed it, which compiles 39 grammars for half a second, for
    formats that nobody checks here."""
    if "jsonschema" in sys.modules or "rfc3987_syntax" in sys.modules:
        yield
        return
    sys.modules["rfc3987_syntax"] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules["rfc3987_syntax"]


def _modern(value: Any) -> Any:
    """OpenAPI 3.0's dialect as JSON Schema 2020-12: nullable, and exclusive bounds that were flags."""
    if isinstance(value, list):
        return [_modern(one) for one in value]
    if not isinstance(value, dict):
        return value
    found = {name: _modern(one) for name, one in value.items()}
    for bound, flag in (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")):
        if found.get(flag) is True and bound in found:
            found[flag] = found.pop(bound)
        elif isinstance(found.get(flag), bool):
            del found[flag]
    if found.pop("nullable", False) is True and isinstance(found.get("type"), str):
        found["type"] = [found["type"], "null"]
        if "enum" in found and None not in found["enum"]:
            found["enum"] = [*found["enum"], None]
    return found


def breaking(old: Json, new: Json) -> list[str]:
    """What a client of `old` meets in `new` and can't know: gone operations, new duties, answers of another shape.

    Raises: InputError for a document that is none.
    """
    with _understood():
        return list(_breaks(_Shapes(old), _Shapes(new)))


def _breaks(before: _Shapes, after: _Shapes) -> Iterator[str]:
    for where, operation in before.operations():
        other = after.operation(where)
        if other is None:
            yield f"{where[0].upper()} {where[1]} is gone"
            continue
        name = f"{where[0].upper()} {where[1]}"
        yield from (f"{name}: {text}" for text in _request_breaks(before, after, operation, other))
        yield from (f"{name}: {text}" for text in _answer_breaks(before, after, operation, other))


class _Shapes:
    def __init__(self, document: Json) -> None:
        self._api = Api(document)
        self.paths = self._api._whole["paths"]

    def resolved(self, value: Any) -> Any:
        return self._api._resolved(value)

    def operations(self) -> Iterator[tuple[tuple[str, str], dict[str, Any]]]:
        for path, item in self.paths.items():
            for method, operation in self.resolved(item).items():
                if method in _METHODS:
                    yield (method, path), operation

    def operation(self, where: tuple[str, str]) -> dict[str, Any] | None:
        found: dict[str, Any] | None = self.resolved(self.paths.get(where[1], {})).get(where[0])
        return found

    def parameters(self, operation: dict[str, Any]) -> dict[tuple[str, str], bool]:
        listed = [self.resolved(one) for one in operation.get("parameters", [])]
        return {(one.get("in", ""), one.get("name", "")): bool(one.get("required")) for one in listed}

    def body(self, operation: dict[str, Any]) -> tuple[bool, Any]:
        one = self.resolved(operation.get("requestBody") or {})
        return bool(one.get("required")), (one.get("content") or {}).get("application/json", {}).get("schema")

    def answers(self, operation: dict[str, Any]) -> dict[str, Any]:
        found = {}
        for status, one in (operation.get("responses") or {}).items():
            found[status] = (self.resolved(one).get("content") or {}).get("application/json", {}).get("schema")
        return found


def _request_breaks(before: _Shapes, after: _Shapes, old: dict[str, Any], new: dict[str, Any]) -> Iterator[str]:
    known = before.parameters(old)
    for where, required in after.parameters(new).items():
        if required and not known.get(where):
            yield f"the {where[0]} parameter {where[1]} must be given now"
    (was_required, one), (is_required, other) = before.body(old), after.body(new)
    if is_required and not was_required:
        yield "a body must be sent now"
    if one is not None and other is not None:
        yield from _shape_breaks((before, after), one, other, "the request's $", is_sent=True, depth=0)


def _answer_breaks(before: _Shapes, after: _Shapes, old: dict[str, Any], new: dict[str, Any]) -> Iterator[str]:
    after_answers = after.answers(new)
    for status, schema in before.answers(old).items():
        if status not in after_answers:
            if status.startswith("2"):
                yield f"status {status} is not answered any more"
        elif schema is not None and after_answers[status] is not None:
            place = f"the answer's ({status}) $"
            yield from _shape_breaks((before, after), schema, after_answers[status], place, is_sent=False, depth=0)


def _types(schema: Mapping[str, Any]) -> frozenset[str]:
    kind = schema.get("type")
    found = frozenset([kind] if isinstance(kind, str) else kind or ())
    return found | {"integer"} if "number" in found else found


def _shape_breaks(
    shapes: tuple[_Shapes, _Shapes], old: Any, new: Any, place: str, *, is_sent: bool, depth: int
) -> Iterator[str]:
    """`is_sent`: what clients write may only get wider; what they read may only get narrower."""
    old, new = shapes[0].resolved(old), shapes[1].resolved(new)
    if depth > 20 or not isinstance(old, dict) or not isinstance(new, dict):
        return
    wide, narrow = (new, old) if is_sent else (old, new)
    if _types(old) and _types(new) and not _types(narrow) <= _types(wide):
        yield f"{place} was {'/'.join(sorted(_types(old)))}, and is {'/'.join(sorted(_types(new)))}"
        return
    if "enum" in wide and not ("enum" in narrow and all(one in wide["enum"] for one in narrow["enum"])):
        yield f"{place} {'takes fewer values' if is_sent else 'has values that were not there'}"
    before, after = old.get("properties") or {}, new.get("properties") or {}
    must_before, must_after = old.get("required") or [], new.get("required") or []
    for name in must_after if is_sent else must_before:
        if is_sent and name not in must_before:
            yield f"{place}.{name} must be given now"
        elif not is_sent and name not in must_after:
            yield f"{place}.{name} {'may be missing now' if name in after else 'is gone'}"
    for name in before.keys() & after.keys():
        yield from _shape_breaks(shapes, before[name], after[name], f"{place}.{name}", is_sent=is_sent, depth=depth + 1)
    if "items" in old and "items" in new:
        yield from _shape_breaks(shapes, old["items"], new["items"], f"{place}[*]", is_sent=is_sent, depth=depth + 1)
