"""Random parameter sets: the walks of the readers, made to draw values instead of reading them.

A walk names every field with its range, so that a third direction beside reading and writing
gives structures that use each part of the syntax, all of them valid.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NoReturn, TypeVar

import hypothesis
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from videohw.bitstream import av1_sequence, config_record, h264, hevc
from videohw.bitstream.bits import UE_MAX
from videohw.bitstream.hevc_pps import walk_pps as walk_hevc_pps
from videohw.bitstream.hevc_sps import walk_sps as walk_hevc_sps
from videohw.bitstream.hevc_vps import walk_vps
from videohw.bitstream.syntax import Syntax

T = TypeVar("T")

# Counts are kept small so that an example stays small; the largest ones have tests of their own.
COUNTS = {
    "num_ref_frames_in_pic_order_cnt_cycle": 6,
    "cpb_cnt_minus1": 3,
    "num_short_term_ref_pic_sets": 6,
    "num_negative_pics": 4,
    "num_positive_pics": 4,
    "num_long_term_ref_pics_sps": 4,
    "sps_num_palette_predictor_initializers_minus1": 4,
    "pps_num_palette_predictor_initializers": 5,
    "pic_size_in_map_units_minus1": 12,
    "num_tile_columns_minus1": 4,
    "num_tile_rows_minus1": 4,
    "vps_num_layer_sets_minus1": 3,
    "vps_num_hrd_parameters": 3,
    "operating_points_cnt_minus_1": 3,
    "num_of_arrays": 4,
    "nalUnitLength": 20,
}
# Parts that the writers refuse, with the reason in their docstrings.
NOT_WRITTEN = {"sps_3d_extension_flag": 0, "sps_extension_4bits": 0}

NAL_BYTES = st.binary(min_size=1, max_size=20)


class SyntaxDrawer(Syntax):
    """Draws each field of a structure within the range that the walk states."""

    def __init__(self, draw: DrawFn, what: str, chosen: Mapping[str, int]) -> None:
        self.draw = draw
        self.what = what
        self.chosen = chosen
        self.values: dict[str, Any] = {}

    def build(self, cls: type[T], **known: Any) -> T:
        values = {k: tuple(v) if isinstance(v, list) else v for k, v in self.values.items()}
        return cls(**values, **known)

    def u(self, name: str, bits: int, *, index: int | None = None) -> int:
        return self._integer(name, 0, (1 << bits) - 1, index)

    def flag(self, name: str, *, index: int | None = None) -> bool:
        return self._keep(name, bool(self._choose(name, st.booleans())), index)

    def ue(
        self, name: str, maximum: int = UE_MAX, minimum: int = 0, *, index: int | None = None
    ) -> int:
        return self._integer(name, minimum, maximum, index)

    def se(self, name: str, minimum: int, maximum: int, *, index: int | None = None) -> int:
        return self._integer(name, minimum, maximum, index)

    def struct(
        self,
        name: str,
        cls: type[T],
        walk: Callable[..., None],
        *args: Any,
        index: int | None = None,
    ) -> T:
        inner = SyntaxDrawer(self.draw, self.what, self.chosen)
        walk(inner, *args)
        return self._keep(name, inner.build(cls), index)

    def reserved(self, bits: int, value: int = 0) -> None:
        pass

    def fixed(self, name: str, bits: int, value: int) -> None:
        pass

    def nals(self, name: str, count_bits: int) -> None:
        self.values[name] = tuple(self.draw(st.lists(NAL_BYTES, max_size=3)))

    def derived(self, name: str, value: Any) -> None:
        self.values[name] = value

    def more_data(self, name: str) -> bool:
        return self._keep(name, self.draw(st.booleans()), None)

    def enough(self, name: str, bits: int) -> bool:
        return self._keep(name, self.draw(st.booleans()), None)

    def fail(self, message: str) -> NoReturn:
        hypothesis.reject()

    def _integer(self, name: str, minimum: int, maximum: int, index: int | None) -> int:
        high = min(maximum, COUNTS.get(name, maximum))
        return self._keep(name, self._choose(name, st.integers(minimum, high)), index)

    def _choose(self, name: str, strategy: SearchStrategy[int]) -> int:
        return self.chosen[name] if name in self.chosen else self.draw(strategy)

    def _keep(self, name: str, value: T, index: int | None) -> T:
        if index is None:
            self.values[name] = value
        else:
            self.values.setdefault(name, []).append(value)
        return value


@st.composite
def structures(
    draw: DrawFn, /, cls: type[T], walk: Callable[..., None], *args: Any, **chosen: int
) -> T:
    """Random ``cls``, walked by ``walk(syntax, *args)``, with the ``chosen`` fields given."""
    drawer = SyntaxDrawer(draw, cls.__name__, chosen)
    walk(drawer, *args)
    return drawer.build(cls)


def h264_sps(**chosen: int) -> SearchStrategy[h264.Sps]:
    """Profiles of the high family in half of the examples, since only they have all fields."""
    if "profile_idc" in chosen:
        return structures(h264.Sps, h264.walk_sps, **chosen)
    return st.sampled_from((66, 77, 88, 100, 122, 244)).flatmap(
        lambda profile: structures(h264.Sps, h264.walk_sps, profile_idc=profile, **chosen)
    )


def h264_pps(sps_by_id: Mapping[int, h264.Sps], **chosen: int) -> SearchStrategy[h264.Pps]:
    return structures(h264.Pps, h264.walk_pps, sps_by_id, **chosen)


def hevc_sps(**chosen: int) -> SearchStrategy[hevc.Sps]:
    return st.integers(0, 6).flatmap(
        lambda layers: structures(
            hevc.Sps,
            walk_hevc_sps,
            0,
            **{"sps_max_sub_layers_minus1": layers, **NOT_WRITTEN, **chosen},
        )
    )


@st.composite
def hevc_pps(draw: DrawFn, /, **chosen: int) -> hevc.Pps:
    fixed = {"pps_3d_extension_flag": 0, "pps_multilayer_extension_flag": 0,
             "pps_extension_4bits": 0, **chosen}  # fmt: skip
    drawer = SyntaxDrawer(draw, "Pps", fixed)
    walk_hevc_pps(drawer)
    return drawer.build(hevc.Pps, nuh_layer_id=0)


def hevc_vps(**chosen: int) -> SearchStrategy[hevc.Vps]:
    return st.integers(0, 6).flatmap(
        lambda layers: structures(
            hevc.Vps, walk_vps, **{"vps_max_sub_layers_minus1": layers, **chosen}
        )
    )


def av1_headers(**chosen: int) -> SearchStrategy[av1_sequence.SequenceHeader]:
    return st.integers(0, 2).flatmap(
        lambda profile: structures(
            av1_sequence.SequenceHeader,
            av1_sequence.walk_sequence_header,
            **{"seq_profile": profile, **chosen},
        )
    )


@st.composite
def avc_configs(draw: DrawFn) -> config_record.AvcConfig:
    length_size_minus_one = draw(st.sampled_from((0, 1, 3)))
    return draw(
        structures(
            config_record.AvcConfig,
            config_record.walk_avcc,
            length_size_minus_one=length_size_minus_one,
        )
    )


@st.composite
def hevc_configs(draw: DrawFn) -> config_record.HevcConfig:
    length_size_minus_one = draw(st.sampled_from((0, 1, 3)))
    return draw(
        structures(
            config_record.HevcConfig,
            config_record.walk_hvcc,
            length_size_minus_one=length_size_minus_one,
        )
    )
