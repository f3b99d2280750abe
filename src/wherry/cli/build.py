"""wherry build."""

from __future__ import annotations

from wherry.cli import build_cache, build_call, build_explain, build_inputs, build_output
from wherry.cli.flags import Flag, FlagError, Verb
from wherry.cli.render import clean
from wherry.errors import InputError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import TypeVar

    from wherry.build.options import BuildOptions
    from wherry.cli.flags import Args
    from wherry.cli.render import Output
    from wherry.engine import Engine
    from wherry.engine.builds import BuildRequest
    from wherry.oci.reference import Reference
    from wherry.store.images import ImageRecord

    T = TypeVar("T")

VERB = Verb(
    "[OPTIONS] PATH | -",
    "Build an image from a Dockerfile",
    [
        Flag("add-host", "Add a custom host-to-IP mapping (host:ip)", kind="list"),
        Flag("auto", "Without a Dockerfile, build as `wherry init` would write it"),
        Flag("build-arg", "Set a build-time variable (NAME alone takes it from the environment)", kind="list"),
        Flag("check-reproducible", "Build twice, say which files differ and why, and exit with 3 if any do"),
        Flag("file", "The Dockerfile (default: PATH/Dockerfile; - reads it from stdin)", short="f", kind="string"),
        Flag(
            "format",
            "How --check-reproducible and --explain print what they found: text or json",
            kind="string",
            default="text",
        ),
        Flag("iidfile", "Write the image ID to a file", kind="string"),
        Flag("label", "Set metadata for the image", kind="list"),
        Flag("network", "Network of the RUN steps: default, none or host", kind="string", default="default"),
        Flag("no-ambient-cache", "RUN steps do not share the download caches of pip, apt, npm and others"),
        Flag("no-cache", "Do not use the cache of earlier builds"),
        Flag("no-host-ca", "RUN steps do not see the certificates and proxies of this machine"),
        Flag("no-split-packages", "One layer for each RUN, also where it installed heavy packages"),
        Flag("no-traced-cache", "Look at the text of a RUN and the layers below it only, not at what it read"),
        Flag("platform", "Set the platform of the result", kind="string"),
        Flag("progress", "Type of progress output: auto, plain or tty", kind="string", default="auto"),
        Flag("provenance", "Attach how the image was built: min, max (with build arguments) or false", kind="optional"),
        Flag("pull", "Always attempt to pull newer versions of the base images"),
        Flag("quiet", "Print the image ID only", short="q"),
        Flag("rm", "Remove intermediate containers (there are none: kept for scripts)", default=1),
        Flag("force-rm", "Always remove intermediate containers (there are none: kept for scripts)"),
        Flag("load", "Kept for scripts: the image is always put into the local store"),
        Flag("sbom", "Attach what is installed in the image: spdx, cyclonedx, both or false", kind="optional"),
        Flag("shm-size", "Size of /dev/shm of the RUN steps", kind="string", type_name="bytes"),
        Flag("tag", "Name and optionally a tag (format: name:tag)", short="t", kind="list"),
        Flag("target", "Set the target stage to build", kind="string"),
        *build_call.FLAGS,
        *build_inputs.FLAGS,
        *build_cache.FLAGS,
        *build_explain.FLAGS,
        *build_output.FLAGS,
        Flag("attest", "Attach an attestation: type=sbom or type=provenance,mode=min|max", kind="list"),
        Flag("allow", "Allow extra privileged entitlement: network.host (wherry asks for none)", kind="list"),
        Flag("ulimit", "Ulimit options of the RUN steps (name=soft[:hard])", kind="list"),
    ],
    least=1,
    most=1,
    examples=[
        "wherry build -t api .",
        "wherry build -f prod.Dockerfile --target test .",
        "wherry build - < Dockerfile",
        "wherry build --explain .",
        "wherry build --check .",
        "wherry build --check-reproducible .",
        "wherry build --target wheels -o dist .",
        "wherry build --push -t registry.example/api:1 .",
    ],
)


def run(engine: Engine, args: Args, out: Output) -> int:
    """Progress goes to stderr; with -q the image id is printed on stdout."""
    if args.text("format") not in ("text", "json"):
        raise FlagError(f'invalid argument "{args.text("format")}" for "--format" flag: it is text or json')
    if args.given("format") and not (args.on("check-reproducible") or args.on("explain")):
        said = "--format says how --check-reproducible and --explain print what they found: give one of them with it"
        raise FlagError(f"{said} (for --check it is --call=check,format=json)")
    if not args.on("auto"):
        return _run(engine, args, out, args.text("file"))
    from contextlib import ExitStack

    from wherry.cli import build_auto

    with ExitStack() as stack:
        return _run(engine, args, out, build_auto.dockerfile(engine, args, out, stack))


