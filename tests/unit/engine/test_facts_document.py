"""`info` and `version` in docker's JSON, of facts that a test made."""

from __future__ import annotations

from wherry.engine.facts import Facts, Survey
from wherry.engine.facts_document import security, version

FACTS = Facts("6.1.0", "amd64", "v2", "crun")
SURVEY = Survey(
    FACTS, "host", "Debian", 4, 1 << 30, "/root", 1, 2, 3, 4, "crun", {"crun": "1.21"}, True, False, True, ()
)


def test_a_script_that_asks_for_the_servers_version_gets_one() -> None:
    doc = version(FACTS, {"runc": "1.2.3"})
    assert doc["Server"]["Version"] == doc["Client"]["Version"] != ""
    assert doc["Server"]["ApiVersion"] == doc["Client"]["ApiVersion"] == "1.45"


def test_each_runtime_is_a_component_beside_the_engine() -> None:
    parts = version(FACTS, {"runc": "1.2.3", "crun": "1.21"})["Server"]["Components"]
    assert [(one["Name"], one["Version"]) for one in parts[1:]] == [("runc", "1.2.3"), ("crun", "1.21")]
    assert parts[0]["Name"] == "Engine"
    assert list(parts[0]["Details"]) == sorted(parts[0]["Details"])


def test_security_options_say_what_is_on() -> None:
    assert security(SURVEY) == ["name=seccomp,profile=builtin", "name=cgroupns"]
    quiet = SURVEY._replace(seccomp=False, apparmor=True, facts=FACTS._replace(cgroup="hybrid"))
    assert security(quiet) == ["name=apparmor"]
