"""pip, apt and curl in RUN steps behind this machine's proxies and certificates; and nothing of it in the image."""

from __future__ import annotations

import hashlib
import http.server
import io
import os
import subprocess
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.integration.lesson import Lesson, host_certificates

pytestmark = pytest.mark.requires("root", "runc", "nft", "mmdebstrap", "mirror")

FETCHING = """\
FROM BASE
WORKDIR /app
COPY . /app
RUN pip install six
RUN apt-get update && apt-get install -y --no-install-recommends curl git && rm -rf /var/lib/apt/lists/*
RUN curl -fsSI https://pypi.org/simple/six/ && git ls-remote https://pypi.org/simple/six 2>&1 | grep -v certificate
RUN useradd -m me
USER me
RUN pip install --user wheel && python -c "import ssl, urllib.request; urllib.request.urlopen('https://pypi.org/simple/six/')"
"""
MARKS = [b"/dev/wherry", b"SSL_CERT_FILE=", b"PIP_CERT=", b"APT_CONFIG=", b"PIP_CACHE_DIR="]
MARKS += [folder.encode() for folder in os.environ.get("PIP_FIND_LINKS", "").split()]


@pytest.mark.requires("pypi")
def test_pip_apt_curl_and_git_work_in_a_run_and_the_image_holds_not_a_byte_of_the_hosts(lesson: Lesson) -> None:
    context = lesson.context("fetching", {"Dockerfile": FETCHING, "main.py": ""})
    lesson.must("build", "-t", "fetching", str(context))
    assert not traces(lesson)


def traces(lesson: Lesson) -> dict[str, list[bytes]]:
    """Files of the store that hold something of the host's, and files that only what it lends could have made."""
    marks = [*host_certificates(), *MARKS]
    found: dict[str, list[bytes]] = {}
    for path in lesson.everything():
        data = path.read_bytes()
        if hits := [mark for mark in marks if mark in data and not is_a_tools_own_text(path, mark)]:
            found[str(path.relative_to(lesson.root))] = hits
    for path in (lesson.root / "layers").rglob("*"):
        name = path.relative_to(lesson.root / "layers").as_posix()
        if "/.cache/" in name or "/fs/dev/" in name or name.endswith((".deb", "/wherry", "/ca.pem")):
            found[name] = []
    return found


def is_a_tools_own_text(path: Path, mark: bytes) -> bool:
    """Programs name these variables in their own code (pip, git, apt); values of ours are what counts."""
    return mark.endswith(b"=") and (b"%s/dev/wherry" % mark) not in path.read_bytes()


@pytest.mark.requires("pypi")
def test_no_host_ca_gives_a_step_nothing(lesson: Lesson) -> None:
    text = "FROM BASE\nRUN env | grep -E 'CERT|CA_BUNDLE|_proxy' ; ls /dev/wherry/ca.pem; true\n"
    context = lesson.context("bare", {"Dockerfile": text})
    done = lesson.wherry("build", "--no-cache", "--no-host-ca", "--progress", "plain", str(context),
                         http_proxy="http://proxy.example:1")  # fmt: skip
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    assert "No such file" in said
    assert "SSL_CERT_FILE=" not in said
    assert "proxy.example" not in said


def test_proxies_reach_the_step_and_neither_its_key_nor_its_image(lesson: Lesson) -> None:
    proxies = {"https_proxy": "http://user:secret@proxy.example:1", "NO_PROXY": "a.example"}
    told = hashlib.sha256(proxies["https_proxy"].encode()).hexdigest()
    text = f'FROM BASE\nRUN printf %s "$HTTPS_PROXY" | sha256sum | grep {told} && test "$no_proxy" = a.example\n'
    context = lesson.context("proxied", {"Dockerfile": text})
    first = lesson.must("build", "-q", str(context), **proxies)
    again = lesson.wherry("build", "--progress", "plain", str(context), https_proxy="http://other.example:1")
    assert "CACHED" in again.stdout + again.stderr
    assert first.strip() in again.stdout + again.stderr
    assert not [path for path in lesson.everything() if b"user:secret@" in path.read_bytes()]


