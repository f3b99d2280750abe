"""What watchers of work on a project are told."""

from __future__ import annotations

from wherry.compose.progress import WORDS, WORKING, Event, Progress, Quiet, container, network, volume


def test_resources_are_named_as_docker_compose_names_them() -> None:
    assert container("demo-web-1") == "Container demo-web-1"
    assert network("demo_default") == "Network demo_default"
    assert volume("demo_data") == 'Volume "demo_data"'


def test_quiet_keeps_the_warnings_and_says_nothing() -> None:
    quiet = Quiet()
    watcher: Progress = quiet
    watcher.event(Event(container("demo-web-1"), WORKING, WORDS["create"][0]))
    watcher.note("Waiting for another wherry")
    watcher.transfer("web").start("0123456789ab", "Downloading", 10)
    watcher.build("web").start("1", "FROM debian")
    watcher.warn("Found orphan containers")
    assert quiet.warnings == ["Found orphan containers"]
