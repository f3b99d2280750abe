"""--gpus as docker 26.1 reads it: each expectation was printed by `docker create --gpus ...` and `docker inspect`."""

from __future__ import annotations

import pytest

from wherry.errors import InputError
from wherry.runtime.options import GpuRequest, RunOptions
from wherry.runtime.parse_gpus import gpus, is_cdi_name, runtime_name


@pytest.mark.parametrize(
    ("text", "request_"),
    [
        ("all", GpuRequest(number=-1)),
        ("2", GpuRequest(number=2)),
        ("+3", GpuRequest(number=3)),
        ("-2", GpuRequest(number=-2)),
        ("0", GpuRequest()),
        ("count=all", GpuRequest(number=-1)),
        ("all,1", GpuRequest(number=1)),
        ("1,all", GpuRequest(number=-1)),
        ("count=1,2", GpuRequest(number=2)),
        ("device=GPU-abc", GpuRequest(device_ids=("GPU-abc",))),
        ('"device=0,1"', GpuRequest(device_ids=("0", "1"))),
        ("device=0,1", GpuRequest(number=1, device_ids=("0",))),
        ("device=0,count=1", GpuRequest(number=1, device_ids=("0",))),
        ("device=", GpuRequest(device_ids=("",))),
        ('"device=0,""x"""', GpuRequest(device_ids=("0", '"x"'))),
        ("driver=nvidia", GpuRequest("nvidia", 1)),
        ("driver=", GpuRequest(number=1)),
        ("all,capabilities=utility", GpuRequest(number=-1, capabilities=("utility", "gpu"))),
        ('all,"capabilities=compute,utility"', GpuRequest(number=-1, capabilities=("compute", "utility", "gpu"))),
        ("all,capabilities=", GpuRequest(number=-1, capabilities=("", "gpu"))),
        ("capabilities=gpu", GpuRequest(number=1, capabilities=("gpu", "gpu"))),
        ("options=a=b", GpuRequest(number=1, options={"a": "b"})),
        ('"options=a,b=c"', GpuRequest(number=1, options={"a": "", "b": "c"})),
        ('all,"options=a=b,a=c"', GpuRequest(number=-1, options={"a": "c"})),
        ("all\n1", GpuRequest(number=-1)),
    ],
)
def test_a_request_is_what_docker_makes_of_it(text: str, request_: GpuRequest) -> None:
    assert gpus(text) == request_


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "EOF"),
        ("x", 'count must be an integer: strconv.Atoi: parsing "x": invalid syntax'),
        ("all,", 'count must be an integer: strconv.Atoi: parsing "": invalid syntax'),
        ('""', 'count must be an integer: strconv.Atoi: parsing "": invalid syntax'),
        (" all", 'count must be an integer: strconv.Atoi: parsing " all": invalid syntax'),
        ("1_0", 'count must be an integer: strconv.Atoi: parsing "1_0": invalid syntax'),
        ("0x10", 'count must be an integer: strconv.Atoi: parsing "0x10": invalid syntax'),
        ("\u0661", 'count must be an integer: strconv.Atoi: parsing "\u0661": invalid syntax'),
        ("9" * 20, f'count must be an integer: strconv.Atoi: parsing "{"9" * 20}": value out of range'),
        ("9" * 5000, f'count must be an integer: strconv.Atoi: parsing "{"9" * 5000}": value out of range'),
        ('all,\udcff"x', 'parse error on line 1, column 6: bare " in non-quoted-field'),
        ("foo=1", "unexpected key 'foo' in 'foo=1'"),
        ("DEVICE=0", "unexpected key 'DEVICE' in 'DEVICE=0'"),
        ("=x", "unexpected key '' in '=x'"),
        ("all=3", "unexpected key 'all' in 'all=3'"),
        ("all,all", "gpu request key 'all' can be specified only once"),
        ("all,count=1", "gpu request key 'count' can be specified only once"),
        ("driver=a,driver=b", "gpu request key 'driver' can be specified only once"),
        ('"device=0', 'parse error on line 1, column 10: extraneous or missing " in quoted-field'),
        ('all,"x', 'parse error on line 1, column 7: extraneous or missing " in quoted-field'),
        ('"a"b', 'parse error on line 1, column 3: extraneous or missing " in quoted-field'),
        ('all,\u00e9"x', 'parse error on line 1, column 7: bare " in non-quoted-field'),
        ('device=a"b', 'parse error on line 1, column 9: bare " in non-quoted-field'),
        ("options=", "failed to read gpu options: EOF"),
    ],
)
def test_a_fault_is_told_in_dockers_words(text: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        gpus(text)
    assert caught.value.message == message


def test_requests_survive_the_containers_row() -> None:
    options = RunOptions(gpus=(gpus('"device=0,1","options=a=b"'),), cdi_devices=("a.com/b=c",), runtime="nvidia")
    assert RunOptions.from_json(options.to_json()) == options


@pytest.mark.parametrize("text", ["vendor.com/class=name", "nvidia.com/gpu=all", "v/c=1:0", "amd.com/gpu=GPU-1"])
def test_a_qualified_name_is_a_cdi_device(text: str) -> None:
    assert is_cdi_name(text)


@pytest.mark.parametrize(
    "text", ["/dev/x=y", "vendor.com/class", "vendor.com/class=", "vendor.com=x", "./a/b=c", "", "-a/b=c"]
)
def test_anything_else_is_a_path(text: str) -> None:
    assert not is_cdi_name(text)


def test_runtimes_are_names() -> None:
    assert [runtime_name(one) for one in ("", "runc", "nvidia")] == ["", "runc", "nvidia"]
    with pytest.raises(InputError, match="unknown or invalid runtime name: foo"):
        runtime_name("foo")
    with pytest.raises(InputError, match="unknown or invalid runtime name: /usr/bin/runc") as caught:
        runtime_name("/usr/bin/runc")
    assert "path" in (caught.value.hint or "")
