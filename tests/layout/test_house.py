"""The project's own pages and configuration agree with each other and name no machine."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import Any

import pytest

import videohw
from tests.layout.sources import ROOT, modules, project_files

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

BINARY_LIMIT = 2 << 20
# Written in pieces, so that this file does not name what it looks for.
MACHINE_PATHS = re.compile(
    r"(?<![\w.~-])/(?:" + "|".join(["work", "root", "Users", "home/" + r"\w+"]) + r")/"
)
REGISTRY_HOSTS = re.compile(
    "|".join(
        name.replace("_", r"\.")
        for name in (
            "pypi_org", "files_pythonhosted_org", "registry_npmjs_org", "deb_debian_org",
            "archive_ubuntu_com", "security_debian_org", "proxy_golang_org",
        )
    )
)  # fmt: skip


def pyproject() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def text_files() -> list[tuple[Path, str]]:
    found = []
    for path in project_files():
        try:
            found.append((path, path.read_text(encoding="utf-8")))
        except UnicodeDecodeError:
            continue
    return found


@pytest.mark.parametrize("pattern", [MACHINE_PATHS, REGISTRY_HOSTS], ids=["paths", "hosts"])
def test_no_file_names_a_machine(pattern: re.Pattern[str]) -> None:
    found = [
        f"{path.relative_to(ROOT)}: {match[0]}"
        for path, text in text_files()
        for match in pattern.finditer(text)
    ]
    assert not found


def test_the_check_for_machine_names_finds_them() -> None:
    assert MACHINE_PATHS.search("open('/" + "work/main/x')")
    assert MACHINE_PATHS.search("cd /" + "home/someone/src")
    assert not MACHINE_PATHS.search("network/root/x ~/work/ ./root/")
    assert REGISTRY_HOSTS.search("https://" + "pypi" + ".org/p")


def test_the_root_holds_nothing_that_was_left_lying() -> None:
    assert {path.name for path in project_files() if path.parent == ROOT} == {
        ".gitattributes", ".gitignore", "CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", "MANIFEST.in",
        "Makefile", "README.md", "pyproject.toml", "setup.py",
    }  # fmt: skip


def test_data_files_stay_small() -> None:
    data = [path for path in project_files() if (ROOT / "tests" / "data") in path.parents]
    assert sum(path.stat().st_size for path in data) <= BINARY_LIMIT


def test_versions_agree() -> None:
    assert installed_version("videohw") == videohw.__version__, "run `make` again"
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    newest = re.search(r"^## (\d\S*)", changelog, re.MULTILINE)
    assert newest is not None
    assert newest[1] == videohw.__version__
    assert f"Version {videohw.__version__} " in (ROOT / "README.md").read_text(encoding="utf-8")
    said = subprocess.run(
        [sys.executable, "-m", "videohw", "--version"],
        cwd=ROOT, capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert said.stdout.split() == ["videohw", videohw.__version__]


def test_python_versions_agree() -> None:
    config = pyproject()
    classifiers = re.findall(
        r"Python :: (3\.\d+)$", "\n".join(config["project"]["classifiers"]), re.MULTILINE
    )
    built = [f"3.{name[3:-2]}" for name in config["tool"]["cibuildwheel"]["build"]]
    assert classifiers == built
    first, last = classifiers[0], classifiers[-1]
    assert config["project"]["requires-python"] == f">={first}"
    assert config["tool"]["ruff"]["target-version"] == "py" + first.replace(".", "")
    assert f"Python {first} to {last}" in (ROOT / "README.md").read_text(encoding="utf-8")
    tested = (ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8")
    assert f'"{first}"' in tested
    assert f'"{last}"' in tested


def test_every_verb_of_the_makefile_is_in_contributing() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    verbs = re.findall(r"^([a-z-]+):.*## ", makefile, re.MULTILINE)
    assert {"demo", "test", "lint", "types", "bench", "wheel", "clean", "check", "fresh"} <= set(
        verbs
    )
    contributing = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    assert [verb for verb in verbs if f"make {verb}" not in contributing] == []


def test_extras_of_the_readme_exist() -> None:
    extras = set(pyproject()["project"]["optional-dependencies"])
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for group in re.findall(r"videohw\[([\w,]+)\]", readme):
        assert set(group.split(",")) <= extras


def test_compiled_modules_have_stubs() -> None:
    compiled = [path for path in modules().values() if path.suffix == ".pyx"]
    assert compiled
    for path in compiled:
        assert path.with_suffix(".pyi").is_file(), path
    assert (ROOT / "videohw" / "py.typed").is_file()
