"""Of the foreign libraries only what is called is declared and looked up."""

from __future__ import annotations

import re

from tests.layout.sources import ROOT, project_files

HEADER = ROOT / "videohw" / "_native" / "nvidia.h"


def test_every_call_of_the_nvidia_driver_is_made() -> None:
    declared = re.findall(r"CALL\(\d+, (\w+),", HEADER.read_text(encoding="utf-8"))
    assert len(declared) > 40
    text = "".join(
        path.read_text(encoding="utf-8")
        for path in project_files()
        if (ROOT / "videohw") in path.parents and path.suffix in (".pyx", ".hpp")
    )
    assert [name for name in declared if not re.search(rf"\b{name}\(", text)] == []
