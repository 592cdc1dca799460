"""The backends that the contract tests run on: each test that asks for one runs on all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from videohw.backend import load
from videohw.decoder import Decoder
from videohw.types import SoftwareDecoderOptions


@dataclass(frozen=True)
class BackendCase:
    """A backend and how the tests open it.

    ``exact_options`` give the decoder's reference result. ``is_oracle``: it decodes by the
    library that made the checksums, so that streams whose truth is disputed agree too.
    """

    name: str
    exact_options: Callable[[], object] = lambda: None
    is_oracle: bool = False

    def decoder(self, codec: str, **arguments: Any) -> Decoder:
        """A decoder on this backend; one that keeps the exact result unless told otherwise."""
        arguments.setdefault("options", self.exact_options())
        return Decoder(codec, backend=self.name, **arguments)


BACKENDS = (BackendCase("software", lambda: SoftwareDecoderOptions(threads=1), is_oracle=True),)


@pytest.fixture(params=BACKENDS, ids=lambda case: case.name)
def backend(request: pytest.FixtureRequest) -> BackendCase:
    """Every backend; one that this machine lacks is skipped by the reason it gives."""
    case: BackendCase = request.param
    status = load(case.name).probe()
    if not status.available:
        pytest.skip(f"{case.name}: {status.reason}")
    return case
