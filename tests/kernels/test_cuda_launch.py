"""What cannot be converted is refused before a device is asked, and the argument is named."""

from __future__ import annotations

from typing import Any

import pytest

from tests.kernels.host import SOURCES
from videohw.color import ColorSpec
from videohw.errors import InvalidInput, UnsupportedConfig
from videohw.kernels import Surface, plan_to_rgb, plan_to_ycbcr
from videohw.kernels.launch import _TILE_BYTES, _TILES, MAX_PICTURES, _tile_bytes
from videohw.kernels.settings import MAX_SIDE

COLOR = ColorSpec(matrix="bt709", range="limited")
NV12, RGBA = Surface("nv12", 64, 48), Surface("rgba", 64, 48)
FLOATS = Surface("rgb_float32", 64, 48)


@pytest.mark.parametrize(
    ("argument", "source", "target", "options"),
    [
        ("source.width", Surface("nv12", 0, 48), RGBA, {}),
        ("source.height", Surface("nv12", 64, -1), RGBA, {}),
        ("source.width", Surface("nv12", MAX_SIDE + 1, 48), RGBA, {}),
        ("target.width", NV12, Surface("rgba", 1 << 40, 48), {}),
        ("target.height", NV12, Surface("rgba", 64, 1.5), {}),  # type: ignore[arg-type]
        ("source.pitches", Surface("nv12", 64, 48, pitches=(63,)), RGBA, {}),
        ("source.pitches", Surface("nv12", 64, 48, pitches=(-64,)), RGBA, {}),
        ("source.pitches", Surface("nv12", 64, 48, pitches=(64, 63)), RGBA, {}),
        ("source.pitches", Surface("nv12", 64, 48, pitches=(64, 64, 64)), RGBA, {}),
        ("source.pitches", Surface("p010", 64, 48, pitches=(129,)), RGBA, {}),
        ("target.pitches", NV12, Surface("rgba", 64, 48, pitches=(255,)), {}),
        ("target.pitches", NV12, Surface("rgb_float32", 64, 48, pitches=(258,)), {}),
        ("target.pitches", NV12, Surface("rgba", 64, 48, pitches=(1 << 31,)), {}),
        ("bit_depth", Surface("nv12", 64, 48, bit_depth=10), RGBA, {}),
        ("bit_depth", Surface("p016", 64, 48, bit_depth=17), RGBA, {}),
        ("crop", NV12, RGBA, {"crop": (-2, 0, 8, 8)}),
        ("crop", NV12, RGBA, {"crop": (0, 0, 0, 8)}),
        ("crop", NV12, RGBA, {"crop": (60, 0, 8, 8)}),
        ("crop", NV12, RGBA, {"crop": (0, 41, 8, 8)}),
        ("chroma", NV12, RGBA, {"chroma": "cubic"}),
        ("resize", NV12, RGBA, {"resize": "lanczos"}),
        ("mean", NV12, RGBA, {"mean": (0.5, 0.5, 0.5)}),
        ("mean", NV12, FLOATS, {"mean": (0.5, float("nan"), 0.5)}),
        ("std", NV12, FLOATS, {"std": (0.5, 0.0, 0.5)}),
        ("std", NV12, FLOATS, {"std": (0.5, 0.5)}),
    ],
)
def test_a_wrong_argument_is_named(
    argument: str, source: Surface, target: Surface, options: dict[str, Any]
) -> None:
    with pytest.raises(InvalidInput) as refused:
        plan_to_rgb(source, target, COLOR, **options)
    assert refused.value.argument == argument


def test_nothing_is_scaled_on_the_way_to_ycbcr() -> None:
    with pytest.raises(InvalidInput) as refused:
        plan_to_ycbcr(RGBA, Surface("nv12", 32, 24), COLOR)
    assert refused.value.argument == "target"


