"""FROM: names of stages, base images and platforms."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from wherry.dockerfile.instructions import Arg
from wherry.dockerfile.shell import WordError
from wherry.dockerfile.span import Span
from wherry.errors import DockerfileError, InputError
from wherry.lint.buildkit.suggest import quoted, suggestion
from wherry.lint.rule import Hit, rule
from wherry.lint.subject import Subject

__all__ = [
    "duplicate_stage_name", "from_platform_flag_const_disallowed", "invalid_base_image_platform",
    "invalid_default_arg_in_from", "invalid_definition_description", "redundant_target_platform",
    "reserved_stage_name", "undefined_arg_in_from",
]  # fmt: skip

_RESERVED = ("context", "scratch")
_PREDEFINED = (
    "BUILDPLATFORM", "BUILDOS", "BUILDARCH", "BUILDVARIANT", "BUILDOSVERSION",
    "TARGETPLATFORM", "TARGETOS", "TARGETARCH", "TARGETVARIANT", "TARGETOSVERSION", "TARGETSTAGE",
)  # fmt: skip


@rule("DuplicateStageName", "warning", "Stage names should be unique")
def duplicate_stage_name(subject: Subject) -> Iterator[Hit]:
    seen: set[str] = set()
    for stage in subject.stages:
        if stage.name and stage.name in seen:
            yield Hit(stage.span, f"Duplicate stage name {quoted(stage.name)}, stage names should be unique")
        seen.add(stage.name)


@rule("ReservedStageName", "warning", "Reserved words should not be used as stage names")
def reserved_stage_name(subject: Subject) -> Iterator[Hit]:
    for stage in subject.stages:
        if stage.name in _RESERVED:
            name = quoted(stage.name)
            yield Hit(stage.span, f"Stage name should not use the same name as reserved stage {name}")


def _global_env(subject: Subject, given: Mapping[str, str]) -> dict[str, str]:
    """What FROM sees: the platform's variables and the ARGs before it; those without a value are left out."""
    options = subject.options
    env = dict.fromkeys(_PREDEFINED, "")
    for whose, platform in (("BUILD", options.host_platform), ("TARGET", options.platform)):
        parts = platform.split("/")
        env[f"{whose}PLATFORM"] = platform
        env[f"{whose}OS"] = parts[0]
        env[f"{whose}ARCH"] = parts[1] if len(parts) > 1 else ""
        env[f"{whose}VARIANT"] = parts[2] if len(parts) > 2 else ""
    env["TARGETSTAGE"] = options.target or "default"
    for arg in subject.file.global_args:
        for pair in arg.pairs:
            if pair.name in given:
                env[pair.name] = given[pair.name]
            elif pair.default is not None:
                try:
                    env[pair.name] = arg.expand_one(pair, subject.file.lex, env).default or ""
                except DockerfileError:
                    continue  # the build tells it
    return env


@rule("UndefinedArgInFrom", "warning", "FROM command must use declared ARGs")
def undefined_arg_in_from(subject: Subject) -> Iterator[Hit]:
    env = _global_env(subject, subject.options.build_args)
    declared = {pair.name for arg in subject.file.global_args for pair in arg.pairs} | set(_PREDEFINED)
    for stage in subject.stages:
        for word in (stage.image, stage.platform):
            try:
                missing = subject.file.lex.trace(word, env).missing
            except WordError:
                continue
            for name in sorted(missing - declared):
                near = suggestion(name, declared)
                said = f"FROM argument '{name}' is not declared"
                yield Hit(stage.span, f"{said} (did you mean {near}?)" if near else said)


@rule(
    "InvalidDefaultArgInFrom", "warning", "Default value for global ARG results in an empty or invalid base image name"
)
def invalid_default_arg_in_from(subject: Subject) -> Iterator[Hit]:
    from wherry.oci.reference import Reference

    env = _global_env(subject, {})
    for stage in subject.stages:
        if "$" not in stage.image:
            continue
        try:
            name = subject.file.lex.process(stage.image, env)
        except WordError:
            continue
        if subject.file.stage(name, before=stage.number, by_index=False):
            continue
        try:
            Reference.parse(name)
        except InputError:
            message = f"Default value for ARG {stage.image} results in empty or invalid base image name"
            yield Hit(stage.span, message)


@rule(
    "RedundantTargetPlatform",
    "warning",
    "Setting platform to predefined $TARGETPLATFORM in FROM is redundant as this is the default behavior",
)
def redundant_target_platform(subject: Subject) -> Iterator[Hit]:
    for stage in subject.stages:
        if stage.platform in ("$TARGETPLATFORM", "${TARGETPLATFORM}"):
            message = (
                f"Setting platform to predefined {stage.platform} in FROM is redundant as this is the default behavior"
            )
            yield Hit(stage.span, message, subject.edit(stage.span, f"--platform={stage.platform} ", ""))


@rule("FromPlatformFlagConstDisallowed", "warning", "FROM --platform flag should not use a constant value")
def from_platform_flag_const_disallowed(subject: Subject) -> Iterator[Hit]:
    from wherry.oci.platform import Platform

    for stage in subject.stages:
        if not stage.platform or "$" in stage.platform:
            continue
        try:
            platform = Platform.parse(stage.platform)
        except InputError:
            continue  # the build tells it
        if platform.os not in stage.name and platform.architecture not in stage.name:
            yield Hit(stage.span, f"FROM --platform flag should not use constant value {quoted(stage.platform)}")


@rule("InvalidBaseImagePlatform", "warning", "Base image platform does not match expected target platform")
def invalid_base_image_platform(subject: Subject) -> Iterator[Hit]:
    """Only for images that are here."""
    find, env = subject.options.find_base, _global_env(subject, subject.options.build_args)
    for stage in subject.stages if find else ():
        try:
            name = subject.file.lex.process(stage.image, env)
            wanted = subject.file.lex.process(stage.platform, env) or subject.options.platform
        except WordError:
            continue
        if name == "scratch" or subject.file.stage(name, before=stage.number, by_index=False) or not find:
            continue
        base = find(name)
        if base and base.platform and base.platform.split("/")[:2] != wanted.split("/")[:2]:
            message = (
                f"Base image {name} was pulled with platform {quoted(base.platform)}, "
                f"expected {quoted(wanted)} for current build"
            )
            yield Hit(stage.span, message)


@rule(
    "InvalidDefinitionDescription",
    "warning",
    "Comment for build stage or argument should follow the format: `# <arg/stage name> <description>`. If this is not "
    "intended to be a description comment, add an empty line or comment between the instruction and the comment.",
    is_experimental=True,
)
def invalid_definition_description(subject: Subject) -> Iterator[Hit]:
    directives = {directive.span.first for directive in subject.file.directives}
    found: list[tuple[str, Span, tuple[str, ...]]]
    found = [("FROM", stage.span, (stage.name,) if stage.name else ()) for stage in subject.stages]
    args = [*subject.file.global_args, *(one for _, one in subject.instructions() if isinstance(one, Arg))]
    found += [("ARG", arg.span, tuple(pair.name for pair in arg.pairs)) for arg in args]
    for keyword, span, names in found:
        comments = [text for number, text in subject.comments(span) if number not in directives]
        if names and comments and comments[-1].split(" ")[0] not in names:
            example = names[0] if len(names) == 1 else "<arg_key>"
            yield Hit(span, f"Comment for {keyword} should follow the format: `# {example} <description>`")
