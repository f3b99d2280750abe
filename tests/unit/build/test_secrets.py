from __future__ import annotations

import pytest

from wherry.build.secrets import SecretSource, SshSource, parse_secret, parse_ssh
from wherry.errors import InputError


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("id=a,src=f", SecretSource("a", "file", "f")),
        ("id=a,source=f,type=file", SecretSource("a", "file", "f")),
        ("id=a,env=A", SecretSource("a", "env", "", "A")),
        ("id=a", SecretSource("a")),
        ("id=a,type=file", SecretSource("a", "file", "a")),
        ("id=a,type=env", SecretSource("a", "env", "", "a")),
        ("id=a,type=env,src=A", SecretSource("a", "env", "", "A")),
        ('id=a,"src=f,g"', SecretSource("a", "file", "f,g")),
        ("ID=a,SRC=f", SecretSource("a", "file", "f")),
    ],
)
def test_a_secret_says_where_it_comes_from(text: str, secret: SecretSource) -> None:
    assert parse_secret(text) == secret


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("src=f", "secret missing ID"),
        ("id=a,type=x", 'unsupported secret type "x"'),
        ("id=a,foo=x", "unexpected key 'foo' in 'foo=x'"),
        ("a", "invalid field 'a' must be a key=value pair"),
        ("", "a secret is empty"),
        ('"id=a', "failed to parse csv secret"),
    ],
)
def test_a_wrong_secret_is_refused_in_dockers_words(text: str, says: str) -> None:
    with pytest.raises(InputError, match=says):
        parse_secret(text)


def test_ssh_names_an_agent_or_keys() -> None:
    assert parse_ssh("default") == SshSource("default")
    assert parse_ssh("a=/run/agent") == SshSource("a", ("/run/agent",))
    assert parse_ssh("a=k1,k2") == SshSource("a", ("k1", "k2"))
    with pytest.raises(InputError, match="invalid argument"):
        parse_ssh("=k")
