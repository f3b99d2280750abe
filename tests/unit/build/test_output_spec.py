"""--output as buildx reads it."""

from __future__ import annotations

import pytest

from wherry.build.output_spec import BuildOutput, parse_output
from wherry.errors import InputError, Unsupported, WherryError
from wherry.oci.reference import Reference


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("out", BuildOutput("local", "out")),
        ("./a b", BuildOutput("local", "./a b")),
        ("-", BuildOutput("tar", "-")),
        ("type=local,dest=out", BuildOutput("local", "out")),
        ("type=tar,dest=-", BuildOutput("tar", "-")),
        ("type=tar,dest=o.tar", BuildOutput("tar", "o.tar")),
        ("type=docker", BuildOutput("docker")),
        ("type=docker,dest=a.tar", BuildOutput("docker", "a.tar")),
        ("type=oci,dest=a,tar=false", BuildOutput("oci", "a", tar=False)),
        ("type=image,push=true", BuildOutput("image", push=True)),
        ("type=oci,dest=a,compression=uncompressed", BuildOutput("oci", "a", compression="none")),
        ("type=oci,dest=a,tar=0,compression=gzip", BuildOutput("oci", "a", tar=False, compression="gzip")),
        ("type=image,oci-mediatypes=true", BuildOutput("image")),
        ("type=registry", BuildOutput("image", push=True)),
        ("type=registry,compression=zstd", BuildOutput("image", push=True, compression="zstd")),
        ('type=image,"name=a/b:1,c:2"', BuildOutput("image", names=(Reference.parse("a/b:1"), Reference.parse("c:2")))),
        ("TYPE=local,dest=x=y", BuildOutput("local", "x=y")),
        ("type=cacheonly", BuildOutput("cacheonly")),
    ],
)
def test_what_is_understood(text: str, expected: BuildOutput) -> None:
    assert parse_output(text) == expected


@pytest.mark.parametrize(
    ("text", "kind", "says"),
    [
        ("", InputError, "names no folder"),
        ("dest=out", InputError, "type is required for output"),
        ("type=local", InputError, "dest is required for local exporter"),
        ("type=local,dest=-", InputError, "dest is required for local exporter"),
        ("type=tar", InputError, "dest file is required for tar exporter"),
        ("type=oci", InputError, "dest file is required for oci exporter"),
        ("type=lokal,dest=x", Unsupported, "exporter 'lokal' could not be found"),
        ("type=local,dest=x,mode=max", InputError, "has no 'mode'"),
        ("type=image,unpack=true", InputError, "has no 'unpack'"),
        ("type=image,store=false", InputError, "has no 'store'"),
        ("type=docker,context=x", InputError, "has no 'context'"),
        ("type=image,oci-mediatypes=false", Unsupported, "oci-mediatypes=false is not supported"),
        ("type=local,dest", InputError, "invalid value dest"),
        ('type=local,"dest', InputError, "invalid value"),
        ("type=image,push=maybe", InputError, "non-bool value specified for push: maybe"),
        ("type=registry,push=maybe", InputError, "non-bool value specified for push: maybe"),
        ("type=oci,dest=a,tar=", InputError, "non-bool value specified for tar"),
        ("type=registry,compression=xz", InputError, "unsupported compression type 'xz'"),
        ("type=oci,dest=a,compression=zstd", Unsupported, "writes its layers as uncompressed, not zstd"),
        ("type=docker,dest=a,tar=0,compression=zstd", Unsupported, "writes its layers as gzip, not zstd"),
        ("type=image,name=BAD", WherryError, "must be lowercase"),
    ],
)
def test_what_is_refused(text: str, kind: type[WherryError], says: str) -> None:
    with pytest.raises(kind, match=says):
        parse_output(text)
