"""wherry registry serve, wherry registry gc."""

from __future__ import annotations

from wherry.cli.flags import Flag, Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wherry.cli.flags import Args
    from wherry.cli.render import Output
    from wherry.engine import Engine

VERB = {
    "registry serve": Verb(
        "[OPTIONS]",
        "Serve a registry of your own",
        [
            Flag("addr", "Where to listen, HOST:PORT", kind="string", default="127.0.0.1:5000"),
            Flag("anonymous-pull", "Let anybody pull; pushing takes a password"),
            Flag("delete", "Let manifests, tags and blobs be deleted"),
            Flag("htpasswd", "Users and their bcrypt passwords (htpasswd -B)", kind="string", type_name="file"),
            Flag("proxy", "Fill the registry from another one, when it is asked for what it has not", kind="string",
                 type_name="url"),
            Flag("read-only", "Refuse every push and deletion"),
            Flag("rules", "Who may pull, push and delete in which repositories (TOML)", kind="string",
                 type_name="file"),
            Flag("stop-timeout", "Seconds that requests in flight get to finish on SIGTERM", kind="int", default=10),
            Flag("storage", "Folder to keep the images in (default: `registry` below the root)", kind="string",
                 type_name="dir"),
            Flag("tls-cert", "Serve https with this certificate chain (PEM)", kind="string", type_name="file"),
            Flag("tls-key", "The certificate's key (PEM)", kind="string", type_name="file"),
        ],
        examples=[
            "wherry registry serve",
            "wherry registry serve --addr 0.0.0.0:5000 --storage /srv/images --htpasswd users --anonymous-pull",
        ],
    ),
    "registry gc": Verb(
        "[OPTIONS] [DIR]",
        "Free what no manifest of a registry's storage needs",
        [
            Flag("grace", "Keep what is younger than so many seconds", kind="int", default=3600),
            Flag("untagged", "Also remove manifests that no tag leads to"),
        ],
        most=1,
        examples=["wherry registry gc /srv/images", "wherry registry gc --untagged --grace 0 /srv/images"],
    ),
}  # fmt: skip


def run(name: str, engine: Engine, args: Args, out: Output) -> int:
    """`serve` ends with 0 when all that was in flight could be finished."""
    return _serve(engine, args, out) if name == "registry serve" else _collect(engine, args, out)


def _serve(engine: Engine, args: Args, out: Output) -> int:
    import os

    from wherry.cli.render import clean
    from wherry.engine.registry_server import ServeOptions, serve

    options = ServeOptions(
        addr=args.text("addr"),
        storage=args.text("storage") or f"{engine.settings.paths.root}/registry",
        tls_cert=args.text("tls-cert"),
        tls_key=args.text("tls-key"),
        htpasswd=args.text("htpasswd"),
        rules=args.text("rules"),
        anonymous_pull=args.on("anonymous-pull"),
        read_only=args.on("read-only"),
        delete=args.on("delete"),
        proxy=args.text("proxy"),
        stop_timeout_s=max(0, args.number("stop-timeout") or 0),
    )
    out_fd = out.out_fd

    def say(line: str) -> None:
        # One write for a line, so that the lines of threads never mix; and never through a buffer
        try:
            os.write(out_fd, line.encode("utf-8", "backslashreplace") + b"\n")
        except OSError:
            pass  # whoever reads the log is gone; the registry is not

    is_clean = serve(engine, options, say, lambda text: out.error(f"wherry registry: {clean(text)}"))
    return 0 if is_clean else 1


def _collect(engine: Engine, args: Args, out: Output) -> int:
    from wherry.cli.render import human_size
    from wherry.engine.registry_server import collect_storage

    path = args.rest[0] if args.rest else f"{engine.settings.paths.root}/registry"
    grace_s = max(0, args.number("grace") or 0)
    found = collect_storage(path, grace_s=grace_s, untagged=args.on("untagged"))
    if args.on("untagged"):
        out.line(f"Removed {found.manifests} untagged manifests")
    out.line(f"Removed {found.blobs} blobs, {human_size(found.freed_bytes)}")
    return 0
