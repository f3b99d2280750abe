"""An MLflow server, through MLflow's own SDK (the extra `mlflow`): what export and import ask of it, and its faults."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import wraps
from typing import Any, NamedTuple, ParamSpec, TypeVar

from wherry.errors import HostError, InputError, NotFound, TrackingError
from wherry.runs.mlflow import RUN_ID, Foreign, Point, batched, key_of, millis

__all__ = ["File", "Server", "connect"]

_METRICS, _PAIRS = 1000, 100
_P = ParamSpec("_P")
_R = TypeVar("_R")


class File(NamedTuple):
    """An artifact of a run at the server: `path` with slashes."""

    path: str
    size: int


def connect(uri: str) -> Server:
    """Raises: HostError (the extra is missing), InputError, TrackingError (no MLflow server there)."""
    if "://" not in uri and not uri.startswith("databricks"):
        raise InputError(f"{uri[:200]!r} is no URL of an MLflow server", hint=f"perhaps http://{uri[:200]}")
    try:
        from mlflow import MlflowClient
        from mlflow import environment_variables as knobs
    except ImportError as fault:
        raise HostError(f"MLflow's SDK is not installed: {fault.name or fault}",
                        hint="pip install 'wherry[mlflow]'") from None  # fmt: skip
    # What it would tell its makers, and print between our lines
    for knob in (knobs.MLFLOW_DISABLE_TELEMETRY, knobs.MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT):
        knob.set("true")
    knobs.MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR.set("false")
    # A server that is not there is asked for four minutes otherwise
    if not knobs.MLFLOW_HTTP_REQUEST_MAX_RETRIES.is_set():
        knobs.MLFLOW_HTTP_REQUEST_MAX_RETRIES.set("2")
    import logging

    logging.getLogger("urllib3.connectionpool").setLevel(logging.ERROR)  # each retry would be a line
    with _asked(uri):
        server = Server(MlflowClient(tracking_uri=uri), uri)
    server.check()
    return server


@contextmanager
def _asked(uri: str) -> Iterator[None]:
    """Raises: TrackingError for whatever the SDK raises: its own, requests', and those of what is no JSON."""
    from mlflow.exceptions import MlflowException

    try:
        yield
    except MlflowException as fault:
        text = str(fault)
        code = str(getattr(fault, "error_code", "") or "")
        if "failed with exception" in text or "Max retries" in text:
            raise TrackingError(f"no MLflow server answers at {uri}", hint="is it running, and the URL right?",
                                server_code=code) from None  # fmt: skip
        if "failed with error code 404" in text or "is not JSON" in text:
            raise TrackingError(f"{uri} is no MLflow server: {_first_line(text)}", hint="is the URL right?",
                                server_code=code) from None  # fmt: skip
        raise TrackingError(f"MLflow at {uri}: {_first_line(text)}", server_code=code) from None
    except (OSError, ValueError) as fault:
        raise TrackingError(f"MLflow at {uri}: {_first_line(str(fault))}") from None


def _first_line(text: str) -> str:
    line = text.strip().partition("\n")[0]
    return line if len(line) <= 300 else line[:299] + "…"


