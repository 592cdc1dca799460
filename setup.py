"""Which extension modules this platform gets; everything else is in pyproject.toml."""

from glob import glob

from setuptools import Extension, setup

HEADERS = sorted(glob("videohw/bitstream/*.h") + glob("videohw/bitstream/*.pxd"))

setup(
    ext_modules=[
        Extension(f"videohw.bitstream.{name}", [f"videohw/bitstream/{name}.pyx"], depends=HEADERS)
        for name in ("splitter", "access_unit", "assembler")
    ]
)
