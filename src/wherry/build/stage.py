"""What planning knows of one stage while it goes through its instructions."""

from __future__ import annotations

from wherry.build.graph import Source
from wherry.build.history import environment
from wherry.oci.config import ContainerConfig, History
from wherry.oci.platform import Platform

__all__ = ["PROXIES", "StageState"]

PROXIES = frozenset(
    name
    for stem in ("http_proxy", "https_proxy", "ftp_proxy", "no_proxy", "all_proxy")
    for name in (stem, stem.upper())
)


class StageState:
    """`env` is what words and RUN see: the image's environment and the ARGs, in the order of the instructions.

    `base_id` stands for the content of the image that it begins with. `args` are the ARGs that this stage itself
    declared, for the history. `vertex` is the file system so far (None: an empty one), `index` of `total` the steps
    that are shown as [label index/total]. `is_made_anew`: its steps do not use the cache.
    """

    def __init__(self, label: str, platform: Platform, config: ContainerConfig, *, base_name: str) -> None:
        self.label = label
        self.platform = platform
        self.config = config
        self.base_name = base_name
        self.base_id = base_name
        self.env = environment(config.env)
        self.args: dict[str, str] = {}
        self.history: list[History] = []
        self.author = ""
        self.vertex: int | None = None
        self.first: Source | None = None
        self.index = 0
        self.total = 0
        self.has_own_cmd = False
        self.is_made_anew = False

    def child(self, label: str) -> StageState:
        """A stage FROM this one: its arguments are inherited, and the image's environment stands above them."""
        state = StageState(label, self.platform, self.config, base_name=self.base_name)
        state.env = {**self.env, **environment(self.config.env)}
        state.history = list(self.history)
        state.author = self.author
        state.base_id = self.base_id
        state.vertex = self.vertex
        return state

    def prefix(self) -> str:
        """ "[build 2/4] "."""
        label = f"{self.label} " if self.label else ""
        width = len(str(self.total))
        return f"[{label}{self.index:>{width}}/{self.total}] "

    @property
    def workdir(self) -> str:
        return self.config.working_dir or "/"

    def set_env(self, key: str, value: str) -> None:
        """ENV: in the image and in scope. A known name keeps its place, as in docker."""
        self.env[key] = value
        words = environment(self.config.env)
        words[key] = value
        self.config = self.config._replace(env=tuple(f"{k}={v}" for k, v in words.items()))
