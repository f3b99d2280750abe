"""The short forms of single values: `8080:80/udp`, `./src:/app:ro`, `512m`, `echo "hi there"`.

All raise ValueError with docker-compose's words; who knows the place in the file turns that into a ComposeError.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

__all__ = ["bytes_of", "parse_device", "parse_port", "parse_volume", "split_command"]

_SIZE = r"([0-9]+(?:\.[0-9]+)*) ?([kKmMgGtTpP])?[iI]?[bB]?"
_POWERS = {"k": 1, "m": 2, "g": 3, "t": 4, "p": 5}


def bytes_of(text: str) -> int:
    """
    Give the bytes of `512m`, `1.5 GiB`, `1024`: powers of 1024.

    Raises:
        ValueError: it is not a size.
    """
    number, unit = (text[:-1], text[-1:].lower()) if text[-1:].isalpha() else (text, "")
    if number.isascii() and number.isdigit() and (not unit or unit in _POWERS):
        return int(float(number) * 1024 ** _POWERS.get(unit, 0))
    import re

    match = re.fullmatch(_SIZE, text, re.ASCII)
    if not match or match[1].count(".") > 1:
        raise ValueError(f"invalid size: '{text}'")
    return int(float(match[1]) * 1024 ** _POWERS.get((match[2] or "").lower(), 0))


# --- ports


def parse_port(text: str) -> list[dict[str, Any]]:
    """
    Give the ports of `[[ip:]published:]target[/protocol]`: one for each target of a range, in the order of texts.

    Raises:
        ValueError: it is not a port.
    """
    address, published, target = _port_parts(text)
    target, _, protocol = target.partition("/")
    protocol = (protocol.split("/")[0] or "tcp") if target else ""
    address = _address(address)
    if not target:
        raise ValueError(f"No port specified: {text}<empty>")
    first, last = _range(target, f"Invalid containerPort: {target}")
    from_host, to_host = _range(published, f"Invalid hostPort: {published}") if published else (0, 0)
    if published and last - first != to_host - from_host and first != last:
        raise ValueError(f"Invalid ranges specified for container and host Ports: {target} and {published}")
    if protocol.lower() not in {"tcp", "udp", "sctp"}:
        raise ValueError(f"Invalid proto: {protocol}")
    ports = []
    for number in sorted(range(first, last + 1), key=str):
        port: dict[str, Any] = {"mode": "ingress", "target": number, "protocol": protocol.lower()}
        if address:
            port["host_ip"] = address
        if published:
            at = from_host + number - first
            port["published"] = f"{at}-{to_host}" if first == last and from_host != to_host else str(at)
        ports.append(port)
    return ports


def _port_parts(text: str) -> tuple[str, str, str]:
    parts = text.split(":")
    if len(parts) == 1:
        return "", "", parts[0]
    if len(parts) == 2:
        return "", parts[0], parts[1]
    return ":".join(parts[:-2]), parts[-2], parts[-1]


def _address(text: str) -> str:
    """Take the brackets off an IPv6 address; an address is checked, a name is none."""
    if not text:
        return ""
    plain = text
    if text.startswith("["):
        if not text.endswith("]"):
            raise ValueError(f"Invalid ip address {text}: address {text}:: missing ']' in address")
        plain = text[1:-1]
    elif ":" in text:
        raise ValueError(f"Invalid ip address {text}: address {text}:: too many colons in address")
    if plain and not _is_address(plain):
        raise ValueError(f"Invalid ip address: {plain}")
    return plain


def _is_address(text: str) -> bool:
    import _socket as socket  # not socket, which costs 3 ms

    try:
        socket.inet_pton(socket.AF_INET6 if ":" in text else socket.AF_INET, text)
    except (OSError, ValueError):
        return False
    return True


def _range(text: str, wrong: str) -> tuple[int, int]:
    bounds = text.split("-")[:2]
    for bound in bounds:
        if not (bound.isascii() and bound.isdigit()) or len(bound.lstrip("0")) > 5 or int(bound) > 65535:
            raise ValueError(wrong)
    if int(bounds[-1]) < int(bounds[0]):
        raise ValueError(wrong)
    return int(bounds[0]), int(bounds[-1])


# --- volumes and devices

_PROPAGATIONS = frozenset({"rprivate", "private", "rshared", "shared", "rslave", "slave"})


def parse_volume(text: str) -> dict[str, Any]:
    """
    Give the mount of `[source:]target[:options]`; unknown options are ignored, as docker does.

    Raises:
        ValueError: a part is empty, or there are too many.
    """
    if not text:
        raise ValueError("invalid empty volume spec")
    if len(text) <= 2:
        return {"type": "volume", "target": _clean(text)}
    volume: dict[str, Any] = {}
    sections = list(_sections(text))
    if not all(sections):
        raise ValueError(f"invalid spec: {text}: empty section between colons")
    if len(sections) > 3:
        raise ValueError(f"invalid spec: {text}: too many colons")
    if len(sections) == 1:
        volume["target"] = sections[0]
    else:
        volume["source"], volume["target"] = sections[:2]
    bind: dict[str, Any] = {}
    for option in sections[2].split(",") if len(sections) > 2 else ():
        _take_option(volume, bind, option)
    if bind:
        volume["bind"] = bind
    if _is_path(volume.get("source", "")):
        volume["type"] = "bind"
        volume["bind"] = {**bind, "create_host_path": True}
    else:
        volume["type"] = "volume"
        volume.setdefault("volume", {})
    volume["target"] = _clean(volume["target"])
    return volume


def _sections(text: str) -> Iterator[str]:
    """Cut at colons, except those of Windows drives."""
    section = ""
    for character in text:
        if character == ":" and not (len(section) == 1 and section.isalpha()):
            yield section
            section = ""
        else:
            section += character
    yield section


def _take_option(volume: dict[str, Any], bind: dict[str, Any], option: str) -> None:
    if option == "ro":
        volume["read_only"] = True
    elif option == "rw":
        volume.pop("read_only", None)
    elif option == "nocopy":
        volume["volume"] = {"nocopy": True}
    elif option in _PROPAGATIONS:
        bind["propagation"] = option
    elif option in {"z", "Z"}:
        bind["selinux"] = option


def _is_path(source: str) -> bool:
    if source[:1] in {".", "/", "~"} and source:
        return True
    return source.startswith("\\\\") or (len(source) > 1 and source[1] == ":" and source[0].isalpha())


def _clean(target: str) -> str:
    from wherry.compose.go_values import clean_path

    return clean_path(target) if target else ""


def parse_device(text: str) -> dict[str, Any]:
    """
    Give the device of `source[:target[:permissions]]`.

    Raises:
        ValueError: it has more parts.
    """
    parts = text.split(":")
    if len(parts) > 3:
        raise ValueError(f"confusing device mapping, please use long syntax: {text}")
    target = parts[1] if len(parts) > 1 and parts[1] else parts[0]
    return {"source": parts[0], "target": target, "permissions": parts[2] if len(parts) > 2 else "rwm"}


# --- commands

_STOPS = frozenset(";&|<>")


class _Words:
    """The state of `split_command`: a word, and what quotes it."""

    def __init__(self) -> None:
        self.words: list[str] = []
        self.word = ""
        self.has_word = False
        self.quote = ""
        """One of ' and ", ` for backticks, ( for `$(`."""

    def add(self, character: str) -> None:
        self.word += character
        self.has_word = True

    def end(self) -> None:
        if self.has_word:
            self.words.append(self.word)
        self.word, self.has_word = "", False

    def take(self, character: str) -> bool:
        """Take a character; False: the command ends before it."""
        if character in " \t\r\n":
            if self.quote:
                self.word += character
            else:
                self.end()
        elif character in {"'", '"'}:
            self._take_quote(character)
        elif character == "`" and self.quote in {"", "`"}:
            self.quote = "" if self.quote else "`"
            self.add(character)
        elif character in "()" and self.quote in {"", "("}:
            self._take_bracket(character)
        elif character in _STOPS and not self.quote:
            if character == ">" and self.word[:1].isdigit():
                self.has_word = False
            return False
        else:
            self.add(character)
        return True

    def _take_quote(self, character: str) -> None:
        if self.quote == character:
            self.quote, self.has_word = "", True
        elif self.quote in {"", "`"} and not self.quote:
            self.quote = character
        else:
            self.add(character)

    def _take_bracket(self, character: str) -> None:
        if character == "(":
            if self.quote or not self.word.endswith("$"):
                raise ValueError("invalid command line string")
            self.quote = "("
            self.word += "("
        else:
            self.quote = "" if self.quote else "("
            self.add(character)


def split_command(text: str) -> list[str]:
    """
    Give the words of a command as docker-compose cuts it: quotes, backslashes; it ends at `;`, `&`, `|`, `<`, `>`.

    Raises:
        ValueError: a quote or bracket is not closed.
    """
    state, is_escaped = _Words(), False
    for character in text:
        if is_escaped:
            state.add(character)
            is_escaped = False
        elif character == "\\" and state.quote != "'":
            is_escaped = True
        elif not state.take(character):
            break
    state.end()
    if is_escaped or state.quote:
        raise ValueError("invalid command line string")
    return state.words
