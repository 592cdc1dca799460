"""Options of the NVIDIA backend that the arguments of ``Decoder`` do not cover."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import InvalidInput
from ..known_names import DEFAULT_NVDEC_SURFACES


@dataclass(frozen=True, slots=True)
class NvidiaDecoderOptions:
    """How a decoder of the ``nvidia`` backend uses its device.

    ``context``: the address of a CUcontext of the device that ``device=`` names, to work in, which
    the caller keeps until every frame is gone; None is the device's primary context, which PyTorch,
    CuPy and the CUDA runtime use too.
    ``stream``: the address of a CUstream of that context to work on; None is one of the session's
    own. ``surfaces``: decoded pictures that may wait, in the decoder, for their turn to be
    converted, 1 to 16; more let decoding run ahead, and take device memory. ``idle_decoder_bytes``
    and ``idle_decoder_seconds``: how much is kept of decoders that closed sessions of this device
    leave to the next ones, None for what is set already (1 GiB for 30 seconds at first).
    """

    context: int | None = None
    stream: int | None = None
    surfaces: int = DEFAULT_NVDEC_SURFACES
    idle_decoder_bytes: int | None = None
    idle_decoder_seconds: float | None = None

    def __post_init__(self) -> None:
        for name, value in (("context", self.context), ("stream", self.stream)):
            if value is not None and not (_is_int(value) and value > 0):
                raise _wrong(name, value, "an address, such as torch's Stream.cuda_stream")
        if not (_is_int(self.surfaces) and 1 <= self.surfaces <= 16):
            raise _wrong("surfaces", self.surfaces, "1 to 16")
        for name, limit in (
            ("idle_decoder_bytes", self.idle_decoder_bytes),
            ("idle_decoder_seconds", self.idle_decoder_seconds),
        ):
            number = _is_int(limit) or (isinstance(limit, float) and name.endswith("seconds"))
            if limit is not None and not (number and 0 <= limit < float("inf")):
                raise _wrong(name, limit, "0 or more")


def _is_int(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _wrong(name: str, value: object, hint: str) -> InvalidInput:
    return InvalidInput(f"options.{name} is {value!r}", argument=f"options.{name}", hint=hint)
