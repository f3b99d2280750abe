"""How a RUN step meets the machine: the builder's Executor, made of the runtime, the network and the host's trust."""

from __future__ import annotations

import os
import threading
from contextlib import ExitStack
from functools import cached_property
from typing import Any, Self

from wherry.fs.private import private_folder
from wherry.oci.config import ContainerConfig, ImageConfig

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from wherry.build.executor import StepRequest
    from wherry.build.graph import Run
    from wherry.build.progress import Progress
    from wherry.engine import Engine
    from wherry.engine.ambient import Surroundings, Told
    from wherry.engine.build_inputs import Lending
    from wherry.engine.builds import BuildRequest
    from wherry.runtime.driver import Runtime
    from wherry.runtime.machine import Machine
    from wherry.runtime.users import User

__all__ = ["Steps"]

HOSTNAME = "buildkitsandbox"
"""BuildKit's name for every step's host: a constant, so that what a step writes does not depend on the machine."""


class Steps:
    """One build's executor, as a context. Raises, where it is made: InputError (a secret or key that is not there)."""

    def __init__(self, engine: Engine, request: BuildRequest, progress: Progress) -> None:
        self._engine = engine
        self._request = request
        self._progress = progress
        self._platform = request.options.host_platform
        self._lock = threading.Lock()
        self._is_prepared = False
        self._stack = ExitStack()
        if request.secrets or request.ssh:
            assert self._lending  # what can't be lent is said before the work begins

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *fault: object) -> None:
        self._stack.close()

    @cached_property
    def _lending(self) -> Lending:
        """Secrets and agents. Raises: InputError."""
        from wherry.engine.build_inputs import Lending

        settings, host, agents = self._engine.settings, self._engine.host, None
        if self._request.ssh:
            from wherry.engine.build_ssh import Agents

            agents = Agents(settings, host, self._request.ssh)
            self._stack.callback(agents.close)
        return Lending(settings, host, self._request.secrets, agents)

    @cached_property
    def _runtime(self) -> Runtime:
        from wherry.runtime import driver

        return driver.choose(self._engine.settings, self._engine.host)

    @cached_property
    def _machine(self) -> Machine:
        from wherry.runtime.machine import read_machine

        return read_machine()

    @cached_property
    def _surroundings(self) -> Surroundings:
        """What the host lends to the steps: trust, proxies, download caches."""
        from wherry.build.ambient import Wishes
        from wherry.engine.ambient import Surroundings, project

        wishes = Wishes(self._request.host_ca, self._request.ambient_cache)
        return Surroundings(self._engine, wishes, project(self._request.context, self._engine.settings.cwd))

    @property
    def _state(self) -> str:
        return f"{self._engine.settings.paths.run}/steps"

    def _prepare(self) -> None:
        """Once a build: choose the runtime and end what steps of killed builds left. Raises: HostError."""
        from wherry.runtime import step

        with self._lock:
            if not self._is_prepared:
                private_folder(self._state)
                step.sweep_dead_steps(self._engine.host, self._runtime.path, self._state)
                self._engine.networks.sweep(lambda _: True)
                self._is_prepared = True

    def mountpoints(self, run: Run) -> tuple[str, ...]:
        return self._lending.targets(run.mounts)

    def run(self, request: StepRequest) -> int:
        """Raises: Cancelled, CommandNotFound, NotExecutable, RuntimeFailure, HostError, InputError (unknown user)."""
        from wherry.engine.ambient import Told
        from wherry.engine.build_mounts import shown
        from wherry.runtime import step
        from wherry.runtime.users import resolve

        self._prepare()
        host = self._engine.host
        name = step.step_id(host)
        network = "bridge" if request.run.network in ("default", "bridge", "") else request.run.network
        bundle = f"{request.workdir}/bundle"
        os.mkdir(bundle, 0o700)

        def plumb(pid: int) -> None:
            attachment = self._engine.networks.attach_step(name, pid)
            if any(address == "host-gateway" for _, address in request.run.hosts):
                gateway = attachment.network.gateway if attachment.network else ""
                self._write_hosts(request, gateway)

        user = resolve(request.root_fd, request.run.user)
        with (
            self._surroundings.around(request, user.uid, user.gid) as told,
            self._lending.around(request.run.mounts, request.workdir) as lent,
        ):
            if request.hidden is not None:
                request.hidden.extend(lent.values)
            mounts, trees = shown(request, lent, bundle)
            told = Told((*told.env, *_fitting(request.run, lent.env)), (*told.mounts, *mounts))
            spec, sysctls = self._spec(request, name, network, user, told)
            # A runtime may copy the spec, secret variables and all, into its state
            state = self._state if lent.tmpfs_fd < 0 else f"{bundle}/state"
            whole = step.StepRequest(
                name, request.root_fd, spec, self._runtime.path, state, bundle, network, sysctls, trees, lent.tmpfs_fd
            )
            try:
                return step.run_step(host, whole, request.cancel, request.write, plumb if network == "bridge" else None)
            finally:
                if network == "bridge":
                    self._engine.networks.release(name)

    def _spec(
        self, request: StepRequest, name: str, network: str, user: User, told: Told
    ) -> tuple[dict[str, Any], dict[str, str]]:
        from wherry.runtime.options import MountRequest, RunOptions, Ulimit
        from wherry.runtime.spec import SpecFacts, network_sysctls, runtime_spec

        run = request.run
        mounts = list(told.mounts)
        if run.script:
            mounts.append(MountRequest("bind", self._script(request), f"/dev/pipes/{run.script[0]}", read_only=True))
        options = RunOptions(
            command=run.argv,
            env=(*told.env, *self._environment(request)),
            network=network,
            shm_size_bytes=run.shm_size,
            ulimits=tuple(Ulimit(*one) for one in run.ulimits),
            hostname=HOSTNAME,
        )
        config = ImageConfig(self._platform, ContainerConfig(env=run.env, working_dir=run.workdir, user=run.user))
        facts = SpecFacts(
            id=name,
            rootfs="",
            machine=self._machine,
            user=user,
            mounts=tuple(mounts),
            hosts_file=self._write_hosts(request, ""),
            resolv_file=self._write_resolv(request, network),
            hostname=HOSTNAME,
        )
        return runtime_spec(config, options, facts), network_sysctls(options)

    def _environment(self, request: StepRequest) -> tuple[str, ...]:
        """On top of the stage's: proxies given as build arguments, and what makes steps write equal bytes each time."""
        # Differs from docker: SOURCE_DATE_EPOCH is the time that all files will have, and Python's hashes are not
        # seeded at random, since the order of a set in a .pyc file depends on them
        steady = {"SOURCE_DATE_EPOCH": str(request.epoch_s), "PYTHONHASHSEED": "0"}
        given = {word.partition("=")[0] for word in request.run.env}
        return (*request.run.hidden_env, *(f"{key}={value}" for key, value in steady.items() if key not in given))

    def _script(self, request: StepRequest) -> str:
        assert request.run.script is not None
        path = f"{request.workdir}/script"
        _write(path, request.run.script[1], 0o755)
        return path

    def _write_hosts(self, request: StepRequest, gateway: str) -> str:
        from wherry.network import dns
        from wherry.network.model import FileRequest

        path = f"{request.workdir}/hosts"
        hosts = [(name, address) for name, address in request.run.hosts if address != "host-gateway" or gateway]
        extra = tuple(f"{name}={address}" for name, address in hosts)
        text = dns.hosts(FileRequest(HOSTNAME, extra_hosts=extra), "127.0.0.1", gateway)
        _write(path, text.encode(), 0o644)
        return path

    def _write_resolv(self, request: StepRequest, network: str) -> str:
        from wherry.engine import networks_files
        from wherry.network import dns
        from wherry.network.model import FileRequest

        path = f"{request.workdir}/resolv.conf"
        text = dns.resolv_conf(networks_files.resolvers(), FileRequest(HOSTNAME), own_netns=network == "bridge")
        _write(path, text.encode(), 0o644)
        return path


def _fitting(run: Run, lent: Sequence[str]) -> tuple[str, ...]:
    """An agent's address gives way to the Dockerfile's own; a secret does not. As in BuildKit."""
    own = any(word.startswith("SSH_AUTH_SOCK=") for word in run.env)
    return tuple(word for word in lent if not (own and word.startswith("SSH_AUTH_SOCK=")))


def _write(path: str, data: bytes, mode: int) -> None:
    """In place: the file may be mounted already."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, mode)
    with open(fd, "wb") as file:
        os.fchmod(fd, mode)
        file.write(data)
