"""H.265 scaling_list_data() (7.3.4), which the SPS and the PPS may hold."""

from __future__ import annotations

from typing import NamedTuple

from .syntax import Syntax


class ScalingList(NamedTuple):
    """One matrix as coded: copied from an earlier one, or differences of coefficients."""

    scaling_list_pred_mode_flag: bool = False
    scaling_list_pred_matrix_id_delta: int = 0
    scaling_list_dc_coef_minus8: int = 8
    scaling_list_delta_coef: tuple[int, ...] = ()


class ScalingListData(NamedTuple):
    """scaling_list_data(): six matrices of 4x4, 8x8 and 16x16, two of 32x32."""

    lists: tuple[ScalingList, ...] = ()


def walk_scaling_list_data(s: Syntax) -> None:
    """scaling_list_data(), 7.3.4."""
    index = 0
    for size_id in range(4):
        for matrix in range(2 if size_id == 3 else 6):
            s.struct("lists", ScalingList, _walk_scaling_list, size_id, matrix, index=index)
            index += 1


def _walk_scaling_list(s: Syntax, size_id: int, matrix: int) -> None:
    if not s.flag("scaling_list_pred_mode_flag"):
        # Counted in matrices that exist, which for 32x32 is every third matrixId (7.4.5).
        s.ue("scaling_list_pred_matrix_id_delta", matrix)
        return
    if size_id > 1:
        s.se("scaling_list_dc_coef_minus8", -7, 247)
    for i in range(min(64, 16 << (2 * size_id))):
        s.se("scaling_list_delta_coef", -128, 127, index=i)
