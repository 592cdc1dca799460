"""The clips that the tests of reading share, made once a run."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.files.clips import CLIPS, make


@pytest.fixture(scope="session")
def clips(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("clips")
    return {name: make(folder / name, recipe) for name, recipe in CLIPS.items()}
