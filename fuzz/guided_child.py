"""The process that atheris runs in; started by ``fuzz.guided``.

It imports nothing of videohw before atheris has its hooks in the importer.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from random import Random
from typing import Any, Final

_SEED_CASES: Final = 400
_OWN_MUTATION_SHARE: Final = 0.7


def main(seed: int, target: str, corpus: Path, options: list[str]) -> None:
    """Fuzz ``target`` (module:function) until libFuzzer's ``options`` say stop."""
    atheris: Any = importlib.import_module("atheris")
    with atheris.instrument_imports(include=["videohw"]):
        importlib.import_module("videohw.software.decoder")
        from .worker import check_nothing_left, load_target

        run = load_target(target)
    from .case import Case
    from .mutate import fresh_case, mutated
    from .seeds import load

    seeds = load()
    for number in range(_SEED_CASES):
        path = corpus / f"seed-{seed}-{number}"
        path.write_bytes(fresh_case(Random(f"{seed}/{number}"), seeds).to_bytes())

    def one_input(data: bytes) -> None:
        run(data)
        check_nothing_left()

    def mutator(data: bytes, max_size: int, chance: int) -> bytes:
        rng = Random(chance)
        if rng.random() < _OWN_MUTATION_SHARE:
            return mutated(rng, Case.from_bytes(data), seeds).to_bytes()[:max_size]
        changed: bytes = atheris.Mutate(data, max_size)
        return changed

    atheris.Setup([sys.argv[0], str(corpus), *options], one_input, custom_mutator=mutator)
    atheris.Fuzz()


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], Path(sys.argv[3]), sys.argv[4:])
