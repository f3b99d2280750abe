from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from wherry.errors import InputError
from wherry.runtime.users import User, resolve

PASSWD = """\
root:x:0:0:root:/root:/bin/bash
daemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin

# a comment
broken
bad:x:abc:1::/:
app:x:1000:1001:App:/home/app:/bin/sh
123:x:456:789:a name of digits:/num:
nohome:x:7:7::
"""
GROUP = """\
root:x:0:
adm:x:4:app,daemon
staff:x:50:app
app:x:1001:
docker:x:999:other,app
"""


class Root:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "etc").mkdir()
        (folder / "etc/passwd").write_text(PASSWD)
        (folder / "etc/group").write_text(GROUP)
        self.fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)

    def resolve(self, user: str, *groups: str) -> User:
        return resolve(self.fd, user, groups)


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Root]:
    one = Root(tmp_path)
    yield one
    os.close(one.fd)


@pytest.mark.parametrize(
    ("user", "expected"),
    [
        ("", User(0, 0, (0,), "/root")),
        ("root", User(0, 0, (0,), "/root")),
        ("0", User(0, 0, (0,), "/root")),
        ("app", User(1000, 1001, (1001, 4, 50, 999), "/home/app")),
        ("1000", User(1000, 1001, (1001, 4, 50, 999), "/home/app")),
        ("app:staff", User(1000, 50, (50,), "/home/app")),
        ("app:7", User(1000, 7, (7,), "/home/app")),
        ("app:", User(1000, 1001, (1001, 4, 50, 999), "/home/app")),
        (":staff", User(0, 50, (50,), "/root")),
        ("4321", User(4321, 0, (0,), "/")),
        ("4321:4322", User(4321, 4322, (4322,), "/")),
        ("123", User(456, 789, (789,), "/num")),
        ("nohome", User(7, 7, (7,), "/")),
        ("2147483647", User(2147483647, 0, (0,), "/")),
    ],
)
def test_a_user_is_who_docker_says(root: Root, user: str, expected: User) -> None:
    assert root.resolve(user) == expected


def test_added_groups_come_on_top_without_doubles(root: Root) -> None:
    assert root.resolve("app", "staff", "12", "12").groups == (1001, 4, 50, 999, 12)
    assert root.resolve("app:staff", "adm").groups == (50, 4)


@pytest.mark.parametrize(
    ("user", "groups", "message"),
    [
        ("nobody", (), "unable to find user nobody: no matching entries in passwd file"),
        ("app:nogroup", (), "unable to find group nogroup: no matching entries in group file"),
        ("app", ("nogroup",), "Unable to find group nogroup: no matching entries in group file"),
        ("broken", (), "unable to find user broken: no matching entries in passwd file"),
        ("bad", (), "unable to find user bad: no matching entries in passwd file"),
    ],
)
def test_who_is_not_in_the_image_is_named(root: Root, user: str, groups: tuple[str, ...], message: str) -> None:
    with pytest.raises(InputError) as caught:
        root.resolve(user, *groups)
    assert str(caught.value) == message


@pytest.mark.parametrize("user", ["2147483648", "4294967296", "18446744073709551616", "-1", "9" * 5000, "0:4294967296"])
def test_an_id_that_would_wrap_around_to_root_is_refused(root: Root, user: str) -> None:
    """CVE-2024-40635."""
    with pytest.raises(InputError, match="uids and gids must be in range 0-2147483647"):
        root.resolve(user)


def test_an_overflowing_id_in_the_image_is_not_root(root: Root) -> None:
    (root.folder / "etc/passwd").write_text("evil:x:4294967296:0::/:\n")
    with pytest.raises(InputError, match="unable to find user evil"):
        root.resolve("evil")


def test_an_image_without_files_has_numeric_users_only(root: Root) -> None:
    os.unlink(root.folder / "etc/passwd")
    os.unlink(root.folder / "etc/group")
    assert root.resolve("") == User(0, 0, (0,), "/")
    assert root.resolve("5:6") == User(5, 6, (6,), "/")
    with pytest.raises(InputError, match="unable to find user app"):
        root.resolve("app")


def test_a_link_in_the_image_never_reads_the_hosts_file(root: Root, tmp_path_factory: pytest.TempPathFactory) -> None:
    secret = tmp_path_factory.mktemp("host") / "passwd"
    secret.write_text("host:x:77:77::/:\n")
    os.unlink(root.folder / "etc/passwd")
    os.symlink(secret, root.folder / "etc/passwd")
    with pytest.raises(InputError, match="unable to find user host"):
        root.resolve("host")


def test_an_absolute_link_inside_the_image_works(root: Root) -> None:
    os.rename(root.folder / "etc/passwd", root.folder / "real")
    os.symlink("/real", root.folder / "etc/passwd")
    assert root.resolve("app").uid == 1000


def test_a_fifo_does_not_hang_us(root: Root) -> None:
    os.unlink(root.folder / "etc/passwd")
    os.mkfifo(root.folder / "etc/passwd")
    with pytest.raises(InputError, match="/etc/passwd of the image: it is not a regular file"):
        root.resolve("app")


def test_a_huge_file_is_refused(root: Root) -> None:
    """CVE-2024-9676."""
    os.truncate(root.folder / "etc/passwd", 1 << 40)
    with pytest.raises(InputError, match="it has 1099511627776 bytes"):
        root.resolve("app")


def test_a_loop_of_links_is_an_error_and_not_root(root: Root) -> None:
    os.unlink(root.folder / "etc/passwd")
    os.symlink("passwd", root.folder / "etc/passwd")
    with pytest.raises(InputError, match="can't read /etc/passwd"):
        root.resolve("app")
