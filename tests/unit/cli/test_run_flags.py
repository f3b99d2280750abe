from __future__ import annotations

from pathlib import Path

import pytest

from wherry.cli import flags
from wherry.cli.run_flags import CREATE_FLAGS, FLAGS, options
from wherry.errors import InputError
from wherry.oci.config import Healthcheck
from wherry.runtime.options import DeviceRate, LogConfig, MountRequest, PortRequest, RunOptions
from wherry.runtime.parse_mounts import MountRefused
from wherry.settings import Paths, Settings

VERB = flags.Verb("IMAGE", "", FLAGS, least=1, most=None, interspersed=False)


def read(line: str | list[str], cwd: Path | str = "/here", **env: str) -> RunOptions:
    words = line.split() if isinstance(line, str) else line
    args = flags.parse("wherry run", VERB, [*words, "image", "cmd", "-x"])
    return options(args, Settings(Paths("/r", "/run/r"), env, 0, str(cwd)))


def fault(line: str | list[str], cwd: Path | str = "/here") -> str:
    with pytest.raises(flags.FlagError) as caught:
        read(line, cwd)
    assert caught.value.exit_code == 125
    return str(caught.value).removesuffix("\nSee 'wherry run --help'.")


def test_nothing_asked_is_the_default() -> None:
    assert read("") == RunOptions(command=("cmd", "-x"))


def test_the_readmes_line() -> None:
    found = read("-d --rm --name api -p 8000:8000 -v data:/d -v ./src:/app:ro -e A=1 -e B -w /app -u 1000:1000", B="2")
    assert found == RunOptions(
        command=("cmd", "-x"),
        detach=True,
        remove=True,
        name="api",
        ports=(PortRequest(8000, host_port=8000, host_port_last=8000),),
        mounts=(
            MountRequest("volume", "data", "/d"),
            MountRequest("bind", "/here/src", "/app", read_only=True, create_source=True, mode="ro"),
        ),
        env=("A=1", "B=2"),
        workdir="/app",
        user="1000:1000",
    )


def test_every_limit_has_its_field() -> None:
    found = read("-m 1g --memory-swap -1 --cpus 1.5 --cpu-shares 512 --pids-limit 100 --shm-size 1g --ulimit nofile=5")
    assert (found.memory_bytes, found.memory_swap_bytes, found.nano_cpus) == (1 << 30, -1, 1_500_000_000)
    assert (found.cpu_shares, found.pids_limit, found.shm_size_bytes) == (512, 100, 1 << 30)
    assert found.ulimits[0].hard == 5


def test_limits_of_devices_and_real_time() -> None:
    found = read(
        "--blkio-weight 300 --blkio-weight-device /dev/a:20 --device-read-bps /dev/a:1mb --device-write-iops /dev/a:5 "
        "--cpu-rt-period 1000 --cpu-rt-runtime 500 --isolation default --pids-limit -1"
    )
    assert (found.blkio_weight, found.blkio_weight_devices) == (300, (DeviceRate("/dev/a", 20),))
    assert found.device_read_bps == (DeviceRate("/dev/a", 1 << 20),)
    assert found.device_write_iops == (DeviceRate("/dev/a", 5),)
    assert (found.cpu_rt_period_us, found.cpu_rt_runtime_us) == (1000, 500)
    assert (found.isolation, found.pids_limit) == ("default", 0)
    assert RunOptions.from_json(found.to_json()) == found


def test_what_only_another_system_has_is_refused_with_the_reason() -> None:
    assert "only Windows has it" in fault("--cpu-count 1")
    assert "only Windows has it" in fault("--io-maxbandwidth 1m")
    assert "overlayfs has no size of its own" in fault("--storage-opt size=1g")


def test_an_empty_entrypoint_takes_the_images_away() -> None:
    assert read(["--entrypoint", ""]).entrypoint == ()
    assert read("--entrypoint sh").entrypoint == ("sh",)
    assert read("").entrypoint is None


