"""Which compiled parts this platform gets; everything else is in pyproject.toml."""

import runpy
import sys
from glob import glob
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_py import build_py

HEADERS = sorted(glob("videohw/bitstream/*.h") + glob("videohw/bitstream/*.pxd"))
PIXEL_HEADERS = sorted(glob("videohw/pixels/*.h"))
# No fused multiply-add behind our back: every level of instructions gives the same bits.
SAME_FLOATS = [] if sys.platform == "win32" else ["-ffp-contract=off"]
# The NVIDIA driver is on Linux and Windows; its library is opened at run time, never linked to.
NATIVE_HEADERS = sorted(glob("videohw/_native/*.h*") + glob("videohw/**/*.pxd", recursive=True))
NVIDIA = ["_cuda", "_nv", "_nvenc"] if sys.platform in ("linux", "win32") else []
# Apple's frameworks are part of the system: linked to, but for what macOS 11.0 lacks.
APPLE = ["_vt", "_vt_encode"] if sys.platform == "darwin" else []
FRAMEWORKS = ["CoreFoundation", "CoreMedia", "CoreVideo", "Metal", "VideoToolbox"]
CPLUSPLUS = (
    ["/std:c++17", "/EHsc"]
    if sys.platform == "win32"
    else ["-std=c++17", "-fvisibility=hidden", "-fvisibility-inlines-hidden", "-pthread"]
)


class BuildWithMetal(build_py):
    """Add a metallib to a wheel; without one the kernels are compiled where they are used."""

    def run(self):
        super().run()
        if sys.platform != "darwin" or self.editable_mode:
            return
        metal = runpy.run_path("kernels/build_metal.py")
        if metal["has_compiler"]():
            metal["compiled"](Path(self.build_lib) / "videohw" / "kernels")


setup(
    cmdclass={"build_py": BuildWithMetal},
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
        *(
            Extension(
                f"videohw.{name}",
                [f"videohw/{name}.pyx"],
                language="c++",
                include_dirs=["videohw/_native"],
                depends=NATIVE_HEADERS,
                extra_compile_args=CPLUSPLUS,
                libraries=["dl", "pthread"] if sys.platform == "linux" else [],
            )
            for name in NVIDIA
            if Path(f"videohw/{name}.pyx").is_file()
        ),
        *(
            Extension(
                f"videohw.{name}",
                [f"videohw/{name}.pyx"],
                language="c++",
                include_dirs=["videohw/_native"],
                depends=NATIVE_HEADERS,
                extra_compile_args=CPLUSPLUS,
                extra_link_args=[word for each in FRAMEWORKS for word in ("-framework", each)],
                libraries=["objc"],
            )
            for name in APPLE
        ),
    ],
)
