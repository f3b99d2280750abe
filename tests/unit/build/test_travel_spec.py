from __future__ import annotations

import pytest

from wherry.build.travel_spec import Gha, parse_from, parse_to
from wherry.errors import InputError, Unsupported, WherryError


def test_a_name_alone_is_one_of_a_registry() -> None:
    assert parse_from("user/app:cache")._replace(text="") == parse_from("type=registry,ref=user/app:cache")._replace(
        text=""
    )
    assert (parse_to("user/app:cache").kind, parse_to("user/app:cache").ref) == ("registry", "user/app:cache")


def test_the_attributes_of_each_kind() -> None:
    to = parse_to(
        "type=registry,ref=r/a:c,mode=max,ignore-error=true,compression=zstd,force-compression=true,"
        "image-manifest=false,oci-mediatypes=0"
    )
    assert (to.mode, to.ignore_error, to.compression, to.is_forced) == ("max", True, "zstd", True)
    assert (to.is_index, to.is_docker) == (True, True)
    assert parse_to("type=registry,ref=a").is_index is False
    local = parse_to("type=local,dest=./cache,tag=main,compression=uncompressed")
    assert (local.path, local.tag, local.compression, local.mode) == ("./cache", "main", "none", "min")
    found = parse_from("type=local,src=./cache,digest=sha256:1")
    assert (found.path, found.tag, found.digest) == ("./cache", "latest", "sha256:1")
    assert parse_from("type=gha,scope=main,version=2").gha == Gha("main", 2)
    assert parse_from("type=gha").gha == Gha("wherry")
    assert parse_to("type=inline").kind == "inline"
    assert parse_from("type=registry,ref=a,registry.insecure=true").insecure


def test_values_may_be_quoted_as_in_csv() -> None:
    assert parse_to('type=local,"dest=a,b"').path == "a,b"
    assert parse_to('"type=local","dest=say ""hi"""').path == 'say "hi"'


def test_keys_are_known_in_any_case_and_values_keep_theirs() -> None:
    assert parse_from("Type=registry,REF=host/app:Cache").ref == "host/app:Cache"


def test_what_changes_nothing_is_said() -> None:
    (note,) = parse_to("type=registry,ref=a,compression-level=9").notes
    assert "compression-level=9 changes nothing" in note
    assert parse_to("type=registry,ref=a").notes == ()


def test_a_token_is_never_shown() -> None:
    assert "secret" not in parse_to("type=gha,token=secret,scope=x").text
    assert parse_to("type=gha,token=secret").gha.token == "secret"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no name"),
        ("ref=a", 'type required form> "ref=a"'),
        ("type=registry", "ref not specified"),
        ("type=registry,ref=Bad Name", "invalid reference format"),
        ("team//app:cache", "invalid reference format"),
        ("type=local", "dest not specified"),
        ("type=local,src=x", "no attribute 'src'"),
        ("type=registry,ref=a,mode=some", "invalid mode"),
        ("type=registry,ref=a,mod=max", "no attribute 'mod'"),
        ("type=registry,ref=a,nonsense", "invalid value nonsense"),
        ("type=registry,ref=a,ignore-error=maybe", "invalid value 'maybe' for ignore-error"),
        ("type=registry,ref=a,compression=lz4", "unsupported compression type lz4"),
        ("type=registry,ref=a,compression=estargz", "estargz is not supported"),
        ("type=inline,mode=max", "inline cache cannot hold more"),
        ("type=gha,version=3", "invalid version"),
        ("type=s3,bucket=x", "type=s3 is not supported"),
        ("type=registri,ref=a", "unknown cache exporter"),
        ('type=local,"dest=x', "invalid value"),
        ("type=local,dest=x\ntype=local,dest=y", "invalid"),
    ],
)
def test_nonsense_is_refused(text: str, said: str) -> None:
    with pytest.raises(WherryError, match=said) as fault:
        parse_to(text)
    assert isinstance(fault.value, InputError | Unsupported)


def test_a_slip_is_answered_with_what_was_meant() -> None:
    with pytest.raises(InputError) as fault:
        parse_to("type=registry,ref=a,mod=max")
    assert fault.value.hint == "did you mean mode?"
    with pytest.raises(InputError, match="unknown cache importer") as fault:
        parse_from("type=registri,ref=a")
    assert fault.value.hint == "did you mean registry?"
