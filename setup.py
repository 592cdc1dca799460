"""Which extension modules this platform gets; everything else is in pyproject.toml."""

from Cython.Build import cythonize
from setuptools import Extension, setup

extensions = [
    Extension("videohw.bitstream.splitter", ["videohw/bitstream/splitter.pyx"]),
    Extension("videohw.bitstream.assembler", ["videohw/bitstream/assembler.pyx"]),
]

setup(ext_modules=cythonize(extensions, language_level=3))