def wheel(name: str) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        archive.writestr(f"{name}.py", "")
        archive.writestr(f"{name}-1.0.dist-info/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        archive.writestr(
            f"{name}-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr(f"{name}-1.0.dist-info/RECORD", "")
    return data.getvalue()


@contextmanager
def package_index() -> Iterator[tuple[str, list[str]]]:
    """An index on 127.0.0.1 with one package, whose files may be cached for ever: (address, what was asked for)."""
    asked: list[str] = []
    files = {
        "/simple/demo/": (b'<a href="/files/demo-1.0-py3-none-any.whl">demo</a>', "text/html", "max-age=0"),
        "/files/demo-1.0-py3-none-any.whl": (wheel("demo"), "application/zip", "max-age=365000000, immutable"),
    }

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            data, kind, cache = files.get(self.path, (b"", "text/plain", "no-store"))
            self.send_response(200 if data else 404)
            for key, value in (("content-type", kind), ("content-length", str(len(data))), ("cache-control", cache)):
                self.send_header(key, value)
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/simple", asked
        finally:
            server.shutdown()
            thread.join()


def test_a_package_is_downloaded_once_for_all_builds_and_not_with_no_ambient_cache(lesson: Lesson) -> None:
    with package_index() as (index, asked):
        text = (
            f"FROM BASE\nRUN pip install --trusted-host 127.0.0.1 --index-url {index} demo && ! test -e /root/.cache\n"
        )
        context = lesson.context("cached", {"Dockerfile": text})
        build = ("build", "--no-cache", "--network", "host", str(context))
        proxyless = {"no_proxy": "127.0.0.1", "NO_PROXY": "127.0.0.1"}
        lesson.must(*build, **proxyless)
        lesson.must(*build, **proxyless)
        assert asked.count("/files/demo-1.0-py3-none-any.whl") == 1
        plain = lesson.context("uncached", {"Dockerfile": text.replace("! test", "test")})
        lesson.must(*build[:-1], "--no-ambient-cache", str(plain), **proxyless)
        assert asked.count("/files/demo-1.0-py3-none-any.whl") == 2


def test_a_cache_that_the_dockerfile_mounts_itself_is_used_in_place_of_ours(lesson: Lesson) -> None:
    text = (
        "FROM BASE\nRUN --mount=type=cache,target=/root/.cache/pip,id=mine "
        'test -z "$PIP_CACHE_DIR" && test -n "$UV_CACHE_DIR"\n'
    )
    lesson.must("build", str(lesson.context("own-mount", {"Dockerfile": text})))


def test_two_builds_with_apt_at_once_wait_for_each_other(lesson: Lesson) -> None:
    text = (
        "FROM BASE\nARG N\nRUN apt-get update -qq && apt-get install -qq -y --no-install-recommends tree && echo $N\n"
    )
    context = lesson.context("apt-twice", {"Dockerfile": text})
    results: list[subprocess.CompletedProcess[str]] = []

    def build(number: int) -> None:
        results.append(lesson.wherry("build", "--build-arg", f"N={number}", str(context)))

    threads = [threading.Thread(target=build, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [one.returncode for one in results] == [0, 0], [one.stderr[-2000:] for one in results]


def test_the_search_would_find_a_certificate_in_a_layer(lesson: Lesson) -> None:
    if not host_certificates():
        pytest.skip("this machine trusts nothing beyond Debian's certificates")
    text = 'FROM BASE\nRUN cp "$SSL_CERT_FILE" /etc/leak.pem\n'
    lesson.must("build", "-t", "leaking", str(lesson.context("leaking", {"Dockerfile": text})))
    try:
        assert [name for name in traces(lesson) if name.endswith("/etc/leak.pem")]
    finally:
        lesson.must("rmi", "-f", "leaking")
        lesson.must("builder", "prune", "-af")
    # Other tests' images may name what the host lends; the certificate itself must be gone
    assert not [name for name, hits in traces(lesson).items() if set(hits) & set(host_certificates())]


def test_an_archive_that_somebody_changed_in_apts_cache_is_fetched_again(lesson: Lesson) -> None:
    text = "FROM BASE\nRUN apt-get update -qq && apt-get install -qq -y --no-install-recommends tree && apt-get clean\n"
    context = lesson.context("apt-poisoned", {"Dockerfile": text + "RUN tree --version\n"})
    lesson.must("build", str(context))
    again = lesson.wherry("build", "--no-cache", "--progress", "plain", str(context))
    assert "Fetched" not in again.stderr
    (kept,) = (
        path for path in (lesson.root / "cache" / "ambient").glob("apt-0-*/tree_*.deb") if is_of(lesson, path, context)
    )
    good = kept.read_bytes()
    kept.write_bytes(good[: len(good) // 2] + b"hostile!" + good[len(good) // 2 + 8 :])
    again = lesson.wherry("build", "--no-cache", "--progress", "plain", str(context))
    assert again.returncode == 0, again.stderr
    assert kept.read_bytes() == good


def is_of(lesson: Lesson, path: Path, context: Path) -> bool:
    """Whether the cache belongs to the project."""
    return path.parent.name.endswith(hashlib.sha256(str(context.resolve()).encode()).hexdigest()[:12])


def test_what_one_project_put_into_a_cache_another_never_meets(lesson: Lesson) -> None:
    text = 'FROM BASE\nRUN cd "$PIP_CACHE_DIR/http-v2" && {} poison\n'
    hostile = lesson.context("hostile", {"Dockerfile": text.format("touch")})
    lesson.must("build", str(hostile))
    lesson.context("innocent", {"Dockerfile": text.format("! test -e")})
    lesson.must("build", str(lesson.folder / "innocent"))
    lesson.context("hostile", {"Dockerfile": text.format("test -e")})
    lesson.must("build", str(hostile))
    # And in one project: what a stage on another image put there
    two = "FROM BASE AS other\nRUN touch /mark\n"
    lesson.must("build", "-t", "other", str(lesson.context("base", {"Dockerfile": two})))
    lesson.context("hostile", {"Dockerfile": text.format("! test -e").replace("FROM BASE", "FROM other")})
    lesson.must("build", str(hostile))
