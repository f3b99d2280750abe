"""Our own rules: what they find in small projects, and what they leave alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from wherry.dockerfile.ignore import Matcher
from wherry.lint.choice import Choice
from wherry.lint.rule import LEVELS
from wherry.lint.ruleset import load
from wherry.lint.run import fix, run
from wherry.lint.subject import Subject

ROOT = Path(__file__).resolve().parents[3]
INIT = ROOT / "tests" / "cases" / "init"
RULES = load(["wherry"])

FASTAPI = "from fastapi import FastAPI\napp = FastAPI()\n"
FLASK = "from flask import Flask\napp = Flask(__name__)\napp.run(port=5000)\n"
TORCH = "import torch\nmodel = torch.load('model.pt').to('cuda')\n"
LFS = f"version https://git-lfs.github.com/spec/v1\noid sha256:{'0' * 64}\nsize 9000\n"

# (the project's files, the Dockerfile: below "FROM python:3.12-slim", USER 1 and PYTHONUNBUFFERED unless it has a FROM
# of its own, "RULE:line" of what is found)
FOUND: list[tuple[dict[str, str], str, str]] = [
    # a lock that is used, in all the ways there are
    ({"uv.lock": "version = 1"}, "RUN uv sync --frozen --no-dev", ""),
    ({"uv.lock": "version = 1"}, "ENV UV_LOCKED=1\nRUN uv sync", ""),
    ({"uv.lock": "version = 1"}, "RUN uv sync --no-dev", "PY001:4"),
    ({"uv.lock": "version = 1"}, "RUN uv export -o r.txt && pip install -r r.txt", ""),
    ({"uv.lock": "version = 1"}, "RUN uv pip install -r pyproject.toml", "PY001:4"),
    ({"poetry.lock": "", "pyproject.toml": "[tool.poetry]\nname='x'\n"}, "RUN pip install .", "PY001:4"),
    ({"poetry.lock": "", "pyproject.toml": "[tool.poetry]\nname='x'\n"}, "RUN poetry install", ""),
    ({"pyproject.toml": "[project]\nname='x'\n"}, "RUN pip install .", ""),
    ({"requirements.txt": "numpy\n"}, "RUN /opt/venv/bin/pip install -r ./requirements.txt", "PY002:4"),
    ({"requirements.txt": "numpy==2.3.1\n"}, "RUN pip install -r requirements.txt", ""),
    ({"requirements.txt": "numpy\n"}, "RUN pip install -r other.txt", ""),
    # CUDA where nobody asks for a GPU
    ({"requirements.txt": "torch==2.7.0\n"}, "RUN pip install -r requirements.txt", "PY003:4"),
    ({"requirements.txt": "torch==2.7.0\n", "main.py": TORCH}, "RUN pip install -r requirements.txt", ""),
    ({"requirements.txt": "torch==2.7.0\n"}, "FROM nvidia/cuda:12\nUSER 1\nRUN pip install -r requirements.txt", ""),
    ({"requirements.txt": "--extra-index-url https://download.pytorch.org/whl/cpu\ntorch==2.7.0+cpu\n"},
     "RUN pip install -r requirements.txt", ""),
    ({}, "RUN uv pip install --torch-backend cpu torch==2.7.0", ""),
    ({}, "RUN pip install 'torch>=2'", "PY003:4"),
    ({}, "RUN pip install torchmetrics==1", ""),
    # Python
    ({"pyproject.toml": "[project]\nname='x'\nrequires-python='>=3.13'\n"}, "RUN true", "PY004:1"),
    ({"pyproject.toml": "[project]\nname='x'\nrequires-python='>=3.11'\n"}, "RUN true", ""),
    ({".python-version": "3.11\n"}, "ARG P=3.11\nFROM python:${P}-slim\nUSER 1", ""),
    ({".python-version": "3.11\n"}, "ARG P=3.10\nFROM python:${P}-slim AS a\nFROM a\nUSER 1", "PY004:2"),
    ({".python-version": "3.11\n"}, "ARG P\nFROM python:${P}-slim\nUSER 1", ""),
    # weights
    ({"model.safetensors": LFS}, "COPY main.py .", ""),
    ({"model.safetensors": LFS}, "COPY *.safetensors /models/", "PY006:4"),
    ({"model.safetensors": LFS, ".dockerignore": "*.safetensors"}, "COPY . .", ""),
    ({}, "RUN curl -O https://h.example/m.pt", "PY007:4"),
    ({}, "RUN curl -O https://h.example/m.pt && echo 'x m.pt' | sha256sum -c", ""),
    ({}, "RUN curl -O https://h.example/m.safetensors", ""),
    # processes
    ({}, 'FROM pytorch/pytorch:2\nUSER 1\nCMD ["gunicorn", "-b", ":80", "-w4", "--preload", "m:a"]', "PY008:3|PY022:3"),
    ({}, 'CMD ["gunicorn", "-b", "0.0.0.0:80", "-w", "4", "m:a"]', ""),
    ({"main.py": TORCH}, 'ENV WEB_CONCURRENCY=2\nCMD ["uvicorn", "--host", "0.0.0.0", "m:a"]', "PY008:5"),
    ({}, 'CMD ["sh", "-c", "python -m app"]', "PY009:4"),
    ({}, 'CMD ["sh", "-c", "a && exec python -m app"]', ""),
    ({"run.sh": "#!/bin/sh\nset -e\npython main.py\n"}, 'ENTRYPOINT ["./run.sh"]', "PY009:4"),
    ({"run.sh": '#!/bin/sh\nset -e\nexec "$@"\n'}, 'ENTRYPOINT ["./run.sh"]', ""),
    # what comes along
    ({".git/HEAD": "x", "venv/pyvenv.cfg": "x"}, "COPY . .", "PY010:4"),
    ({".git/HEAD": "x"}, "COPY main.py .", ""),
    ({".git/HEAD": "x"}, "FROM a AS b\nCOPY . .\nFROM a\nUSER 1", "PY010:2"),
    ({".git/HEAD": "x", ".dockerignore": "*\n!main.py\n"}, "COPY . .", ""),
    ({".env": "A=b"}, "COPY . .", "PY011:4"),
    ({".env.example": "A="}, "COPY . .", ""),
    ({".env": "A=b", ".dockerignore": "**/.env"}, "COPY . .", ""),
    ({".env": "A=b"}, "FROM a AS b\nCOPY . .\nFROM a\nUSER 1", ""),
    ({}, "COPY --exclude=x id_rsa /root/.ssh/", "PY011:4"),
    ({"data/a.csv": "x"}, "COPY . .", ""),  # small: it may be a table that is needed
    ({}, "COPY . .\nRUN pip install -r r.txt", "PY012:5"),
    ({}, "COPY r.txt .\nRUN pip install -r r.txt\nCOPY . .\nRUN uv sync --locked", ""),
    ({}, "COPY . .\nRUN pip install .", ""),
    ({}, "FROM a AS b\nCOPY . .\nFROM a\nRUN pip install -r r.txt\nUSER 1", ""),
    # the image
    ({}, "FROM python:3.12", "PY014:1"),
    ({}, "FROM python:3.12 AS a\nUSER 1\nFROM a", ""),
    ({}, "FROM gcr.io/distroless/python3-debian12:nonroot", ""),
    ({}, "FROM some.registry/unknown:1", ""),
    ({}, "RUN apt-get install -y gcc=1 && pip install x==1 && apt-get purge -y gcc=1", ""),
    ({}, "RUN apt-get install -y gcc", "PY015:4"),
    ({}, "RUN apk add --virtual .b build-base && apk del .b", ""),
    ({}, "FROM a AS b\nRUN apt-get install -y gcc\nFROM a\nUSER 1", ""),
    ({}, "RUN conda env create -f e.yml", "PY016:4"),
    ({}, "RUN conda env create -f e.yml && conda clean -afy", ""),
    ({}, "RUN --mount=type=cache,target=/opt/conda/pkgs mamba install x", ""),
    # the server
    ({}, 'CMD ["fastapi", "dev"]', "PY018:4|PY020:4"),
    ({}, 'ENV FLASK_DEBUG=1\nCMD ["gunicorn", "-b", ":80", "m:a"]', "PY018:5"),
    ({}, 'CMD ["python", "manage.py", "runserver", "0.0.0.0:80"]', "PY019:4"),
    ({"main.py": FLASK}, 'CMD ["python", "main.py"]', "PY019:4"),
    ({"main.py": FLASK.replace("port=", "host='localhost', port=")}, "CMD python main.py", "PY019:4|PY020:4"),
    ({}, 'CMD ["uvicorn", "m:a"]', "PY020:4"),
    ({}, 'CMD ["uvicorn", "m:a", "--host=127.0.0.1"]', "PY020:4"),
    ({}, 'CMD ["uvicorn", "m:a", "--host", "0.0.0.0"]', ""),
    ({}, 'CMD ["uvicorn", "m:a", "--uds", "/run/a.sock"]', ""),
    ({}, "CMD uvicorn m:a --host $HOST", ""),
    ({}, 'ENV UVICORN_HOST=0.0.0.0\nCMD ["uvicorn", "m:a"]', ""),
    ({}, 'ENTRYPOINT ["tini", "--", "python", "-m", "uvicorn"]\nCMD ["m:a"]', "PY020:5"),
    ({}, 'CMD ["uv", "run", "--no-sync", "gunicorn", "m:a"]', "PY020:4"),
    ({"gunicorn.conf.py": "bind = ':80'"}, 'CMD ["gunicorn", "m:a"]', ""),
    ({}, 'ENV PORT=80\nCMD ["gunicorn", "m:a"]', ""),
    ({}, 'CMD ["mlflow", "server"]', "PY020:4"),
    ({}, 'CMD ["streamlit", "run", "a.py"]', ""),
    ({}, 'CMD ["worker"]', ""),
    ({}, "FROM python:3.12-alpine\nUSER 1\nRUN pip install numpy==2", ""),
    ({"r.txt": ""}, "FROM python:3.12-alpine\nUSER 1\nRUN pip install -r r.txt onnxruntime==1", "PY021:3"),
    ({"requirements.txt": "onnxruntime==1\n"}, "FROM python:alpine\nUSER 1\nRUN pip install -r requirements.txt",
     "PY021:3"),
    ({}, 'FROM python:3.12\nUSER 1\nCMD ["python", "-u", "m.py"]', ""),
    ({}, 'FROM python:3.12\nUSER 1\nCMD ["nginx"]', ""),
]  # fmt: skip


def subject(folder: Path, files: dict[str, str], text: str) -> Subject:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)
    if "FROM" not in text:
        text = f"FROM python:3.12-slim\nUSER 1\nENV PYTHONUNBUFFERED=1\n{text}"
    ignore = Matcher.of_file(files[".dockerignore"].encode()) if ".dockerignore" in files else None
    return Subject.parse(f"{text}\n".encode(), "Dockerfile", folder=str(folder), ignore=ignore)


@pytest.mark.parametrize(("files", "text", "said"), FOUND, ids=range(len(FOUND)))
def test_a_project_is_told_this_and_no_more(tmp_path: Path, files: dict[str, str], text: str, said: str) -> None:
    found = [f"{one.rule.name}:{one.span.first}" for one in run(subject(tmp_path, files, text), RULES, Choice())]
    assert "|".join(found) == said


def test_the_megabytes_of_cuda_are_said(tmp_path: Path) -> None:
    (one,) = run(subject(tmp_path, {}, "RUN pip install torch==2.7.0"), RULES, Choice())
    assert "4,846 MB" in one.message


def test_without_a_project_only_the_text_is_judged() -> None:
    text = b"FROM python:3.12\nCOPY . .\nRUN pip install -r requirements.txt\nCMD uvicorn main:app\n"
    found = [one.rule.name for one in run(Subject.parse(text, "-"), RULES, Choice())]
    assert found == ["PY014", "PY012", "PY020", "PY022"]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('CMD ["sh", "-c", "python -m app"]', 'CMD ["sh", "-c", "exec python -m app"]'),
        ('CMD ["sh", "-c", "a && python -m app"]', 'CMD ["sh", "-c", "a && python -m app"]'),
        ("RUN conda install x", "RUN conda install x && conda clean --all --yes"),
        ("RUN conda install x || true", "RUN conda install x || true"),
    ],
)
def test_a_repair_adds_words_and_changes_none(tmp_path: Path, before: str, after: str) -> None:
    looked = subject(tmp_path, {}, before)
    text, _ = fix(looked.text, run(looked, RULES, Choice()))
    assert text.splitlines()[3:] == [after]


@pytest.mark.parametrize("name", sorted(path.parent.name for path in INIT.glob("*/Dockerfile.expected")))
def test_what_init_writes_has_nothing_to_repair(name: str) -> None:
    """Of all rules. That requirements leave versions open is the project's own matter, and told as info."""
    text = (INIT / name / "Dockerfile.expected").read_bytes()
    looked = Subject.parse(text, "Dockerfile", folder=str(INIT / name / "project"))
    found = run(looked, load(), Choice())
    assert {one.rule.name for one in found} <= {"PY002", "DL3059"}
    assert all(LEVELS.index(one.level) >= LEVELS.index("info") for one in found)


def test_there_are_20_projects_of_init() -> None:
    assert len(list(INIT.glob("*/Dockerfile.expected"))) >= 20


def test_the_lessons_first_dockerfile_is_told_what_the_lesson_goes_on_to_teach() -> None:
    folder = ROOT / "examples" / "iris"
    looked = Subject.parse((folder / "Dockerfile").read_bytes(), "Dockerfile", folder=str(folder))
    found = [f"{one.rule.name}:{one.span.first}" for one in run(looked, load(), Choice())]
    assert found == ["PY014:1", "DL3042:4", "PY002:4", "PY012:4", "PY022:6"]