def test_env_files_come_before_env(tmp_path: Path) -> None:
    (tmp_path / "vars").write_text("A=file\nSET\nUNSET\n")
    assert read("-e A=flag --env-file vars", tmp_path, SET="1").env == ("A=file", "SET=1", "A=flag")
    assert fault("--env-file nope", tmp_path) == "wherry: open nope: no such file or directory."


def test_label_files_come_before_labels(tmp_path: Path) -> None:
    (tmp_path / "labels").write_text("a=file\nb\n")
    assert read("-l a=flag --label-file labels", tmp_path).labels == {"a": "flag", "b": ""}


def test_health_flags() -> None:
    found = read(["--health-cmd", "curl -f x", "--health-interval", "5s", "--health-retries", "2"]).health
    assert found == Healthcheck(("CMD-SHELL", "curl -f x"), interval_ns=5 * 10**9, retries=2)
    assert read("--no-healthcheck").health == Healthcheck(("NONE",))
    assert read("--health-timeout 1s").health == Healthcheck((), timeout_ns=10**9)


def test_security_options(tmp_path: Path) -> None:
    (tmp_path / "p.json").write_text('{"defaultAction": "SCMP_ACT_ALLOW"}')
    found = read(
        "--security-opt no-new-privileges --security-opt seccomp=p.json --cap-drop all --cap-add chown", tmp_path
    )
    assert found.no_new_privileges
    assert found.seccomp == '{"defaultAction": "SCMP_ACT_ALLOW"}'
    assert (found.cap_drop, found.cap_add) == (("ALL",), ("CAP_CHOWN",))
    assert fault("--security-opt seccomp=/nope") == (
        "wherry: opening seccomp profile (/nope) failed: open /nope: no such file or directory."
    )


def test_network_in_its_long_form() -> None:
    found = read("--network name=net,alias=db,ip=10.0.0.9")
    assert (found.network, found.network_aliases, found.ip) == ("net", ("db",), "10.0.0.9")


def test_logs() -> None:
    found = read("--log-driver local --log-opt max-size=1m").log
    assert found == LogConfig("local", {"max-size": "1m"})


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("-p 80:foo", "wherry: Invalid containerPort: foo."),
        ("--ulimit foo=1", 'invalid argument "foo=1" for "--ulimit" flag: invalid ulimit type: foo'),
        ("-e =1", 'invalid argument "=1" for "-e, --env" flag: invalid environment variable: =1'),
        ("-m 4x", 'invalid argument "4x" for "-m, --memory" flag: invalid size: \'4x\''),
        ("--cap-add FOO", 'wherry: invalid CapAdd: unknown capability: "CAP_FOO".'),
        ("--rm --restart always", "wherry: Conflicting options: --restart and --rm."),
        ("-d -a stdout", "Conflicting options: -a and -d"),
        ("-h x --uts host", "wherry: conflicting options: hostname and the UTS mode."),
        ("--pull foo", 'wherry: invalid pull option: \'foo\': must be one of "always", "missing" or "never".'),
        ("--health-interval -1s", "wherry: --health-interval cannot be negative."),
        ("--health-interval 1us", "wherry: Interval in Healthcheck cannot be less than 1ms."),
        ("--no-healthcheck --health-cmd x", "wherry: --no-healthcheck conflicts with --health-* options."),
        (
            "--blkio-weight -1",
            'invalid argument "-1" for "--blkio-weight" flag: strconv.ParseUint: parsing "-1": invalid syntax',
        ),
        (
            "--pids-limit 99999999999999999999",
            'invalid argument "99999999999999999999" for "--pids-limit" flag: strconv.ParseInt: parsing '
            '"99999999999999999999": value out of range',
        ),
        ("--memory-swappiness 101", "wherry: invalid value: 101. Valid memory swappiness range is 0-100."),
        ("--oom-score-adj 2000", "wherry: Invalid value 2000, range for oom score adj is [-1000, 1000]."),
        (
            "--stop-signal FOO",
            "wherry: invalid signal: FOO.\nSee 'wherry run --help'.\nhint: a signal is a name as SIGTERM, or a number",
        ),
        ("--network container:", "wherry: Invalid network mode: invalid container format container:<name|id>."),
        (
            "--network container:x -p 80",
            "wherry: conflicting options: port publishing and the container type network mode.",
        ),
        ("--network container:x -h y", "wherry: conflicting options: hostname and the network mode."),
        ("--cgroup-parent a/../b", "wherry: invalid cgroup parent: a/../b."),
    ],
)
def test_a_fault_is_told_in_dockers_words_and_exits_125(line: str, message: str) -> None:
    assert fault(line) == message


