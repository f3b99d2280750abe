"""Facts of a small FastAPI project, as a reader would give them; each test changes what it is about."""

from __future__ import annotations

from wherry.scaffold.facts import App, Evidence, Facts, Gpu, Lock, Packages, Port, Python, Server, Tree, Where

__all__ = ["APP", "PACKAGES", "facts"]

APP = App(
    kind="asgi", framework="fastapi", file="main.py", name="app", is_factory=False, import_string="main:app",
    folder=".", where=Where("main.py", 3), server=Server("uvicorn", "uvicorn", True),
    port=Port(8000, "", None, "default"),
    bound_to=None, reload=None, routes=(), health=None, predict=None, score=10, reasons=(),
)  # fmt: skip
PACKAGES = Packages(
    manager="pip", manifest=Where("requirements.txt"), lock=None, requirement_files=("requirements.txt",),
    dependencies=(), groups=(), extras=(), indexes=(), is_package=False, root=".", manager_version="", needs_git=False,
    local_paths=(),
)  # fmt: skip
LOCK = Lock("uv.lock", True, "", 12)


def facts(app: App | None = APP, packages: Packages = PACKAGES) -> Facts:
    return Facts(
        name="shop", app=app, others=(), python=Python("3.13", "", "", None, "the default"), packages=packages,
        undeclared=(), system_packages=(), weights=(), downloads=(), gpu=Gpu(False, False, (), (), "", (), 0),
        variables=(),
        tree=Tree(1, 100, True, (), (), (), (), ()), evidence=Evidence((), (), (), "", ()), problems=(),
    )  # fmt: skip
