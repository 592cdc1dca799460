from typing import Any, final

def levels() -> tuple[str, ...]: ...
def use_level(name: str) -> str: ...
def halves(values: Any, out: Any) -> None: ...

@final
class Plan:
    def run(
        self, sources: tuple[Any, ...], targets: tuple[Any, ...], part: int = 0, parts: int = 1
    ) -> None: ...

def to_rgb_plan(
    settings: dict[str, int], fixed: tuple[int, ...], floating: tuple[tuple[float, ...], ...]
) -> Plan: ...
def from_rgb_plan(settings: dict[str, Any], weights: tuple[Any, ...]) -> Plan: ...
def general_plan(
    source: tuple[Any, ...],
    target: tuple[Any, ...],
    grid_of: tuple[int, ...],
    kind: int,
    affine: tuple[Any, ...],
    grids: tuple[Any, ...],
) -> Plan: ...