def test_gpus_and_devices_of_all_kinds_stand_side_by_side() -> None:
    found = read("--gpus all --gpus device=1 --device nvidia.com/gpu=0 --device /dev/null:r --runtime nvidia")
    assert [one.number for one in found.gpus] == [-1, 0]
    assert (found.cdi_devices, found.runtime) == (("nvidia.com/gpu=0",), "nvidia")
    assert [(one.host_path, one.permissions) for one in found.devices] == [("/dev/null", "r")]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (
            "--gpus x",
            'invalid argument "x" for "--gpus" flag: '
            'count must be an integer: strconv.Atoi: parsing "x": invalid syntax',
        ),
        ("--device vendor.com/dev=", "wherry: vendor.com/dev= is not an absolute path."),
    ],
)
def test_a_wrong_gpu_or_runtime_is_told_in_dockers_words(line: str, message: str) -> None:
    assert fault(line) == message


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("--tmpfs /a -v /b:/a", "Duplicate mount point: /a"),
        ("-v /b:/a:bogus", "invalid mode: bogus"),
        ("--mount type=bind,dst=/a", 'invalid mount config for type "bind": field Source must not be empty'),
    ],
)
def test_what_dockers_daemon_refuses_names_no_flag(line: str, message: str) -> None:
    with pytest.raises(MountRefused) as caught:
        read(line)
    assert caught.value.message == message


def test_a_tmpfs_may_be_asked_for_in_both_ways() -> None:
    assert len(read("--tmpfs /a --mount type=tmpfs,dst=/a").mounts) == 1


def test_create_knows_no_detach() -> None:
    assert {flag.name for flag in FLAGS} - {flag.name for flag in CREATE_FLAGS} == {
        "data",
        "detach",
        "detach-keys",
        "experiment",
        "param",
        "sig-proxy",
        "track",
    }


def test_no_two_flags_share_a_letter() -> None:
    letters = [flag.short for flag in FLAGS if flag.short]
    assert len(letters) == len(set(letters))
    names = [flag.name for flag in FLAGS]
    assert len(names) == len(set(names))


def test_a_fault_of_create_points_to_creates_help() -> None:
    verb = flags.Verb("IMAGE", "", CREATE_FLAGS, least=1, most=None, interspersed=False)
    args = flags.parse("wherry create", verb, ["-p", "foo", "image"])
    with pytest.raises(flags.FlagError) as caught:
        options(args, Settings(Paths("/r", "/run/r"), {}, 0, "/here"))
    assert str(caught.value) == "wherry: Invalid containerPort: foo.\nSee 'wherry create --help'."


_WORDS = {
    "bytes": "4x", "decimal": "1.x", "duration": "5q", "uint16": "-1", "ulimit": "nofile", "int": "1x",
    "mount": "type=x",
}  # fmt: skip
TYPED = [flag for flag in FLAGS if flag.kind == "int" or flag.type_name in _WORDS]


@pytest.mark.parametrize("flag", TYPED, ids=lambda flag: flag.name)
def test_a_wrong_value_of_a_typed_flag_is_refused_and_names_it(flag: flags.Flag) -> None:
    word = _WORDS["int" if flag.kind == "int" else flag.type_name]
    with pytest.raises((flags.FlagError, InputError)) as caught:
        read([f"--{flag.name}", word])
    assert flag.name in str(caught.value) or word in str(caught.value)
    if flag.type_name != "mount":
        assert getattr(caught.value, "exit_code", 0) == 125
        assert f"--{flag.name}" in str(caught.value)
