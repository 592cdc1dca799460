"""The page about metrics names everything that is measured and exported."""

from __future__ import annotations

import re
from dataclasses import fields

import pytest

from tests.layout.sources import ROOT
from videohw.environment import PREFIXES
from videohw.metrics import STAGES, SessionMetrics
from videohw.metrics.exposition import _FAMILIES

PAGE = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")
QUOTED = set(re.findall(r"`([a-z_0-9]+)(?:\{[a-z_]+\})?`", PAGE))
UNNAMED = {"direction", "codec", "backend", "enabled"}  # what it is of, not what was measured


@pytest.mark.parametrize("name", [f.name for f in fields(SessionMetrics) if f.name not in UNNAMED])
def test_every_field_is_defined(name: str) -> None:
    assert name in QUOTED or f"`{name}[...]`" in PAGE


@pytest.mark.parametrize("name", [*STAGES, *(family.name for family in _FAMILIES)])
def test_every_stage_and_every_exported_name_is_there(name: str) -> None:
    assert name in QUOTED


@pytest.mark.parametrize("prefix", PREFIXES.values())
def test_every_switch_is_named(prefix: str) -> None:
    assert f"`{prefix}METRICS`" in PAGE
