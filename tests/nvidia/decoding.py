"""What the fault tests decode on the emulated drivers, and the end of a device's use."""

from __future__ import annotations

import gc
import time

from tests.backends.decode_runs import Scenario
from tests.emulators.control import Emulator

SETTLE_SECONDS = 10.0

SMALL = "generated/small144x144.h264"
EIGHT = tuple(range(8))
NATIVE = Scenario("native", SMALL, EIGHT)
SCENARIOS = (
    NATIVE,
    Scenario("planar", SMALL, EIGHT[:4], "rgb_planar", "device"),
    Scenario("downloaded", SMALL, EIGHT[:3], "rgb_planar"),
    # 320x240, 322x182, 320x240 again.
    Scenario("resized", "generated/res_change_ABA.h265", (0, 1, 2, 25, 26, 40, 41)),
)


def release(emulator: Emulator, left_before: frozenset[str] = frozenset()) -> set[str]:
    """Let go of every device; the kinds of handles still open when the last decoder was destroyed.

    ``left_before``: kinds that earlier losses of a device left open.
    """
    from videohw import _cuda

    _cuda.release_devices()
    began = time.monotonic()
    collected = False
    while left := set(emulator.open()) - left_before:
        waited = time.monotonic() - began
        if waited > SETTLE_SECONDS:
            break
        if waited > 0.2 and not collected:
            gc.collect()
            collected = True
        time.sleep(0.001)
    return left
