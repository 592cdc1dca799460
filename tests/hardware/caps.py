"""Writes down what a driver says of itself: versions, device, what it decodes, which calls it has.

usage: python -m tests.hardware.caps OUT.json
"""

from __future__ import annotations

import ctypes as c
import json
import sys
from pathlib import Path
from typing import Any

from tests.hardware.cuvid import CHROMA, CODECS, Driver, caps_of, primary_context

# What videohw may call beside cuvid; some came later than the oldest driver that it works with.
CUDA_CALLS = (
    "cuInit", "cuDriverGetVersion", "cuDeviceGetCount", "cuDeviceGet", "cuDeviceGetName",
    "cuDeviceGetUuid", "cuDeviceGetUuid_v2", "cuDeviceGetAttribute", "cuDevicePrimaryCtxRetain",
    "cuDevicePrimaryCtxRelease_v2", "cuDevicePrimaryCtxGetState", "cuCtxPushCurrent_v2",
    "cuCtxPopCurrent_v2", "cuCtxGetCurrent", "cuCtxGetDevice", "cuCtxGetId", "cuCtxGetApiVersion",
    "cuStreamCreate", "cuStreamDestroy_v2", "cuStreamSynchronize", "cuStreamQuery",
    "cuStreamWaitEvent", "cuEventCreate", "cuEventRecord", "cuEventQuery", "cuEventSynchronize",
    "cuEventDestroy_v2", "cuMemAlloc_v2", "cuMemAllocPitch_v2", "cuMemFree_v2", "cuMemAllocAsync",
    "cuMemFreeAsync", "cuMemHostAlloc", "cuMemFreeHost", "cuMemGetInfo_v2", "cuMemcpy2DAsync_v2",
    "cuMemcpyDtoHAsync_v2", "cuMemcpyHtoDAsync_v2", "cuMemcpyDtoDAsync_v2", "cuModuleLoadData",
    "cuModuleUnload", "cuModuleGetFunction", "cuLaunchKernel", "cuLaunchHostFunc",
    "cuGetErrorName", "cuGetErrorString", "cuPointerGetAttribute", "cuPointerGetAttributes",
)  # fmt: skip
CUVID_CALLS = (
    "cuvidGetDecoderCaps", "cuvidCreateDecoder", "cuvidDestroyDecoder", "cuvidDecodePicture",
    "cuvidGetDecodeStatus", "cuvidReconfigureDecoder", "cuvidMapVideoFrame64",
    "cuvidUnmapVideoFrame64", "cuvidMapVideoFrame", "cuvidUnmapVideoFrame", "cuvidCtxLockCreate",
    "cuvidCtxLockDestroy", "cuvidCtxLock", "cuvidCtxUnlock", "cuvidCreateVideoSource",
    "cuvidCreateVideoSourceW", "cuvidDestroyVideoSource", "cuvidSetVideoSourceState",
    "cuvidGetVideoSourceState", "cuvidGetSourceVideoFormat", "cuvidGetSourceAudioFormat",
    "cuvidCreateVideoParser", "cuvidParseVideoData", "cuvidDestroyVideoParser",
)  # fmt: skip
# CUdevice_attribute of cuda.h
ATTRIBUTES = {
    "compute_capability_major": 75, "compute_capability_minor": 76, "multiprocessors": 16,
    "async_engines": 40, "unified_addressing": 41, "memory_pools": 115, "integrated": 18,
}  # fmt: skip


def answers(driver: Driver) -> dict[str, Any]:
    """Everything, asked with a current context."""
    attributes = {
        name: driver.number("cuDeviceGetAttribute", number, 0)
        for name, number in ATTRIBUTES.items()
    }
    decode = {}
    for codec in CODECS:
        for chroma in CHROMA:
            for depth in (8, 10, 12):
                code, facts = caps_of(driver, codec, chroma, depth)
                decode[f"{codec} {chroma} {depth}"] = {"code": code, **facts}
    return {
        "driver_version": driver.number("cuDriverGetVersion"),
        "device": driver.text("cuDeviceGetName", 0),
        "attributes": attributes,
        "missing_calls": [
            name for name in (*CUDA_CALLS, *CUVID_CALLS) if not hasattr(driver, name)
        ],
        "error_names": {code: driver.name_of(code) for code in range(1000) if named(driver, code)},
        "decode": decode,
    }


def named(driver: Driver, code: int) -> bool:
    """Whether the driver has a name for a result code."""
    return driver.cuGetErrorName(code, c.byref(c.c_char_p())) == 0


def main(out: Path) -> None:
    driver = Driver()
    with primary_context(driver):
        out.write_text(json.dumps(answers(driver), indent=1) + "\n")
    print(f"wrote {out.name}", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
