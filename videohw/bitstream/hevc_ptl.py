"""H.265 profile, tier and level (7.3.3): syntax, and names for people (Annex A)."""

from typing import NamedTuple

from .syntax import Syntax

# general_profile_idc of the families that are told apart by the constraint flags (A.3.5 on).
_FAMILIES = {
    4: "Main", 5: "High Throughput", 9: "Screen-Extended Main",
    11: "Screen-Extended High Throughput",
}  # fmt: skip
_PROFILES = {
    1: "Main", 2: "Main 10", 3: "Main Still Picture", 6: "Multiview Main", 7: "Scalable Main",
    8: "3D Main", 10: "Scalable Format Range Extensions",
}  # fmt: skip
_RANGE_EXTENSIONS = "Format Range Extensions"


class ProfileTierLevel(NamedTuple):
    """profile_tier_level() (7.3.3).

    ``general_profile_compatibility_flags``: 32 bits, flag 0 in the highest.
    ``general_constraint_flags``: the 48 bits from general_progressive_source_flag to
    general_level_idc. The flags of the sub-layers have one element for each sub-layer below the
    highest; ``sub_layer_profile`` (88 bits as one number) and ``sub_layer_level_idc`` one for
    each that is present.
    """

    general_profile_space: int = 0
    general_tier_flag: bool = False
    general_profile_idc: int = 1
    general_profile_compatibility_flags: int = 0
    general_constraint_flags: int = 0
    general_level_idc: int = 0
    sub_layer_profile_present_flag: tuple[bool, ...] = ()
    sub_layer_level_present_flag: tuple[bool, ...] = ()
    sub_layer_profile: tuple[int, ...] = ()
    sub_layer_level_idc: tuple[int, ...] = ()

    @property
    def general_progressive_source_flag(self) -> bool:
        """The stream has progressive pictures."""
        return self._constraint(0)

    @property
    def general_interlaced_source_flag(self) -> bool:
        """The stream has fields."""
        return self._constraint(1)

    @property
    def profile(self) -> str:
        """Name of the profile: "Main 10", "Main 4:2:2 12 Intra" ...

        A stream may leave general_profile_idc 0 and state only its compatibility (7.4.4).
        """
        idc = self.general_profile_idc
        if idc == 0:
            flags = self.general_profile_compatibility_flags
            idc = next((i for i in range(1, 12) if flags >> (31 - i) & 1), 0)
        if idc in _FAMILIES:
            name = self._family_name(_FAMILIES[idc])
            # What the flags of a range extension spell must not pass for version 1's profiles.
            return _RANGE_EXTENSIONS if name in _PROFILES.values() else name
        if idc == 2 and self._constraint(11):
            return "Main 10 Still Picture"
        return _PROFILES.get(idc, f"profile {idc}")

    @property
    def tier(self) -> str:
        """Name of the tier: "Main" or "High"."""
        return "High" if self.general_tier_flag else "Main"

    @property
    def level(self) -> str:
        """Name of the level: "4.1", "5" (general_level_idc is 30 times it, A.4.1)."""
        tenths = self.general_level_idc // 3
        major, minor = divmod(tenths, 10)
        return f"{major}.{minor}" if minor else str(major)

    def _constraint(self, number: int) -> bool:
        return bool(self.general_constraint_flags >> (47 - number) & 1)

    def _family_name(self, prefix: str) -> str:
        # Tables A.2, A.3, A.5, A.7: the name spells the constraint flags; after the four source
        # flags come max_12bit, 10bit, 8bit, 422, 420, monochrome, intra, one_picture_only,
        # lower_bit_rate and max_14bit.
        c = self._constraint
        bits = 8 if c(6) else 10 if c(5) else 12 if c(4) else 14 if c(13) else 16
        monochrome, intra, still = c(9), c(10), c(11)
        chroma = "" if c(8) else " 4:2:2" if c(7) else " 4:4:4"
        if monochrome:
            prefix, chroma = "Monochrome", ""
        depth = "" if bits == 8 else f" {bits}"
        suffix = " Still Picture" if still else " Intra" if intra else ""
        return f"{prefix}{chroma}{depth}{suffix}"


def walk_profile_tier_level(s: Syntax, max_sub_layers_minus1: int) -> None:
    """profile_tier_level(1, max_sub_layers_minus1), 7.3.3."""
    s.u("general_profile_space", 2)
    s.flag("general_tier_flag")
    s.u("general_profile_idc", 5)
    s.u("general_profile_compatibility_flags", 32)
    s.u("general_constraint_flags", 48)
    s.u("general_level_idc", 8)
    present = [
        (
            s.flag("sub_layer_profile_present_flag", index=i),
            s.flag("sub_layer_level_present_flag", index=i),
        )
        for i in range(max_sub_layers_minus1)
    ]
    if present:
        s.reserved(2 * (8 - max_sub_layers_minus1))
    profiles = levels = 0
    for profile_present, level_present in present:
        if profile_present:
            s.u("sub_layer_profile", 88, index=profiles)
            profiles += 1
        if level_present:
            s.u("sub_layer_level_idc", 8, index=levels)
            levels += 1
