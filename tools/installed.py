"""Run the tests on the wheel of dist/, installed in a new environment, far from the source tree.

The tests, the examples and pytest's configuration are copied to a directory of their own, so
that ``videohw`` can only come from site-packages; tests/conftest.py checks that it does.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # pytest brings it there

ROOT = Path(__file__).resolve().parents[1]


def main() -> int:
    """Exit code of pytest."""
    wheels = list((ROOT / "dist").glob("*.whl"))
    if len(wheels) != 1:
        sys.exit(f"dist/ holds {len(wheels)} wheels, not one: run make wheel")
    config = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    settings = config["tool"]["cibuildwheel"]
    with tempfile.TemporaryDirectory(prefix="videohw-installed-") as name:
        python = install(wheels[0], Path(name) / "venv", settings)
        tests = Path(name) / "tests-only"
        for source in settings["test-sources"]:
            copy(ROOT / source, tests / source)
        environment = {**os.environ, **settings["test-environment"]}
        corpus = ROOT.parent / "shared" / "corpus"
        if corpus.is_dir():
            environment.setdefault("VIDEOHW_CORPUS", str(corpus))
        # Before the tests, which have a time limit each; they say by themselves what is missing.
        emulators = [str(python), "tests/emulators/build.py"]
        if not subprocess.run([*emulators, "--check"], cwd=tests, check=False).returncode:
            subprocess.run(emulators, cwd=tests, env=environment, check=True)
        command = shlex.split(settings["test-command"])
        command[0] = str(python)
        return subprocess.run(command, cwd=tests, env=environment, check=False).returncode


def install(wheel: Path, venv: Path, settings: dict[str, Any]) -> Path:
    """The Python of a new environment that has the wheel and what the tests need."""
    python = venv / "bin" / "python"
    subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True)
    pip = [str(python), "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    subprocess.run([*pip, "--upgrade", "pip>=25.1"], check=True)
    extras = ",".join(settings["test-extras"])
    groups = [f"--group={ROOT / 'pyproject.toml'}:{name}" for name in settings["test-groups"]]
    subprocess.run([*pip, f"{wheel}[{extras}]", *groups], check=True)
    return python


def copy(source: Path, target: Path) -> None:
    """A file or a tree, without what Python cached in it."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        shutil.copy2(source, target)


if __name__ == "__main__":
    sys.exit(main())
