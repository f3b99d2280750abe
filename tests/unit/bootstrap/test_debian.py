from __future__ import annotations

from wherry.bootstrap.debian import Addition, add, apt_options, environment, root, step_of

DUMP = """\
APT::Architecture "amd64";
Acquire::http::Proxy "http://proxy.example:3128";
Acquire::http "";
Acquire::Check-Valid-Until "false";
Acquire::https::CAInfo "/etc/ssl/corp.pem";
Dir::Etc "etc/apt";
DPkg::Post-Invoke:: "rm -f /x";
"""


def test_only_how_to_fetch_is_taken_from_the_hosts_apt() -> None:
    assert apt_options(DUMP) == (
        'Acquire::http::Proxy "http://proxy.example:3128";\n'
        'Acquire::Check-Valid-Until "false";\n'
        'Acquire::https::CAInfo "/etc/ssl/corp.pem";\n'
    )


def test_only_proxies_of_the_callers_environment_reach_the_hooks() -> None:
    env = environment({"HTTPS_PROXY": "http://p:1", "PIP_CERT": "/x", "AWS_SECRET": "s", "PATH": "/me/bin"}, 0)
    assert env["HTTPS_PROXY"] == "http://p:1"
    assert not {"PIP_CERT", "AWS_SECRET"} & env.keys()
    assert "/me" not in env["PATH"]


def test_the_hosts_way_of_fetching_stays_outside_of_the_root() -> None:
    argv = root("trixie", slim=True, sources="/w/s.list", target="/w/fs", apt_config="/w/apt.conf", env={}).argv
    assert '--setup-hook=cat /w/apt.conf >> "$MMDEBSTRAP_APT_CONFIG"' in argv
    assert not any(word.startswith("--aptopt") for word in argv)  # those would stay in the image
    assert argv[-3:] == ["trixie", "/w/fs", "/w/s.list"]


def test_whatever_ends_wherry_ends_the_whole_command() -> None:
    commands = [
        root("trixie", slim=False, sources="s", target="t", apt_config="", env={}),
        add("trixie", Addition(["a", "b"], ":"), lower="/l", work="/w", apt_config="", env={}),
    ]
    for command in commands:
        assert command.argv[:4] == ["setpriv", "--pdeathsig", "KILL", "unshare"]
        assert {"--mount", "--pid", "--kill-child"} <= set(command.argv)


def test_output_lines_become_steps() -> None:
    assert step_of("I: downloading packages with apt...") == "downloading packages"
    assert step_of("Setting up libc6") is None
