"""H.265 short-term reference picture sets (7.3.7, 7.4.8)."""

from __future__ import annotations

from typing import NamedTuple

from .syntax import Syntax

# sps_max_dec_pic_buffering_minus1 is at most 15 (A.4.2): no set has more pictures.
_MAX_PICTURES = 16


class ShortTermRefPicSet(NamedTuple):
    """st_ref_pic_set(stRpsIdx).

    The coded fields come first. ``delta_poc_s0`` and ``delta_poc_s1`` follow from them (7-61 to
    7-64): distances in picture order count of the pictures before and after the current one,
    nearest first; ``used_s0`` and ``used_s1``: whether the current picture refers to them.
    """

    inter_ref_pic_set_prediction_flag: bool = False
    delta_rps_sign: bool = False
    abs_delta_rps_minus1: int = 0
    used_by_curr_pic_flag: tuple[bool, ...] = ()
    use_delta_flag: tuple[bool, ...] = ()
    num_negative_pics: int = 0
    num_positive_pics: int = 0
    delta_poc_s0_minus1: tuple[int, ...] = ()
    used_by_curr_pic_s0_flag: tuple[bool, ...] = ()
    delta_poc_s1_minus1: tuple[int, ...] = ()
    used_by_curr_pic_s1_flag: tuple[bool, ...] = ()
    delta_poc_s0: tuple[int, ...] = ()
    used_s0: tuple[bool, ...] = ()
    delta_poc_s1: tuple[int, ...] = ()
    used_s1: tuple[bool, ...] = ()


def walk_st_ref_pic_set(s: Syntax, previous: list[tuple[int, ...]]) -> None:
    """st_ref_pic_set() of an SPS.

    ``previous``: the distances of each set so far, S0 and then S1; this one's are appended.
    """
    if previous and s.flag("inter_ref_pic_set_prediction_flag"):
        entries = _walk_predicted(s, previous[-1])
    else:
        entries = _walk_explicit(s)
    before = sorted((entry for entry in entries if entry[0] < 0), reverse=True)
    after = sorted(entry for entry in entries if entry[0] > 0)
    if len(entries) > _MAX_PICTURES:
        s.fail(f"short-term reference picture set of {len(entries)} pictures")
    previous.append(tuple(delta for delta, _ in before + after))
    s.derived("delta_poc_s0", tuple(delta for delta, _ in before))
    s.derived("used_s0", tuple(used for _, used in before))
    s.derived("delta_poc_s1", tuple(delta for delta, _ in after))
    s.derived("used_s1", tuple(used for _, used in after))


def _walk_explicit(s: Syntax) -> list[tuple[int, bool]]:
    negative = s.ue("num_negative_pics", _MAX_PICTURES)
    positive = s.ue("num_positive_pics", _MAX_PICTURES - negative)
    entries = []
    poc = 0
    for i in range(negative):
        poc -= s.ue("delta_poc_s0_minus1", (1 << 15) - 1, index=i) + 1
        entries.append((poc, s.flag("used_by_curr_pic_s0_flag", index=i)))
    poc = 0
    for i in range(positive):
        poc += s.ue("delta_poc_s1_minus1", (1 << 15) - 1, index=i) + 1
        entries.append((poc, s.flag("used_by_curr_pic_s1_flag", index=i)))
    return entries


def _walk_predicted(s: Syntax, reference: tuple[int, ...]) -> list[tuple[int, bool]]:
    sign = s.flag("delta_rps_sign")
    delta = s.ue("abs_delta_rps_minus1", (1 << 15) - 1) + 1
    if sign:
        delta = -delta
    # The last flag pair stands for the reference set's own picture, at distance 0 (7-61).
    entries = []
    dropped = 0
    for i, distance in enumerate((*reference, 0)):
        used = s.flag("used_by_curr_pic_flag", index=i)
        if not used:
            dropped += 1
            if not s.flag("use_delta_flag", index=dropped - 1):
                continue
        # A set does not hold the current picture itself, at distance 0.
        if distance + delta:
            entries.append((distance + delta, used))
    return entries