def _asking(method: Callable[_P, _R]) -> Callable[_P, _R]:
    """Each method of a Server: see `_asked`."""

    @wraps(method)
    def asking(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        server = args[0]
        assert isinstance(server, Server)
        with _asked(server.uri):
            return method(*args, **kwargs)

    return asking


class Server:
    """Each method raises TrackingError."""

    def __init__(self, client: Any, uri: str) -> None:
        self._client, self.uri = client, uri

    @_asking
    def check(self) -> None:
        """Whether it is one."""
        self._client.search_experiments(max_results=1)

    @_asking
    def experiment(self, name: str, *, make: bool = False) -> str:
        """Its id. Raises: NotFound."""
        found = self._client.get_experiment_by_name(name)
        if found is not None and found.lifecycle_stage == "deleted":
            raise TrackingError(f"experiment {name} is deleted at {self.uri}", hint="restore it, or name another one")
        if found is None and not make:
            raise NotFound(f"No such experiment at {self.uri}: {name}")
        return str(found.experiment_id if found is not None else self._client.create_experiment(name))

    @_asking
    def find(self, experiment_id: str, id: str) -> str:
        """The MLflow id of wherry's run `id`; "" when it is not there."""
        found = self._client.search_runs([experiment_id], f"tags.`{RUN_ID}` = '{id}'", max_results=1)
        return str(found[0].info.run_id) if found else ""

    @_asking
    def has(self, run_id: str) -> bool:
        from mlflow.exceptions import MlflowException

        try:
            return bool(self._client.get_run(run_id).info.lifecycle_stage == "active")
        except MlflowException as fault:
            if getattr(fault, "error_code", "") in {"RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"}:
                return False
            raise

    @_asking
    def begin(self, experiment_id: str, name: str, started_ms: int, id: str) -> str:
        """A new run; its tag says which of wherry's it is, so that it is found again whenever this is broken off."""
        run = self._client.create_run(experiment_id, start_time=started_ms, tags={RUN_ID: id}, run_name=name)
        return str(run.info.run_id)

    @_asking
    def run(self, run_id: str) -> Foreign:
        """What it says of the run. Raises: NotFound."""
        from mlflow.exceptions import MlflowException

        try:
            found = self._client.get_run(run_id)
        except MlflowException as fault:
            if getattr(fault, "error_code", "") in {"RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"}:
                raise NotFound(f"No such run at {self.uri}: {run_id}") from None
            raise
        info = found.info
        return Foreign(
            info.run_id, self.uri, info.run_name or "", self._client.get_experiment(info.experiment_id).name,
            info.status, info.start_time or 0, info.end_time, dict(found.data.params), dict(found.data.tags),
        )  # fmt: skip

    @_asking
    def runs_of(self, experiment_id: str) -> list[str]:
        """Ids, the newest first."""
        found: list[str] = []
        token = None
        while True:
            page = self._client.search_runs([experiment_id], max_results=1000, page_token=token)
            found += [run.info.run_id for run in page]
            token = page.token
            if not token:
                return found

    @_asking
    def metric_keys(self, run_id: str) -> Sequence[str]:
        return sorted(self._client.get_run(run_id).data.metrics)

    @_asking
    def history(self, run_id: str, key: str) -> list[tuple[int, int, float]]:
        """(step, milliseconds since 1970, value) of each point."""
        return [(one.step, one.timestamp, one.value) for one in self._client.get_metric_history(run_id, key)]

    @_asking
    def log_points(self, run_id: str, points: Sequence[Point]) -> None:
        """As many as one call takes: 1000."""
        from mlflow.entities import Metric

        found = [Metric(key_of(name), value, millis(time), step) for name, step, time, value in points]
        for at in range(0, len(found), _METRICS):
            self._client.log_batch(run_id, metrics=found[at : at + _METRICS])

    @_asking
    def log_texts(self, run_id: str, params: Mapping[str, str], tags: Mapping[str, str]) -> None:
        from mlflow.entities import Param, RunTag

        for batch in batched(params.items(), _PAIRS):
            self._client.log_batch(run_id, params=[Param(*pair) for pair in batch])
        for batch in batched(tags.items(), _PAIRS):
            self._client.log_batch(run_id, tags=[RunTag(*pair) for pair in batch])

    @_asking
    def end(self, run_id: str, status: str, ended_ms: int | None) -> None:
        if ended_ms is None:
            self._client.update_run(run_id, status=status)
        else:
            self._client.set_terminated(run_id, status, ended_ms)

    @_asking
    def files(self, run_id: str) -> Sequence[File]:
        """All of them, those in folders too."""
        found: list[File] = []
        wanted = [""]
        while wanted:
            for one in self._client.list_artifacts(run_id, wanted.pop() or None):
                if one.is_dir:
                    wanted.append(one.path)
                else:
                    found.append(File(one.path, one.file_size or 0))
        return sorted(found)

    @_asking
    def upload(self, run_id: str, path: str, folder: str) -> None:
        """The file, under its own name, into a folder of the run's artifacts ("" is their top)."""
        self._client.log_artifact(run_id, path, folder or None)

    @_asking
    def download(self, run_id: str, path: str, folder: str) -> str:
        """Where in `folder` it is now."""
        return str(self._client.download_artifacts(run_id, path, folder))