def _run(engine: Engine, args: Args, out: Output, dockerfile: str) -> int:
    call = build_call.parse(args)
    wanted = request(engine, args, out.in_fd)._replace(dockerfile=dockerfile)
    if call:
        return build_call.run(engine, call, wanted, out)
    results = build_output.results(args, wanted.tags)
    before = None
    if not results.keeps:
        from wherry.engine.build_output import known

        before = known(engine)
    image, code = _built(engine, wanted._replace(tags=results.tags if results.keeps else ()), args, out)
    try:
        pushed = results.deliver(engine, image, out, quiet=args.on("quiet"))
        _write_files(args, image, results.tags, pushed)
    finally:
        if before is not None:
            from wherry.engine.build_output import drop

            drop(engine, image, before)
    if args.on("quiet") and not args.on("check-reproducible") and not results.writes_stdout:
        out.line(str(image.id))
    return code


def _built(engine: Engine, request: BuildRequest, args: Args, out: Output) -> tuple[ImageRecord, int]:
    from wherry.build.progress import Quiet
    from wherry.cancel import Cancel
    from wherry.cli.build_progress import choose
    from wherry.errors import WherryError

    teller = build_explain.teller(args, out)
    request = request._replace(explain=teller)
    cancel = Cancel()
    try:
        if args.on("check-reproducible"):
            from wherry.cli import build_check

            return build_check.run(engine, request, args, out, cancel)
        if args.on("quiet"):
            return engine.builds.build(request, Quiet(), cancel), 0
        with choose(args.text("progress"), out, engine.settings.env) as display:
            return engine.builds.build(request, display, cancel), 0
    except (WherryError, KeyboardInterrupt) as fault:
        cancel.set()
        # -q hides what goes well; docker too shows the output of the step that failed
        if args.on("quiet") and (lines := getattr(fault, "output", ())):
            out.error("\n".join(["------", *map(clean, lines), "------"]))
        raise
    finally:
        if teller:
            teller.show()


def _write_files(args: Args, image: ImageRecord, tags: tuple[Reference, ...], pushed: str) -> None:
    from wherry.cli.to_file import write_file

    if path := args.text("iidfile"):
        write_file(path, str(image.id).encode())
    if path := args.text("metadata-file"):
        write_file(path, build_output.metadata(image, tags, pushed))


def request(engine: Engine, args: Args, in_fd: int | None) -> BuildRequest:
    """What the command line says, and where it says nothing, the project's wherry.toml. `in_fd` is what "-" reads.

    Raises: FlagError, InputError, Unsupported.
    """
    import os

    from wherry.build import project
    from wherry.engine.builds import BuildRequest

    _check_allowed(args.all("allow"))
    context = args.rest[0]
    wants = project.read(os.path.join(engine.settings.cwd, context)) if context != "-" else project.Project()
    return BuildRequest(
        context=context,
        options=_options(args, engine.settings.env)._replace(
            traced_cache=_switch(args, "no-traced-cache", wants.traced_cache),
            split_packages=_switch(args, "no-split-packages", wants.split_packages),
        ),
        dockerfile=args.text("file"),
        tags=tuple(_tag(text) for text in args.all("tag")),
        stdin=None if in_fd is None else _Stdin(in_fd),
        host_ca=_switch(args, "no-host-ca", wants.host_ca),
        ambient_cache=_switch(args, "no-ambient-cache", wants.ambient_cache),
        sbom=_sbom(_attested(args, "sbom")),
        provenance=_provenance(_attested(args, "provenance")),
        secrets=build_inputs.secrets(args),
        ssh=build_inputs.ssh(args),
        cache_from=build_cache.cache_from(args),
        cache_to=build_cache.cache_to(args, _build_args(args.all("build-arg"), engine.settings.env)),
    )


def _switch(args: Args, flag: str, wanted: bool | None) -> bool:
    """The flag when it is given (--no-host-ca=false too), else what wherry.toml wants, else on."""
    return not args.on(flag) if args.given(flag) or wanted is None else wanted


def _parsed(flag: str, value: str, parse: Callable[[str], T]) -> T:
    """Raises: FlagError, as docker says it."""
    try:
        return parse(value)
    except InputError as fault:
        raise FlagError(f'invalid argument "{value}" for "{flag}" flag: {fault}') from None


