"""What was read of a project: frozen values that say what is there and where it was seen.

All paths are relative to the project's folder, with "/" between their parts. Readers never raise for what a project
holds: what is wrong with it is a `Problem` among the facts. Sizes of installed wheels are megabytes (10^6 bytes).
"""

from __future__ import annotations

from typing import Literal, NamedTuple

__all__ = [
    "Accelerated",
    "App",
    "AppKind",
    "Command",
    "Dependency",
    "Download",
    "Evidence",
    "Facts",
    "Gpu",
    "Index",
    "Level",
    "Lock",
    "Manager",
    "Packages",
    "Port",
    "Problem",
    "Python",
    "Route",
    "Server",
    "SystemPackage",
    "Tree",
    "Undeclared",
    "Variable",
    "Weights",
    "Wheel",
    "Where",
]

Level = Literal["error", "warning", "note"]
"""error: what is written from these facts can't work without a change; note: nothing to do."""

AppKind = Literal["asgi", "wsgi", "gradio", "streamlit", "chainlit", "bentoml", "mlflow", "script", "worker", "job"]
"""What starts it.

asgi       an ASGI server with `import_string` (uvicorn, hypercorn, the `fastapi` and `sanic` commands)
wsgi       a WSGI server with `import_string` (gunicorn, waitress)
gradio     `python FILE`: it calls .launch()
streamlit  `streamlit run FILE`
chainlit   `chainlit run FILE`
bentoml    `bentoml serve IMPORT_STRING`
mlflow     `mlflow models serve -m FILE`; `file` is then the model's folder
script     `python FILE` (or `python -m MODULE`): it serves by itself (aiohttp's run_app, tornado, LitServe)
worker     takes work from a queue and has no port: `celery -A IMPORT_STRING worker` or `python FILE`
job        `python FILE` does its work and ends
"""

Manager = Literal["uv", "pip", "poetry", "pdm", "pipenv", "conda", "none"]


class Where(NamedTuple):
    """A place in the project, for messages."""

    file: str
    line: int = 0
    """From 1; 0 is the whole file."""

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" if self.line else self.file


class Problem(NamedTuple):
    level: Level
    code: str
    """Stable, for tests and rules: "two-apps", "no-app", "syntax-error", "server-missing" ..."""
    where: Where | None
    text: str
    """One sentence without a full stop."""
    hint: str = ""
    """What to do about it."""


class Route(NamedTuple):
    path: str
    """As served: the prefixes of routers and mounts of the same file are part of it."""
    methods: tuple[str, ...]
    where: Where


class Port(NamedTuple):
    """The port that the application listens on in its container."""

    number: int
    variable: str
    """The environment variable that moves it, by the code's own reading ("PORT"); "" when none does."""
    where: Where | None
    """None: the framework's default."""
    why: str
    """ "uvicorn.run(port=9000)", "the default of Streamlit"."""


class Server(NamedTuple):
    """What serves the app's kind."""

    name: str
    """ "uvicorn", "gunicorn", "hypercorn", "daphne", "fastapi" (its command), "streamlit" ..."""
    distribution: str
    """What installs it: "uvicorn", "fastapi[standard]"."""
    is_declared: bool
    """Among the project's dependencies, directly or by an extra (fastapi[standard] brings uvicorn)."""


