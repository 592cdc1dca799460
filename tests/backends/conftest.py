"""The backends that the contract tests run on: each test that asks for one runs on all."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.backends.faults import FaultPlan, Faults, software_faults
from videohw.backend import load
from videohw.decoder import Decoder
from videohw.encoder import Encoder
from videohw.machine import capabilities
from videohw.types import SoftwareDecoderOptions, SoftwareEncoderOptions

ENCODED = ("h264", "hevc", "av1")
OPTIONS = ("exact", "default", "late")  # names for :meth:`BackendCase.options`


@dataclass(frozen=True)
class BackendCase:
    """A backend and how the tests open it.

    ``exact_options`` give the decoder's reference result. ``is_oracle``: it decodes by the
    library that made the checksums, so that streams whose truth is disputed agree too.
    ``late_options`` have several pictures in work at once, so that answers come pictures later.
    ``faults()`` is a context in which its codec fails as it is told (:class:`Faults`).
    ``lookahead`` gives arguments of an H.264 encoder that holds so many pictures before it codes
    the first.
    """

    name: str
    faults: FaultPlan
    exact_options: Callable[[], object] = lambda: None
    late_options: Callable[[], object] = lambda: None
    is_oracle: bool = False
    lookahead: Callable[[int], dict[str, Any]] = lambda pictures: {}

    def decoder(self, codec: str, **arguments: Any) -> Decoder:
        """A decoder on this backend; one that keeps the exact result unless told otherwise."""
        arguments.setdefault("options", self.exact_options())
        return Decoder(codec, backend=self.name, **arguments)

    def options(self, name: str) -> object:
        """Options of a decoder by one of the names :data:`OPTIONS`."""
        options = {"exact": self.exact_options, "late": self.late_options}
        return options[name]() if name in options else None

    def encoder(self, codec: str, width: int, height: int, **arguments: Any) -> Encoder:
        """An encoder on this backend, by default for 30 frames a second and as fast as it can."""
        arguments = {"fps": 30, "preset": "fastest", **arguments}
        return Encoder(codec, width, height, backend=self.name, **arguments)


def _x264_lookahead(pictures: int) -> dict[str, Any]:
    # With more threads it would hold more.
    options = SoftwareEncoderOptions(threads=1, codec_options={"rc-lookahead": pictures})
    return {"preset": "balanced", "options": options}


BACKENDS = (
    BackendCase(
        "software",
        software_faults,
        lambda: SoftwareDecoderOptions(threads=1),
        lambda: SoftwareDecoderOptions(threads=4, thread_type="frame"),
        is_oracle=True,
        lookahead=_x264_lookahead,
    ),
)


@pytest.fixture(scope="session", params=BACKENDS, ids=lambda case: case.name)
def backend(request: pytest.FixtureRequest) -> BackendCase:
    """Every backend; one that this machine lacks is skipped by the reason it gives."""
    case: BackendCase = request.param
    status = load(case.name).probe()
    if not status.available:
        pytest.skip(f"{case.name}: {status.reason}")
    return case


@pytest.fixture
def faults(backend: BackendCase) -> Iterator[Faults]:
    """Faults of the backend under test, until the test ends."""
    with backend.faults() as faults:
        yield faults


@pytest.fixture(scope="session", params=ENCODED)
def encoded(request: pytest.FixtureRequest, backend: BackendCase) -> str:
    """Each codec that the backend may encode; absent ones are skipped by the reason given."""
    name: str = request.param
    return needs_encoder(backend, name)


def needs_encoder(backend: BackendCase, name: str) -> str:
    """The codec ``name``; skips the test when the backend cannot encode it."""
    (answer,) = [c for c in capabilities(name, backend.name) if c.direction == "encode"]
    if not answer.supported:
        pytest.skip(f"{backend.name} cannot encode {name}: {answer.reason}")
    return name
