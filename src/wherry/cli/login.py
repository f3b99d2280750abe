"""wherry login."""

from __future__ import annotations

import os

from wherry.cli.flags import Flag, Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wherry.cli.flags import Args
    from wherry.cli.render import Output
    from wherry.engine import Engine
    from wherry.registry.credentials import Credential

VERB = Verb(
    "[OPTIONS] [SERVER]",
    "Log in to a registry",
    [
        Flag("password", "Password (--password-stdin keeps it out of the shell's history)", short="p", kind="string"),
        Flag("password-stdin", "Take the password from stdin"),
        Flag("username", "Username", short="u", kind="string"),
    ],
    most=1,
    examples=["wherry login", "wherry login -u USER --password-stdin ghcr.io < token.txt"],
)
_MOST_BYTES = 1 << 20


def run(engine: Engine, args: Args, out: Output) -> int:
    """Check with the registry, then keep. Without flags, what is kept already is tried first."""
    host = server(args.rest[0] if args.rest else "")
    user, password = _given(args, out)
    if user or password or not _still_good(engine, host, out):
        _log_in(engine, host, _asked(engine, host, user, password, out), out)
    return 0


def server(text: str) -> str:
    """The host of what the user wrote, without scheme and path: "docker.io" for nothing and for the Hub's names."""
    from wherry.errors import InputError
    from wherry.registry.credentials_file import host_of
    from wherry.registry.hosts import is_host

    rest = text.partition("://")[2] if "://" in text else text
    host = host_of(rest.partition("/")[0])[0] if rest else "docker.io"
    if not is_host(host):
        raise InputError(f"{text[:200]!r} is no registry", hint="it looks like ghcr.io or localhost:5000")
    return host


def _given(args: Args, out: Output) -> tuple[str, str]:
    from wherry.errors import InputError

    user, password = args.text("username"), args.text("password")
    if password:
        out.error("WARNING! Using --password via the CLI is insecure. Use --password-stdin.")
        if args.on("password-stdin"):
            raise InputError("--password and --password-stdin are mutually exclusive")
    if args.on("password-stdin"):
        if not user:
            raise InputError("Must provide --username with --password-stdin")
        password = _decoded(_all(out.in_fd)).removesuffix("\n").removesuffix("\r")
    return user, password


def _still_good(engine: Engine, host: str, out: Output) -> bool:
    """Whether what is kept still does."""
    from wherry.errors import RegistryError, Unauthorized

    credential = engine.registries.credentials.find(host)
    if credential is None:
        return False
    out.line("Authenticating with existing credentials...")
    try:
        _log_in(engine, host, credential, out)
    except Unauthorized:
        out.error("Stored credentials invalid or expired")
        return False
    except RegistryError as fault:
        out.error(f"Login did not succeed, error: {fault}")
        return False
    return True


def _log_in(engine: Engine, host: str, credential: Credential, out: Output) -> None:
    registries = engine.registries
    token = registries.client.check_login(registries.hosts.for_registry(host), credential)
    if token:
        credential = credential._replace(password="", identity_token=token)
    place = registries.credentials.keeps_in(host)
    if credential.password and not place.helper:
        out.error(
            f"WARNING! Your password will be stored unencrypted in {place.path}.\n"
            "Configure a credential helper to remove this warning. See\n"
            "https://docs.docker.com/engine/reference/commandline/login/#credentials-store\n"
        )
    kept = registries.credentials.login(host, credential)
    if kept.was_open:
        out.error(
            f"WARNING! Other users of this machine could read {kept.path} until now. It is yours alone from here on; "
            "change the passwords that stood in it."
        )
    out.line("Login Succeeded")


def _asked(engine: Engine, host: str, user: str, password: str, out: Output) -> Credential:
    """What was given, and the rest from the terminal. Raises: InputError."""
    from wherry.errors import InputError
    from wherry.registry.credentials import Credential

    if not password and not out.in_is_terminal:
        raise InputError(
            "Cannot perform an interactive login from a non TTY device",
            hint="give the password by --password-stdin, and the name by --username",
        )
    if not user:
        user = _name(engine, host, out)
    if not password:
        password = _hidden(out, "Password: ")
        if not password:
            raise InputError("Password Required")
    if any(c < " " or c == "\x7f" for c in user + password) or ":" in user:
        raise InputError(
            "a user name holds no colon, and neither it nor a password control characters",
            hint="a line break at the end of the password's file is taken off; another one inside is not",
        )
    return Credential(user, password)


def _name(engine: Engine, host: str, out: Output) -> str:
    from wherry.errors import InputError

    if host == "docker.io":
        out.line(
            "Log in with your Docker ID, and a password or a personal access token, to push and pull images from "
            "Docker Hub.\nhttps://hub.docker.com/ makes both.\n"
        )
    kept = engine.registries.credentials.find(host)
    known = kept.username if kept else ""
    out.write(f"Username ({known}): " if known else "Username: ")
    user = _decoded(_line(out.in_fd, out)).strip() or known
    if not user:
        raise InputError("Non-null Username Required")
    return user


def _hidden(out: Output, prompt: str) -> str:
    """A line that the terminal does not show. Whatever happens, it shows the next one again."""
    import termios

    fd = out.in_fd
    before = termios.tcgetattr(fd)
    quiet = [*before]
    quiet[3] &= ~termios.ECHO
    # First this, then the prompt: who types at once is not shown either. TCSADRAIN keeps what was typed before
    termios.tcsetattr(fd, termios.TCSADRAIN, quiet)
    try:
        out.write(prompt)
        return _decoded(_line(fd, out)).rstrip("\r\n")
    finally:
        termios.tcsetattr(fd, termios.TCSADRAIN, before)
        out.line()


def _line(fd: int, out: Output) -> bytes:
    out.flush()
    line = b""
    while not line.endswith(b"\n") and len(line) < _MOST_BYTES:
        more = os.read(fd, 1)
        if not more:
            break
        line += more
    return line


def _all(fd: int) -> bytes:
    from wherry.errors import InputError

    data = b""
    while more := os.read(fd, 1 << 16):
        data += more
        if len(data) > _MOST_BYTES:
            raise InputError("a password of more than 1 MiB")
    return data


def _decoded(data: bytes) -> str:
    from wherry.errors import InputError

    try:
        return data.decode()
    except UnicodeDecodeError:
        raise InputError("the password is not UTF-8 text") from None
