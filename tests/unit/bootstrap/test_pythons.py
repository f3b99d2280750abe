from __future__ import annotations

from pathlib import Path

from wherry.bootstrap.pythons import Python, best, find, homes, prefixes


def install(prefix: Path, version: str, *, header: str = "", seed: bool = True) -> None:
    short = version.rpartition(".")[0]
    (prefix / "bin").mkdir(parents=True, exist_ok=True)
    (prefix / "bin" / f"python{short}").touch(mode=0o755)
    (prefix / "include" / f"python{short}").mkdir(parents=True)
    text = header or f'#define PY_VERSION      \t"{version}"\n'
    (prefix / "include" / f"python{short}" / "patchlevel.h").write_text(text)
    if seed:
        (prefix / "lib" / f"python{short}" / "ensurepip").mkdir(parents=True)


def test_pyenv_uv_and_others_are_found_newest_first(tmp_path: Path) -> None:
    pyenv, uv = tmp_path / ".pyenv" / "versions", tmp_path / ".local" / "share" / "uv" / "python"
    install(pyenv / "3.9.2", "3.9.2")
    install(pyenv / "3.10.13", "3.10.13")
    install(uv / "cpython-3.10.4-linux-x86_64-gnu", "3.10.4")
    found = find(p for p in prefixes([], [str(tmp_path)]) if p.startswith(str(tmp_path)))
    assert [python.version for python in found] == ["3.10.13", "3.10.4", "3.9.2"]
    assert best(found, "3.10") == Python("3.10.13", str(pyenv / "3.10.13"))
    assert best(found, "3.10.4") == Python("3.10.4", str(uv / "cpython-3.10.4-linux-x86_64-gnu"))
    assert best(found, "3.1") is None
    assert best(found, "3") == found[0]


def test_what_is_no_whole_cpython_release_is_left_out(tmp_path: Path) -> None:
    install(tmp_path / "a", "3.11.0", header='#define PYPY_VERSION "7.3"\n#define PY_VERSION "3.11.0"\n')
    install(tmp_path / "b", "3.12.0", seed=False)
    install(tmp_path / "c", "3.13.0", header='#define PY_VERSION "3.13.0rc1"\n')
    assert find(str(tmp_path / name) for name in "abcd") == []


def test_pyenv_folders_with_other_names_are_no_cpython(tmp_path: Path) -> None:
    for name in ("3.13.0", "3.13.0t", "pypy3.10-7.3.15", "miniconda3-4.7"):
        (tmp_path / "versions" / name).mkdir(parents=True)
    found = [p for p in prefixes([("PYENV_ROOT", str(tmp_path))], []) if p.startswith(str(tmp_path))]
    assert found == [str(tmp_path / "versions" / "3.13.0")]


def test_an_unknown_sudo_user_adds_no_home() -> None:
    assert homes("/home/me", "nobody-of-that-name") == ["/home/me"]
