"""Options of the VideoToolbox backend that the arguments of ``Decoder`` do not cover."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import InvalidInput


@dataclass(frozen=True, slots=True)
class AppleDecoderOptions:
    """How a decoder of the ``videotoolbox`` backend uses the system.

    ``under_way``: frames that VideoToolbox is given before the first of them came back, 1 to 32.
    ``gpu_transform``: whether Metal converts pictures to RGB outputs. True: it has to, and what it
    cannot convert is refused; False: the processor does; None: Metal where it can, as
    VIDEO_HW_VT_GPU_TRANSFORM says.
    """

    under_way: int = 6
    gpu_transform: bool | None = None

    def __post_init__(self) -> None:
        number = self.under_way
        if not isinstance(number, int) or isinstance(number, bool) or not 1 <= number <= 32:
            raise InvalidInput(
                f"options.under_way is {number!r}", argument="options.under_way", hint="1 to 32"
            )
        if self.gpu_transform not in (None, True, False):
            raise InvalidInput(
                f"options.gpu_transform is {self.gpu_transform!r}",
                argument="options.gpu_transform",
                hint="True, False or None",
            )
