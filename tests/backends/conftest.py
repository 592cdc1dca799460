"""The backends that the contract tests run on: each test that asks for one runs on all."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, settings

from tests.backends.apple import apple_faults, emulated_frameworks, lookahead
from tests.backends.faults import FaultPlan, Faults, software_faults
from tests.backends.nvidia import emulated_drivers, no_faults, nvidia_faults
from videohw.backend_table import load
from videohw.decoder import Decoder
from videohw.encoder import Encoder
from videohw.errors import BackendError, InvalidBitstream, VideoHwError
from videohw.machine import capabilities
from videohw.nvidia.encoder_options import NvidiaEncoderOptions
from videohw.software_options import SoftwareDecoderOptions, SoftwareEncoderOptions

ENCODED = ("h264", "hevc", "av1")
DECODED = ("h264", "hevc", "av1", "vp9", "vp8", "mpeg4", "vc1", "mpeg2", "mpeg1", "jpeg")
INEXACT = ("mpeg1", "mpeg2", "mpeg4", "jpeg")  # how exact their inverse transform is, is left open
OPTIONS = ("exact", "default", "late")  # names for :meth:`BackendCase.options`


@dataclass(frozen=True)
class BackendCase:
    """A backend and how the tests open it.

    ``exact_options`` give the decoder's reference result. ``is_oracle``: it decodes by the
    library that made the checksums, so that streams whose truth is disputed agree too.
    ``late_options`` have several pictures in work at once, so that answers come pictures later.
    ``faults()`` is a context in which its codec fails as it is told (:class:`Faults`).
    ``lookahead`` gives arguments of an H.264 encoder that holds so many pictures before it codes
    the first. ``present()`` is a context that tests on it run in; it may skip. ``id`` is its name
    among the tests where that is not ``name``. ``refusal`` is the error for a picture that the
    codec refuses without saying more. ``has_device``: its sessions share a device, which is lost
    to all of them at once with what is on it.
    ``exact_idct``: its inverse transform of MPEG and JPEG, which the standards leave open within
    bounds, is libavcodec's to the bit. ``feeds_hidden_apart``: a VP9 frame that is hidden is
    refused by itself, not with the one that is shown next.
    ``works_in_children``: a session can be opened in a forked child. ``shows_damaged``: something
    is shown of a picture that could be decoded in part only. ``fixes_quantisers``: its encoders
    take ``ConstantQp``. ``asks_twice``: a stream whose end is refused is ended again, so that a
    fault there costs no picture. ``makes_frames_late``: a planted bug hits a picture that was
    decoded, when its frame is made.
    """

    name: str
    faults: FaultPlan
    exact_options: Callable[[], object] = lambda: None
    late_options: Callable[[], object] = lambda: None
    is_oracle: bool = False
    lookahead: Callable[[int], dict[str, Any]] | None = None
    present: Callable[[], AbstractContextManager[None]] = nullcontext
    id: str = ""
    exact_idct: bool = True
    feeds_hidden_apart: bool = True
    refusal: type[VideoHwError] = InvalidBitstream
    has_device: bool = False
    works_in_children: bool = True
    asks_twice: bool = False
    makes_frames_late: bool = False
    shows_damaged: bool = True
    fixes_quantisers: bool = True

    @property
    def encodes(self) -> bool:
        """Whether it encodes anything."""
        return any(_why_not(self.name, codec, "encode") is None for codec in ENCODED)

    def __str__(self) -> str:
        return self.id or self.name

    def decoder(self, codec: str, **arguments: Any) -> Decoder:
        """A decoder on this backend; one that keeps the exact result unless told otherwise.

        The test is skipped, by the reason given, where the device has no decoder for the codec.
        """
        if codec in DECODED:
            needs_decoder(self, codec)
        arguments.setdefault("options", self.exact_options())
        return Decoder(codec, backend=self.name, **arguments)

    def options(self, name: str) -> object:
        """Options of a decoder by one of the names :data:`OPTIONS`."""
        options = {"exact": self.exact_options, "late": self.late_options}
        return options[name]() if name in options else None

    def encoder(self, codec: str, width: int, height: int, **arguments: Any) -> Encoder:
        """An encoder on this backend, by default for 30 frames a second and as fast as it can.

        The test is skipped, by the reason given, where the backend encodes nothing at all.
        """
        needs_any_encoder(self)
        arguments = {"fps": 30, "preset": "fastest", **arguments}
        return Encoder(codec, width, height, backend=self.name, **arguments)


def _x264_lookahead(pictures: int) -> dict[str, Any]:
    # With more threads it would hold more.
    options = SoftwareEncoderOptions(threads=1, codec_options={"rc-lookahead": pictures})
    return {"preset": "balanced", "options": options}


def _nvenc_lookahead(pictures: int) -> dict[str, Any]:
    return {"options": NvidiaEncoderOptions(lookahead=pictures)}


BACKENDS = (
    BackendCase(
        "software",
        software_faults,
        lambda: SoftwareDecoderOptions(threads=1),
        lambda: SoftwareDecoderOptions(threads=4, thread_type="frame"),
        is_oracle=True,
        lookahead=_x264_lookahead,
    ),
    BackendCase(
        "nvidia",
        nvidia_faults,
        present=emulated_drivers,
        refusal=BackendError,
        has_device=True,
        works_in_children=False,
        lookahead=_nvenc_lookahead,
        asks_twice=True,
        makes_frames_late=True,
    ),
    BackendCase(
        "videotoolbox",
        apple_faults,
        lookahead=lookahead,
        present=emulated_frameworks,
        id="apple",
        makes_frames_late=True,
        feeds_hidden_apart=False,
        works_in_children=False,
        shows_damaged=False,
        fixes_quantisers=False,
    ),
    pytest.param(
        BackendCase(
            "videotoolbox",
            no_faults,
            id="mac",
            feeds_hidden_apart=False,
            works_in_children=False,
            shows_damaged=False,
            fixes_quantisers=False,
        ),
        marks=pytest.mark.hardware,
    ),
    pytest.param(
        BackendCase(
            "nvidia",
            no_faults,
            id="device",
            exact_idct=False,
            refusal=BackendError,
            has_device=True,
            works_in_children=False,
            lookahead=_nvenc_lookahead,
        ),
        marks=pytest.mark.hardware,
    ),
)


# Tests of what only this backend has.
on_nvidia = pytest.mark.parametrize("backend", [BACKENDS[1], BACKENDS[-1]], indirect=True, ids=str)


@pytest.fixture(scope="session", params=BACKENDS, ids=str)
def backend(request: pytest.FixtureRequest) -> Iterator[BackendCase]:
    """Every backend; one that this machine lacks is skipped by the reason it gives."""
    case: BackendCase = request.param
    with case.present():
        status = load(case.name).probe()
        if not status.available:
            # Who asks for a device has one, of the kind that this system can have: nothing passes
            # by skipping there.
            of_this_system = (case.name == "videotoolbox") == (sys.platform == "darwin")
            asked = case.faults is no_faults and of_this_system
            absent = pytest.fail if asked else pytest.skip
            absent(f"{case.name}: {status.reason}")
        yield case


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
    reason = _why_not(backend.name, name, "encode")
    if reason is not None:
        pytest.skip(f"{backend.name} cannot encode {name}: {reason}")
    return name


def needs_input(backend: BackendCase, codec: str, name: str) -> None:
    """Skips the test when the backend codes no pictures of that format with ``codec``."""
    (answer,) = (c for c in capabilities(codec, backend.name) if c.direction == "encode")
    if name not in answer.formats:
        pytest.skip(f"{backend.name} does not encode {codec} of {name}")


def needs_any_encoder(backend: BackendCase) -> None:
    """Skips the test when the backend encodes none of the codecs."""
    if not backend.encodes:
        reason = _why_not(backend.name, ENCODED[0], "encode")
        pytest.skip(f"{backend.name} cannot encode: {reason}")


def life_settings(backend: BackendCase) -> settings:
    """For state machines: an example is a whole session's life, on threads.

    A third of the examples is what the profile's time buys, a fifth where each call also passes
    an emulated driver. A failure is told as it came, not made smaller: that takes minutes, which
    end the run without a word of what failed.
    """
    return settings(
        max_examples=settings().max_examples // (3 if backend.is_oracle else 5),
        phases=[phase for phase in Phase if phase not in (Phase.shrink, Phase.explain)],
        suppress_health_check=list(HealthCheck),
    )


def assert_pictures(
    backend: BackendCase, codec: str, found: Sequence[bytes], expected: Sequence[bytes]
) -> None:
    """The pictures are those of libavcodec: to the bit, or as close as another IDCT comes."""
    if backend.exact_idct or codec not in INEXACT:
        assert list(found) == list(expected)
        return
    assert [len(each) for each in found] == [len(each) for each in expected]
    for one, other in zip(found, expected, strict=True):
        difference = np.frombuffer(one, np.uint8).astype(int) - np.frombuffer(other, np.uint8)
        assert np.mean(difference**2) < 1  # 48 dB


def decodes(backend: BackendCase, name: str) -> bool:
    """Whether the backend decodes this codec at all."""
    return _why_not(backend.name, name, "decode") is None


def needs_decoder(backend: BackendCase, name: str) -> None:
    """Skips the test when the backend cannot decode the codec ``name``."""
    reason = _why_not(backend.name, name, "decode")
    if reason is not None:
        pytest.skip(f"{backend.name} cannot decode {name}: {reason}")


@cache
def _why_not(backend: str, codec: str, direction: str) -> str | None:
    """Why the backend cannot do it, None where it can."""
    (answer,) = (c for c in capabilities(codec, backend) if c.direction == direction)
    return None if answer.supported else str(answer.reason)
