"""The plan of a build as data: vertices in an order in which each stands behind what it needs."""

from __future__ import annotations

from typing import NamedTuple

from wherry.oci.config import ImageConfig
from wherry.oci.digest import DiffID

__all__ = ["Copy", "Graph", "InlineFile", "Op", "Run", "RunMount", "Source", "Vertex", "Workdir"]


class Source(NamedTuple):
    """The root of an image. `layers` is base layer first; `image` is the name as the Dockerfile has it."""

    image: str
    layers: tuple[DiffID, ...]


class RunMount(NamedTuple):
    """A RUN mount. `kind` is "cache", "bind", "tmpfs", "secret" or "ssh".

    `target` is absolute; "" is a secret that is an environment variable only (`env`). A bind reads from the step's
    `inputs[input]`, or from the context when `input` is None; a cache begins as a copy of that, or empty; `source` is
    the path inside. `id` names the cache, the secret or the agent. `required` is of secrets and agents. `mode` None is
    a cache of which nothing says who shall own it. `size` of a tmpfs in bytes, 0: no limit.
    """

    kind: str
    target: str
    source: str = "/"
    input: int | None = None
    id: str = ""
    sharing: str = "shared"
    readonly: bool = False
    mode: int | None = None
    uid: int = 0
    gid: int = 0
    size: int = 0
    env: str = ""
    required: bool = False


class Run(NamedTuple):
    """One RUN. `argv` is whole (the shell included); `script` is a heredoc with a shebang: (name, bytes), or None.

    `env` is KEY=VALUE in order, build arguments included; `hidden_env` holds the predefined proxy arguments, which
    stay out of the cache key. `network` is "default", "none" or "host". `hosts` is (name, address) pairs.
    `ulimits` is (name, soft, hard). `base` stands for the image below the stage: it is in no key, since the layers are.
    """

    argv: tuple[str, ...]
    env: tuple[str, ...] = ()
    user: str = ""
    workdir: str = "/"
    network: str = "default"
    hidden_env: tuple[str, ...] = ()
    script: tuple[str, bytes] | None = None
    mounts: tuple[RunMount, ...] = ()
    hosts: tuple[tuple[str, str], ...] = ()
    shm_size: int = 0
    ulimits: tuple[tuple[str, int, int], ...] = ()
    base: str = ""


class InlineFile(NamedTuple):
    """A heredoc of COPY or ADD: expanded, ready to write with mode 0644."""

    name: str
    data: bytes


class Copy(NamedTuple):
    """COPY or ADD (`unpack`: local archives are extracted).

    `sources` are paths or patterns below the source's root, cleaned, without a leading slash; `files` are heredocs.
    They come from `inputs[0]` when `from_stage`, else from the context. `dest` is absolute, and ends with "/" when
    it must be a folder. `chown` and `chmod` are as written, "" when absent.
    """

    sources: tuple[str, ...]
    dest: str
    files: tuple[InlineFile, ...] = ()
    from_stage: bool = False
    chown: str = ""
    chmod: str = ""
    link: bool = False
    parents: bool = False
    excludes: tuple[str, ...] = ()
    unpack: bool = False


class Workdir(NamedTuple):
    """Make the folder and its parents, owned by `user` (of USER, "" is root), when they are missing."""

    path: str
    user: str = ""


Op = Source | Run | Copy | Workdir


class Vertex(NamedTuple):
    """One step. `parent` is the vertex whose file system it changes (None: an empty one).

    `inputs` are the other vertices it reads. `name` is what the progress shows: "[stage-1 2/4] WORKDIR /app".
    `source` is the Dockerfile excerpt with `>>>` marks, to be shown when the step fails. `platform` is "os/arch".
    """

    number: int
    op: Op
    parent: int | None
    inputs: tuple[int, ...]
    name: str
    platform: str
    source: str = ""
    where: str = ""
    no_cache: bool = False

    @property
    def needs(self) -> tuple[int, ...]:
        return self.inputs if self.parent is None else (self.parent, *self.inputs)


class Graph(NamedTuple):
    """What to build. `target` is the vertex whose layers the image gets (None: it has none).

    `config` is the finished image configuration but for `diff_ids`; each of its non-empty history entries belongs to
    one layer. `uses_context` says whether any step reads the context.
    """

    vertices: tuple[Vertex, ...]
    target: int | None
    config: ImageConfig
    uses_context: bool = False
    warnings: tuple[str, ...] = ()
