"""Names of HEVC profiles, tiers and levels."""

from __future__ import annotations

import pytest

from videohw.bitstream.hevc import ProfileTierLevel


def constraints(*set_flags: int) -> int:
    return sum(1 << (47 - flag) for flag in set_flags)


# Positions of the constraint flags behind the four of the source (7.3.3).
MAX_12, MAX_10, MAX_8, MAX_422, MAX_420, MAX_MONO, INTRA, ONE, LOWER, MAX_14 = range(4, 14)


@pytest.mark.parametrize(
    ("idc", "flags", "name"),
    [
        (1, (), "Main"), (2, (), "Main 10"), (3, (), "Main Still Picture"),
        (2, (ONE,), "Main 10 Still Picture"),
        # Table A.2.
        (4, (MAX_12, MAX_10, MAX_8, MAX_422, MAX_420, MAX_MONO, LOWER), "Monochrome"),
        (4, (MAX_12, MAX_422, MAX_420, MAX_MONO, LOWER), "Monochrome 12"),
        (4, (MAX_12, MAX_422, MAX_420, LOWER), "Main 12"),
        (4, (MAX_12, MAX_10, MAX_422, LOWER), "Main 4:2:2 10"),
        (4, (MAX_12, MAX_422, LOWER), "Main 4:2:2 12"),
        (4, (MAX_12, MAX_10, MAX_8, LOWER), "Main 4:4:4"),
        (4, (MAX_12, MAX_10, MAX_8, MAX_422, MAX_420, INTRA), "Main Intra"),
        (4, (MAX_12, MAX_422, INTRA), "Main 4:2:2 12 Intra"),
        (4, (INTRA,), "Main 4:4:4 16 Intra"),
        (4, (MAX_12, MAX_10, MAX_8, INTRA, ONE), "Main 4:4:4 Still Picture"),
        # Not in the table, and not the profile of version 1.
        (4, (MAX_12, MAX_10, MAX_8, MAX_422, MAX_420, LOWER), "Format Range Extensions"),
        (5, (MAX_12, MAX_10, MAX_8, MAX_14, LOWER), "High Throughput 4:4:4"),
        (5, (MAX_14, LOWER), "High Throughput 4:4:4 14"),
        (9, (MAX_12, MAX_10, MAX_8, MAX_422, MAX_420, MAX_14, LOWER), "Screen-Extended Main"),
        (9, (MAX_12, MAX_10, MAX_14, LOWER), "Screen-Extended Main 4:4:4 10"),
        (6, (), "Multiview Main"), (31, (), "profile 31"),
    ],
)  # fmt: skip
def test_profile_names(idc: int, flags: tuple[int, ...], name: str) -> None:
    ptl = ProfileTierLevel(general_profile_idc=idc, general_constraint_flags=constraints(*flags))
    assert ptl.profile == name


def test_source_flags() -> None:
    ptl = ProfileTierLevel(general_constraint_flags=constraints(1))
    assert (ptl.general_progressive_source_flag, ptl.general_interlaced_source_flag) == (
        False, True,
    )  # fmt: skip


def test_a_profile_known_only_by_compatibility() -> None:
    compatible = ProfileTierLevel(
        general_profile_idc=0, general_profile_compatibility_flags=1 << (31 - 2)
    )
    assert compatible.profile == "Main 10"
    assert ProfileTierLevel(general_profile_idc=0).profile == "profile 0"


@pytest.mark.parametrize(
    ("idc", "level"),
    [(30, "1"), (60, "2"), (63, "2.1"), (93, "3.1"), (120, "4"), (123, "4.1"), (186, "6.2")],
)
def test_level_and_tier_names(idc: int, level: str) -> None:
    ptl = ProfileTierLevel(general_level_idc=idc, general_tier_flag=True)
    assert (ptl.level, ptl.tier, ProfileTierLevel().tier) == (level, "High", "Main")