# Differs from docker: provenance is attached only when asked for (docs/adr/0133-attest-on-request.md)
_NO = frozenset({"", "false", "0"})


def _attested(args: Args, kind: str) -> str:
    """--sbom or --provenance, or what --attest says of it. Raises: FlagError."""
    found = args.text(kind)
    for text in args.all("attest"):
        fields = dict(part.partition("=")[::2] for part in text.split(","))
        if fields.get("type") not in ("sbom", "provenance"):
            raise FlagError(f'invalid argument "{text}" for "--attest" flag: type=sbom or type=provenance')
        if fields["type"] == kind:
            found = "false" if fields.get("disabled") == "true" else fields.get("mode", "true")
    return found


def _sbom(text: str) -> tuple[str, ...]:
    """The formats to attach; docker's "true" is SPDX, as its own are."""
    if text in _NO:
        return ()
    from wherry.engine.trust_build import sbom_formats

    return _parsed("--sbom", "spdx" if text in {"true", "1"} else text, sbom_formats)


def _provenance(text: str) -> str:
    """None ("") or "min" or "max"; docker's spelling "mode=max" too."""
    if text in _NO:
        return ""
    mode = "min" if text in {"true", "1"} else text.removeprefix("mode=")
    if mode not in {"min", "max"}:
        raise FlagError(f'invalid argument "{text}" for "--provenance" flag: min, max or false')
    return mode


def _tag(text: str) -> Reference:
    from wherry.oci.reference import Reference

    try:
        found = Reference.parse(text)
    except InputError as fault:
        # No flag error, as in docker: the exit code is 1
        raise InputError(f'invalid tag "{text}": {fault}', hint=fault.hint) from None
    if found.digest:
        raise FlagError(f'invalid argument "{text}" for "-t, --tag" flag: a tag can have no digest')
    return found


def _options(args: Args, env: Mapping[str, str]) -> BuildOptions:
    import os

    from wherry.build.options import BuildOptions
    from wherry.oci.platform import Platform

    shm = args.text("shm-size")
    return BuildOptions(
        target=args.text("target"),
        build_args=_build_args(args.all("build-arg"), env),
        labels=dict(_parsed("--label", text, _label) for text in args.all("label")),
        contexts=build_inputs.contexts(args),
        no_cache=args.on("no-cache"),
        no_cache_filter=build_explain.no_cache_filter(args),
        pull=args.on("pull"),
        network=_network(args.text("network")),
        hosts=tuple(_parsed("--add-host", text, _host) for text in args.all("add-host")),
        shm_size=_parsed("--shm-size", shm, _size) if shm else 0,
        ulimits=tuple(_parsed("--ulimit", text, _ulimit) for text in args.all("ulimit")),
        platform=_parsed("--platform", args.text("platform"), Platform.parse) if args.text("platform") else None,
        host_platform=Platform.of("linux", os.uname().machine),
    )


def _build_args(words: tuple[str, ...], env: Mapping[str, str]) -> dict[str, str]:
    """NAME=VALUE, or NAME alone for the caller's own variable (left out when it has none)."""
    found = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not name:
            raise FlagError(f'invalid argument "{word}" for "--build-arg" flag: a name is missing')
        if equals:
            found[name] = value
        elif name in env:
            found[name] = env[name]
    return found


def _check_allowed(words: tuple[str, ...]) -> None:
    """Raises: Unsupported for what no step of wherry's can do."""
    for word in words:
        if word != "network.host":
            from wherry.errors import Unsupported

            raise Unsupported(f"--allow {word} is not supported", hint="network.host needs no permission here")


def _network(name: str) -> str:
    if name not in ("default", "bridge", "none", "host"):
        from wherry.errors import Unsupported

        raise Unsupported(f"build steps on the network {name!r} are not supported yet", hint="default, none or host")
    return "default" if name == "bridge" else name


def _label(text: str) -> tuple[str, str]:
    from wherry.runtime import parse_names

    return parse_names.label(text)


def _host(text: str) -> tuple[str, str]:
    from wherry.runtime import parse_names

    name, _, address = parse_names.extra_host(text).partition(":")
    return name, address


def _size(text: str) -> int:
    from wherry.runtime import parse_values

    return parse_values.size_bytes(text)


def _ulimit(text: str) -> tuple[str, int, int]:
    from wherry.runtime import parse_values

    limit = parse_values.ulimit(text)
    return limit.name, limit.soft, limit.hard


class _Stdin:
    """Standard input as it comes."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def read(self, size: int) -> bytes:
        """Up to `size` bytes; b"" at the end."""
        import os

        return os.read(self._fd, size)
