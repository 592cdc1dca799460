"""Which Metal kernel is taken and how it is launched; what cannot be is refused by name."""

from __future__ import annotations

from typing import Any

import pytest

from videohw.color import ColorSpec
from videohw.errors import InvalidInput, UnsupportedConfig
from videohw.kernels import Surface
from videohw.kernels.metal import plan_to_rgb, plan_to_ycbcr

COLOR = ColorSpec(matrix="bt709", range="limited")
NV12, RGBA = Surface("nv12", 64, 48), Surface("rgba", 64, 48)


@pytest.mark.parametrize(
    ("argument", "source", "target", "options"),
    [
        ("source.width", Surface("nv12", 0, 48), RGBA, {}),
        ("source.pitches", Surface("nv12", 64, 48, pitches=(63,)), RGBA, {}),
        ("target.pitches", NV12, Surface("rgba", 64, 48, pitches=(255,)), {}),
        ("bit_depth", Surface("nv12", 64, 48, bit_depth=10), RGBA, {}),
        ("crop", NV12, RGBA, {"crop": (-2, 0, 8, 8)}),
        ("crop", NV12, RGBA, {"crop": (0, 41, 8, 8)}),
        ("chroma", NV12, RGBA, {"chroma": "cubic"}),
        ("resize", NV12, RGBA, {"resize": "lanczos"}),
        ("mean", NV12, RGBA, {"mean": (0.5, 0.5, 0.5)}),
        ("std", NV12, Surface("rgb_float32", 64, 48), {"std": (0.5, 0.0, 0.5)}),
    ],
)
def test_a_wrong_argument_is_named(
    argument: str, source: Surface, target: Surface, options: dict[str, Any]
) -> None:
    with pytest.raises(InvalidInput) as refused:
        plan_to_rgb(source, target, COLOR, **options)
    assert refused.value.argument == argument


@pytest.mark.parametrize(
    ("source", "target", "options"),
    [
        ("yuv420p", "rgba", {}), ("rgba", "rgba", {}), ("nv12", "nv12", {}),
        ("yuv444p", "rgba", {}), ("nv12", "rgb24", {"to_texture": True}),
    ],
)  # fmt: skip
def test_formats_without_a_kernel(source: str, target: str, options: dict[str, Any]) -> None:
    with pytest.raises(UnsupportedConfig, match="no Metal kernel"):
        plan_to_rgb(Surface(source, 64, 48), Surface(target, 64, 48), COLOR, **options)


@pytest.mark.parametrize(
    ("source", "target", "options"),
    [("rgb_float32", "nv12", {}), ("rgba", "nv24", {}), ("rgb24", "nv12", {"from_texture": True})],
)
def test_formats_without_a_kernel_to_ycbcr(
    source: str, target: str, options: dict[str, Any]
) -> None:
    with pytest.raises(UnsupportedConfig, match="no Metal kernel"):
        plan_to_ycbcr(Surface(source, 64, 48), Surface(target, 64, 48), COLOR, **options)


def test_nothing_is_scaled_on_the_way_to_ycbcr() -> None:
    with pytest.raises(InvalidInput, match="32x24"):
        plan_to_ycbcr(RGBA, Surface("nv12", 32, 24), COLOR)


@pytest.mark.parametrize(
    ("target", "new_size", "max_threads", "kernel", "groups", "threads"),
    [
        ("rgb24", (1920, 1080), 1024, "nv12_rgb24", (15, 135), (32, 8)),
        ("rgba", (1920, 1080), 256, "nv12_rgba", (15, 135), (32, 8)),
        ("rgba", (1920, 1080), 128, "nv12_rgba", (15, 270), (32, 4)),
        ("rgb_planar", (224, 225), 256, "nv12_any", (7, 8), (32, 8)),
        ("rgb_planar", (224, 225), 33, "nv12_any", (7, 8), (32, 1)),
    ],
)
def test_threadgroups_cover_the_picture(
    target: str, new_size: tuple[int, int], max_threads: int, kernel: str,
    groups: tuple[int, int], threads: tuple[int, int],
) -> None:  # fmt: skip
    source = Surface("nv12", 1920, 1080, pitches=(2048,))
    plan = plan_to_rgb(source, Surface(target, *new_size), COLOR)
    launch = plan.launch(max_threads=max_threads)
    assert launch.kernel == kernel
    assert launch.threadgroups == (*groups, 1)
    assert launch.threads == (*threads, 1)
    assert launch.threadgroup_bytes == ((1792, 1792) if kernel.endswith("any") else ())


def test_words_only_where_every_row_begins_at_one() -> None:
    def words(source: Surface, *offsets: int) -> int:
        return plan_to_rgb(source, RGBA, COLOR).launch(offsets).arguments.from_words

    assert words(NV12, 0, 4096)
    assert not words(NV12, 0, 4098)
    assert not words(Surface("nv12", 64, 48, pitches=(64, 66)), 0, 4096)


def test_textures_are_named_by_metals_formats() -> None:
    plan = plan_to_rgb(
        Surface("p010", 64, 48), Surface("bgra", 64, 48), COLOR, from_textures=True, to_texture=True
    )
    assert plan.kernel == "textures_texture"
    assert plan.source_textures == ("R16Unorm", "RG16Unorm")
    assert plan.target_textures == ("BGRA8Unorm",)
    back = plan_to_ycbcr(
        Surface("bgra", 64, 48), Surface("nv12", 64, 48), COLOR, from_texture=True, to_textures=True
    )
    assert back.kernel == "texture_textures"
    assert back.source_textures == ("BGRA8Unorm",)
    assert back.target_textures == ("R8Unorm", "RG8Unorm")
    # The texture's format puts blue first, and the matrix stays that of red, green, blue.
    plain = plan_to_rgb(NV12, RGBA, COLOR).settings
    image = plan_to_rgb(NV12, Surface("bgra", 64, 48), COLOR, to_texture=True).settings
    assert [list(row) for row in image.matrix] == [list(row) for row in plain.matrix]