class App(NamedTuple):
    """One thing that can be started."""

    kind: AppKind
    framework: str
    """ "fastapi", "flask", "django" ...: the distribution that makes it; "" for a plain script."""
    file: str
    name: str
    """The object or function in the file; "" for one that is run as a file."""
    is_factory: bool
    """`name` is a function that returns the app (uvicorn --factory; gunicorn "module:name()")."""
    import_string: str
    """ "pkg.module:app", right when `folder` is the working folder (or on sys.path); "" when there is none."""
    folder: str
    """ "." or the folder that the import string starts at ("src")."""
    where: Where
    server: Server | None
    port: Port | None
    """None for workers and jobs."""
    bound_to: Where | None
    """Where its code binds it to 127.0.0.1 or localhost, which nothing outside the container reaches."""
    reload: Where | None
    """Where its code turns on reload or debug mode."""
    routes: tuple[Route, ...]
    health: Route | None
    """The route (GET) that tells health; the framework's own for Streamlit, Gradio, BentoML."""
    predict: Route | None
    """The route that a prediction is asked of."""
    score: int
    reasons: tuple[str, ...]
    """Why it stands before the others, in words."""
    handles_term: bool = False
    """The project's code names SIGTERM, so it most likely ends by it."""


class Command(NamedTuple):
    """A command that the project itself says how to start with."""

    name: str
    """ "web" of a Procfile, a script of [project.scripts], "CMD" of a Dockerfile, a compose service's name."""
    text: str
    where: Where


class Python(NamedTuple):
    version: str
    """ "3.12": what to build with."""
    full: str
    """ "3.12.4" when the project says so, else ""."""
    specifier: str
    """requires-python as it stands, "" when nobody says."""
    where: Where | None
    """None: nobody says, and `version` is our default."""
    why: str


class Dependency(NamedTuple):
    name: str
    """Normalised: "scikit-learn"."""
    specifier: str
    """ ">=1.2,<2", "==1.2.3", ""."""
    version: str
    """The exact version: from the lock, else from an == pin, else ""."""
    extras: tuple[str, ...]
    marker: str
    source: Literal["index", "git", "url", "path", "editable"]
    reference: str
    """The URL or path of a source that is no index."""
    group: str
    """ "": needed at run time; else the extra's or the group's name ("dev")."""
    where: Where


class Index(NamedTuple):
    url: str
    """Without user and password."""
    is_extra: bool
    where: Where


class Lock(NamedTuple):
    file: str
    has_hashes: bool
    stale: str
    """Why it does not fit the manifest ("numpy is not in it"); "" when nothing speaks against it."""
    distributions: int
    """How many it names."""


class Packages(NamedTuple):
    manager: Manager
    manifest: Where | None
    """pyproject.toml, requirements.txt, Pipfile, environment.yml, setup.py; None when nothing is declared."""
    lock: Lock | None
    requirement_files: tuple[str, ...]
    """What pip is given by -r, the first one first; files that they include, and -c files, follow it."""
    dependencies: tuple[Dependency, ...]
    """Declared ones, of all groups; those of the lock alone are not among them."""
    groups: tuple[str, ...]
    extras: tuple[str, ...]
    indexes: tuple[Index, ...]
    is_package: bool
    """The project itself can be installed ([build-system], setup.py, uv's tool.uv.package)."""
    root: str
    """The folder of pyproject.toml or the requirements file; "." nearly always."""
    manager_version: str
    """What the project demands of its manager ("required-version", a lock's header), "" when nothing."""
    needs_git: bool
    """A dependency comes from git."""
    local_paths: tuple[str, ...]
    """Folders and wheels of the project that installation needs (-e ./lib, path dependencies)."""


class Undeclared(NamedTuple):
    """An import of the code that no declared dependency gives."""

    module: str
    distribution: str
    """What most likely gives it ("sklearn" → "scikit-learn")."""
    is_known: bool
    """The table knows the pair; else the name is a guess."""
    where: Where


class SystemPackage(NamedTuple):
    """A Debian package that a wheel needs when it runs, or an sdist when it is built."""

    name: str
    phase: Literal["run", "build"]
    distribution: str
    """The Python distribution that needs it."""
    reason: str