@pytest.mark.parametrize(
    ("source", "target"), [("yuv411p", "rgba"), ("rgba", "rgba"), ("nv12", "nv12")]
)
def test_formats_without_a_kernel(source: str, target: str) -> None:
    with pytest.raises(UnsupportedConfig, match="no CUDA kernel"):
        plan_to_rgb(Surface(source, 64, 48), Surface(target, 64, 48), COLOR)


@pytest.mark.parametrize(("source", "target"), [("rgb_float32", "nv12"), ("rgba", "yuv444p")])
def test_formats_without_a_kernel_to_ycbcr(source: str, target: str) -> None:
    with pytest.raises(UnsupportedConfig, match="no CUDA kernel"):
        plan_to_ycbcr(Surface(source, 64, 48), Surface(target, 64, 48), COLOR)


def test_a_matrix_that_is_not_linear() -> None:
    with pytest.raises(UnsupportedConfig, match="ictcp"):
        plan_to_rgb(NV12, RGBA, ColorSpec(matrix="ictcp", range="limited"))


@pytest.mark.parametrize(
    ("target", "size", "new_size", "kernel", "grid"),
    [
        # 1081 rows of pairs, whose first is half above the picture.
        ("rgb24", (1920, 1080), (1920, 1080), "nv12_rgb8", (8, 136)),
        ("rgba", (1920, 1079), (1920, 1079), "nv12_rgb4", (15, 135)),
        ("rgb_float16", (1, 1), (1, 1), "nv12_rgb8", (1, 1)),
        ("rgb_planar", (1920, 1080), (960, 540), "nv12_any", (15, 17)),
        ("rgb_planar", (1920, 1080), (224, 225), "nv12_any", (7, 57)),
    ],
)
def test_grids_cover_the_picture(
    target: str, size: tuple[int, int], new_size: tuple[int, int], kernel: str,
    grid: tuple[int, int],
) -> None:  # fmt: skip
    plan = plan_to_rgb(
        Surface("nv12", *size, pitches=(2048,)), Surface(target, *new_size, pitches=(8192,)), COLOR
    )
    places = [((4096, 8192), (0, 0, 0))] * (MAX_PICTURES + 3)
    launches = list(plan.launches(places))
    assert [launch.kernel for launch in launches] == [kernel] * 2
    assert [launch.grid for launch in launches] == [(*grid, MAX_PICTURES), (*grid, 3)]


@pytest.mark.parametrize(
    ("source", "left", "kernel"),
    [("nv12", 2, "nv12_rgb4"), ("nv12", 1, "nv12_any"), ("yuv444p", 1, "yuv444_rgb4")],
)
def test_a_crop_between_two_samples_of_chroma_takes_a_scaling_kernel(
    source: str, left: int, kernel: str
) -> None:
    plan = plan_to_rgb(
        Surface(source, 64, 48), Surface("rgba", 32, 24), COLOR, crop=(left, 1, 32, 24)
    )
    assert plan.kernel == kernel


@pytest.mark.parametrize("resize", ["bilinear", "area"])
@pytest.mark.parametrize("source", ["nv12", "p010", "yuv444p16"])
def test_the_source_of_a_block_has_room_in_its_memory(source: str, resize: str) -> None:
    """Whatever is scaled to what: the kernel's array is as large as is counted on."""
    text = SOURCES[0].read_text(encoding="utf-8")
    assert f"TILE_BYTES = {_TILE_BYTES}, TILE_COLUMNS = 64, TILE_ROWS = 32" in text
    for side in (1, 64, 65, 1000, 4096, 32768):
        surface = Surface(source, 2000, 1500)
        plan = plan_to_rgb(surface, Surface("rgba", side, side), COLOR, resize=resize)
        if plan.settings.staged:
            assert _tile_bytes(plan.settings, surface) <= _TILE_BYTES
        assert (plan.settings.tile_columns, plan.settings.tile_rows) in _TILES
        assert plan.settings.staged or not plan.settings.brief
