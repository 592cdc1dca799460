"""How a case is run on the Metal kernels: in buffers or in textures."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import strategies as st

from tests.kernels.agreement import assert_untouched_around
from tests.kernels.cases import Case
from tests.kernels.memory import Planes
from tests.kernels.metal_host import MetalRunner
from videohw.kernels import metal
from videohw.pixel_format import pixel_format

# Format and bit depth of the surface, None for the format's own.
SOURCES = (
    ("nv12", None), ("nv21", None), ("nv16", None), ("nv24", None), ("p010", None),
    ("p012", None), ("p016", None), ("p016", 10), ("p210", None), ("p410", None),
)  # fmt: skip
IMAGES = ("rgba", "bgra")


@dataclass(frozen=True)
class Form:
    """Where the pictures lie, and how many threads a threadgroup may have."""

    from_textures: bool = False
    to_textures: bool = False
    max_threads: int = 256


FORMS = st.builds(Form, st.booleans(), st.booleans(), st.sampled_from((256, 1024, 96, 32)))
IN_BUFFERS = Form()


def plan_of(case: Case, form: Form) -> metal.MetalPlan:
    """RGB lies in a texture only where Metal has a format for it."""
    source, target = case.surfaces()
    if pixel_format(case.source[0]).rgb:
        return metal.plan_to_ycbcr(
            source, target, case.color, to_textures=form.to_textures,
            from_texture=form.from_textures and source.format in IMAGES,
        )  # fmt: skip
    return metal.plan_to_rgb(
        source, target, case.color, crop=case.crop, chroma=case.chroma, resize=case.resize,
        from_textures=form.from_textures,
        to_texture=form.to_textures and target.format in IMAGES, **case.numbers,
    )  # fmt: skip


def converted(
    runner: MetalRunner, case: Case, form: Form = IN_BUFFERS
) -> list[tuple[Planes, Planes]]:
    """Every picture's (source, target), after the kernel; around them nothing has changed."""
    pictures = case.memory()
    plan = plan_of(case, form)
    for source, target in pictures:
        runner.convert(plan, source, target, form.max_threads)
    assert_untouched_around(pictures)
    return pictures