class Weights(NamedTuple):
    """A model's file in the project."""

    path: str
    size_bytes: int
    """Of a git-lfs pointer: what it points to."""
    format: str
    """By content: "safetensors", "onnx", "gguf", "pickle", "joblib", "torch-zip", "hdf5", "keras", "tflite",
    "xgboost-json", "xgboost-ubj", "lightgbm-text", "catboost", "numpy", "savedmodel", "lfs-pointer", "unknown"."""
    is_code: bool
    """Loading it can run code that is in it: pickle, and what wraps one."""
    git: Literal["tracked", "untracked", ""]
    """ "": no git repository."""
    loaded_at: Where | None
    """Where the code names it."""


class Download(NamedTuple):
    """Weights that the code fetches when it runs."""

    call: str
    """ "from_pretrained", "hf_hub_download", "torch.hub.load" ..."""
    name: str
    """What it asks for, when that is written there as text; else ""."""
    at_import: bool
    """At module level: on each start of the container, before it answers."""
    is_pickle: bool
    """What comes is loaded as a pickle (torch.load of a download, allow_pickle)."""
    where: Where


class Wheel(NamedTuple):
    name: str
    version: str
    mb: int
    """Megabytes installed, by our table or by the lock's sizes."""


class Accelerated(NamedTuple):
    """A declared distribution that exists for CPU and GPU."""

    name: str
    version: str
    variant: str
    """ "cpu", "cu126", "rocm6.2"; "default": what its index gives on Linux (for torch on PyPI: CUDA)."""
    where: Where


class Gpu(NamedTuple):
    is_used: bool
    """The code or a dependency can't do without one, or the code asks for one by name."""
    is_optional: bool
    """The code asks whether there is one (torch.cuda.is_available())."""
    uses: tuple[Where, ...]
    frameworks: tuple[Accelerated, ...]
    variant: str
    """The variant that fits: "cpu", "cu126" ...; "" when nothing here has variants."""
    cuda_wheels: tuple[Wheel, ...]
    """What an installation as declared puts into the image for CUDA, the largest first."""
    cuda_mb: int


class Variable(NamedTuple):
    """An environment variable that the code reads."""

    name: str
    default: str | None
    """None: it must be set (os.environ["X"]), or its default is no literal."""
    is_required: bool
    is_secret: bool
    """By its name: TOKEN, KEY, PASSWORD, SECRET ..."""
    where: Where


class Tree(NamedTuple):
    """The project's files in figures."""

    files: int
    size_bytes: int
    """Of the files that were walked: skipped folders are not in it."""
    is_complete: bool
    """False: there were more files than are looked at."""
    skipped: tuple[str, ...]
    """Folders that are there and do not belong into an image: ".venv", ".git", "node_modules", "mlruns" ..."""
    notebooks: tuple[str, ...]
    secrets: tuple[str, ...]
    """Files that by name or content hold secrets: ".env", "id_rsa", "service-account.json" ..."""
    data: tuple[str, ...]
    """Folders and large files that look like training data ("data", "datasets", "train.csv")."""
    tests: tuple[str, ...]
    """Folders of tests."""


class Evidence(NamedTuple):
    """What the project already says about being packaged."""

    commands: tuple[Command, ...]
    dockerfiles: tuple[str, ...]
    compose_files: tuple[str, ...]
    dockerignore: str
    """ "" when there is none."""
    apt_packages: tuple[str, ...]
    """Of apt.txt, packages.txt (Streamlit, Hugging Face spaces) or Aptfile."""


class Facts(NamedTuple):
    name: str
    """A name for the project: pyproject's, else the folder's, fit for an image name."""
    app: App | None
    """What to start: the first of the ranking. None: there is nothing (an error among the problems says so)."""
    others: tuple[App, ...]
    """The rest of the ranking."""
    python: Python
    packages: Packages
    undeclared: tuple[Undeclared, ...]
    system_packages: tuple[SystemPackage, ...]
    weights: tuple[Weights, ...]
    """The largest first."""
    downloads: tuple[Download, ...]
    gpu: Gpu
    variables: tuple[Variable, ...]
    tree: Tree
    evidence: Evidence
    problems: tuple[Problem, ...]
    """Errors first."""
