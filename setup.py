"""Which extension modules this platform gets; everything else is in pyproject.toml."""

import sys
from glob import glob

from setuptools import Extension, setup

HEADERS = sorted(glob("videohw/bitstream/*.h") + glob("videohw/bitstream/*.pxd"))
PIXEL_HEADERS = sorted(glob("videohw/pixels/*.h"))
# No fused multiply-add behind our back: every level of instructions gives the same bits.
SAME_FLOATS = [] if sys.platform == "win32" else ["-ffp-contract=off"]

setup(
    ext_modules=[
        *(
            Extension(
                f"videohw.bitstream.{name}", [f"videohw/bitstream/{name}.pyx"], depends=HEADERS
            )
            for name in ("splitter", "access_unit", "assembler")
        ),
        Extension("videohw.metrics.recording", ["videohw/metrics/recording.pyx"]),
        Extension(
            "videohw.pixels.kernels",
            ["videohw/pixels/kernels.pyx"],
            depends=PIXEL_HEADERS,
            extra_compile_args=SAME_FLOATS,
        ),
    ]
)
