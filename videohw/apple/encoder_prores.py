"""What ProRes has not of an encoder's settings: all of it refused here, by name.

Must not know: the frameworks, how settings become properties.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

from ..types import EncoderConfig
from .encoder_capabilities import refused
from .encoder_options import AppleEncoderOptions

_RATE: Final = "its flavour (profile) decides the rate"
_KEY: Final = "every picture is a keyframe"
_OTHER: Final = "it is of other codecs"
# Arguments without a meaning, and why. What is not given is what ``Encoder`` has by default.
_WITHOUT_MEANING: Final = MappingProxyType(
    {
        "rate_control": _RATE, "options.data_rate_limits": _RATE,
        "options.constant_bit_rate": _RATE, "options.quality": _RATE, "options.min_qp": _RATE,
        "options.max_qp": _RATE, "options.low_latency_rate_control": _RATE,
        "gop": _KEY, "b_frames": _KEY, "options.keyframe_seconds": _KEY,
        "options.level": _OTHER, "options.entropy": _OTHER, "options.slice_bytes": _OTHER,
        "options.mastering_display": "its frames have no place for it",
        "options.content_light": "its frames have no place for it",
    }
)  # fmt: skip
_NOT_GIVEN: Final = MappingProxyType({"rate_control": None, "gop": None, "b_frames": 0})
_DEFAULTS: Final = AppleEncoderOptions()
_PREFIX: Final = "options."


def check_prores(config: EncoderConfig, options: AppleEncoderOptions) -> None:
    """:class:`UnsupportedConfig` for the first argument that has no meaning for ProRes."""
    for argument, why in _WITHOUT_MEANING.items():
        if argument.startswith(_PREFIX):
            name = argument[len(_PREFIX) :]
            value, default = getattr(options, name), getattr(_DEFAULTS, name)
        else:
            value, default = getattr(config, argument), _NOT_GIVEN[argument]
        if value != default:
            raise refused(
                argument, f"{argument} is given with prores: {why}", f"leave {argument} out"
            )
    if config.color is not None and config.color.range == "full":
        raise refused(
            "color", "color.range is 'full' with prores, whose frames are of limited range",
            'ColorSpec(range="limited"); pictures are converted',
        )  # fmt: skip
