"""A client of libnvidia-encode for the emulator's tests, as strict or as wrong as wanted.

It is made of the facts of the vendor's headers (``tests/nvidia/nvenc_facts.json``), and of none of
our declarations.
"""

from __future__ import annotations

import ctypes as c
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

FACTS = Path(__file__).parents[2] / "nvidia" / "nvenc_facts.json"
SUCCESS, UNSUPPORTED_DEVICE, INVALID_ENCODER, INVALID_DEVICE, DEVICE_GONE = 0, 2, 3, 4, 5
INVALID_POINTER, INVALID_PARAM, INVALID_CALL, OUT_OF_MEMORY, NOT_INITIALISED = 6, 8, 9, 10, 11
UNSUPPORTED_PARAM, LOCK_BUSY, NOT_ENOUGH_BUFFER, INVALID_VERSION = 12, 13, 14, 15
MAP_FAILED, NEED_MORE_INPUT, BUSY, UNIMPLEMENTED = 16, 17, 18, 22
GENERIC = 20
REGISTER_FAILED, NOT_REGISTERED, NOT_MAPPED = 23, 24, 25
P, B, INTRA, IDR = 0, 1, 2, 3
FORCE_INTRA, FORCE_IDR, OUTPUT_SETS, END = 1, 2, 4, 8
HIGH_QUALITY, LOW_LATENCY, ULTRA_LOW_LATENCY, LOSSLESS = 1, 2, 3, 4
CONSTANT_QP, VARIABLE, CONSTANT = 0, 1, 2
INFINITE = 0xFFFFFFFF
NV12, YV12, IYUV, YUV444, P010, YUV444_10, ARGB, AYUV, ABGR = (
    0x1, 0x10, 0x100, 0x1000, 0x10000, 0x100000, 0x1000000, 0x4000000, 0x10000000,
)  # fmt: skip
# What the parts of a structure are that are structures themselves.
PARTS = {
    "rcParams": "NV_ENC_RC_PARAMS", "constQP": "NV_ENC_QP", "presetCfg": "NV_ENC_CONFIG",
    "reInitEncodeParams": "NV_ENC_INITIALIZE_PARAMS", "h264Config": "NV_ENC_CONFIG_H264",
    "encodeCodecConfig": "NV_ENC_CODEC_CONFIG", "hevcConfig": "NV_ENC_CONFIG_HEVC",
    "h264VUIParameters": "NV_ENC_CONFIG_H264_VUI_PARAMETERS",
    "hevcVUIParameters": "NV_ENC_CONFIG_HEVC_VUI_PARAMETERS",
    "codecPicParams": "NV_ENC_CODEC_PIC_PARAMS", "h264PicParams": "NV_ENC_PIC_PARAMS_H264",
    "hevcPicParams": "NV_ENC_PIC_PARAMS_HEVC", "av1Config": "NV_ENC_CONFIG_AV1",
    "av1PicParams": "NV_ENC_PIC_PARAMS_AV1",
}  # fmt: skip


class Guid(c.Structure):
    _fields_ = [("words", c.c_uint32 * 4)]


@cache
def facts() -> Any:
    return json.loads(FACTS.read_text(encoding="utf-8"))


class Struct:
    """A structure of one version of the API: fields by name, those of its parts with dots."""

    def __init__(self, version: str, name: str, /, **fields: Any) -> None:
        self.facts = facts()[version]
        self.name = name
        self.buffer = c.create_string_buffer(self.facts["structs"][name]["size"])
        self.kept: list[Any] = []
        if name + "_VER" in self.facts["versions"]:
            self["version"] = self.facts["versions"][name + "_VER"]
        for each, value in fields.items():
            self[each] = value

    def place(self, path: str) -> tuple[int, list[int]]:
        """The offset of what holds the field, and where the field is in it."""
        *parents, last = path.split(".")
        at, name = 0, self.name
        for parent in parents:
            at += self.facts["structs"][name]["fields"][parent][0]
            name = PARTS[parent]
        return at, self.facts["structs"][name]["fields"][last]

    def __setitem__(self, path: str, value: Any) -> None:
        if isinstance(value, Struct):
            self.kept.append(value)
            value = c.addressof(value.buffer)
        at, where = self.place(path)
        if len(where) == 3:
            first, bits = at * 8 + where[0], where[1]
            word = int.from_bytes(self.buffer[first // 32 * 4 : first // 32 * 4 + 4], "little")
            mask = (1 << bits) - 1
            word = word & ~(mask << first % 32) | (int(value) & mask) << first % 32
            self.buffer[first // 32 * 4 : first // 32 * 4 + 4] = word.to_bytes(4, "little")
            return
        size = where[1]
        data = value
        if not isinstance(value, bytes):
            data = (int(value) % (1 << size * 8)).to_bytes(size, "little")
        assert len(data) <= size
        self.buffer[at + where[0] : at + where[0] + len(data)] = data

    def __getitem__(self, path: str) -> int:
        at, where = self.place(path)
        if len(where) == 3:
            first = at * 8 + where[0]
            word = int.from_bytes(self.buffer[first // 32 * 4 : first // 32 * 4 + 4], "little")
            return word >> first % 32 & ((1 << where[1]) - 1)
        return int.from_bytes(self.buffer[at + where[0] : at + where[0] + where[1]], "little")

    @property
    def pointer(self) -> c.c_void_p:
        return c.c_void_p(c.addressof(self.buffer))


class Api:
    """The library, and its calls by the names of the list of functions."""

    def __init__(self, folder: Path, version: str = "13.0") -> None:
        self.version, self.facts = version, facts()[version]
        self.library = c.CDLL(str(folder / "libnvidia-encode.so.1"))
        self.list = Struct(version, "NV_ENCODE_API_FUNCTION_LIST")
        assert self.library.NvEncodeAPICreateInstance(self.list.pointer) == SUCCESS

    def struct(self, name: str, /, **fields: Any) -> Struct:
        return Struct(self.version, name, **fields)

    def value(self, name: str) -> int:
        return int(self.facts["values"][name])

    def guid(self, name: str) -> Guid:
        return Guid.from_buffer_copy(bytes.fromhex(self.facts["guids"][f"NV_ENC_{name}_GUID"]))

    def call(self, name: str, *arguments: Any) -> int:
        at = self.facts["slots"][name][0]
        address = int.from_bytes(self.list.buffer[at : at + 8], "little")
        made = [each.pointer if isinstance(each, Struct) else each for each in arguments]
        return int(c.CFUNCTYPE(c.c_int)(address)(*made))

    def do(self, name: str, *arguments: Any) -> None:
        status = self.call(name, *arguments)
        assert status == SUCCESS, f"{name}: {status}"

    def open(self, context: int, **changes: Any) -> tuple[int, c.c_void_p]:
        handle = c.c_void_p()
        asked = self.struct(
            "NV_ENC_OPEN_ENCODE_SESSION_EX_PARAMS", deviceType=1, device=context,
            apiVersion=int(self.version.split(".")[0]) | int(self.version.split(".")[1]) << 24,
        )  # fmt: skip
        for name, value in changes.items():
            asked[name] = value
        return self.call("nvEncOpenEncodeSessionEx", asked, c.byref(handle)), handle


@dataclass
class Packet:
    """What one lock gave."""

    data: bytes
    timestamp: int
    type: int
    index: int
    facts: dict[str, int] = field(default_factory=dict)


class Client:
    """A session that keeps all rules: inputs and outputs in turn, drained as soon as it may be."""

    width, height = 320, 240

    def __init__(self, api: Api, context: int, codec: str = "H264", outputs: int = 0) -> None:
        self.api, self.codec = api, codec
        status, self.session = api.open(context)
        assert status == SUCCESS
        self.outputs_wanted = outputs
        self.inputs: list[int] = []
        self.outputs: list[int] = []
        self.pending: list[int] = []
        self.taken: list[Packet] = []
        self.statuses: list[int] = []
        self.count = 0
        self.input_format = NV12

    def do(self, name: str, *arguments: Any) -> None:
        self.api.do(name, self.session, *arguments)

    def call(self, name: str, *arguments: Any) -> int:
        return self.api.call(name, self.session, *arguments)

    def error(self) -> str:
        at = self.api.facts["slots"]["nvEncGetLastErrorString"][0]
        address = int.from_bytes(self.api.list.buffer[at : at + 8], "little")
        found = c.CFUNCTYPE(c.c_char_p, c.c_void_p)(address)(self.session)
        return bytes(found).decode()

    @property
    def codec_config(self) -> str:
        return f"encodeCodecConfig.{self.codec.lower()}Config"

    def parameters(
        self, preset: str = "P4", tuning: int = LOW_LATENCY, **changes: Any
    ) -> tuple[Struct, Struct]:
        """Those of the preset with ``changes``: ``__`` for dots, ``codec__`` for the codec's."""
        api = self.api
        made = api.struct("NV_ENC_PRESET_CONFIG")
        made["presetCfg.version"] = api.facts["versions"]["NV_ENC_CONFIG_VER"]
        codec, chosen = api.guid(f"CODEC_{self.codec}"), api.guid(f"PRESET_{preset}")
        self.do("nvEncGetEncodePresetConfigEx", codec, chosen, tuning, made)
        config = api.struct("NV_ENC_CONFIG")
        at = made.place("presetCfg")[1][0]
        config.buffer[:] = made.buffer[at : at + len(config.buffer)]
        given = api.struct(
            "NV_ENC_INITIALIZE_PARAMS", encodeGUID=bytes(codec), presetGUID=bytes(chosen),
            encodeWidth=self.width, encodeHeight=self.height, darWidth=self.width,
            darHeight=self.height, frameRateNum=30, frameRateDen=1, enablePTD=1, tuningInfo=tuning,
            encodeConfig=config,
        )  # fmt: skip
        for name, value in changes.items():
            path = name.replace("__", ".")
            if path.startswith("codec."):
                config[f"{self.codec_config}.{path[6:]}"] = value
            elif path.split(".")[0] in api.facts["structs"]["NV_ENC_CONFIG"]["fields"]:
                config[path] = value
            else:
                given[path] = value
        return given, config

    def initialise(self, **changes: Any) -> int:
        given, config = self.parameters(**changes)
        self.given, self.config = given, config
        return self.call("nvEncInitializeEncoder", given)

    def begin(self, **changes: Any) -> Client:
        """Initialised, with buffers for what it holds back."""
        status = self.initialise(**changes)
        assert status == SUCCESS, (status, self.error())
        ahead = self.config["rcParams.lookaheadDepth"] * self.config["rcParams.enableLookahead"]
        reordered = max(0, self.config["frameIntervalP"] - 1)
        for _ in range(self.outputs_wanted or reordered + ahead + 4):
            made = self.api.struct("NV_ENC_CREATE_BITSTREAM_BUFFER")
            self.do("nvEncCreateBitstreamBuffer", made)
            self.outputs.append(made["bitstreamBuffer"])
            self.inputs.append(self.input_buffer())
        return self

    def input_buffer(self, **changes: Any) -> int:
        made = self.api.struct(
            "NV_ENC_CREATE_INPUT_BUFFER", width=self.width, height=self.height,
            bufferFmt=self.input_format,
        )  # fmt: skip
        for name, value in changes.items():
            made[name] = value
        self.do("nvEncCreateInputBuffer", made)
        return made["inputBuffer"]

    def write(self, buffer: int, rows: Sequence[bytes]) -> None:
        """Lock, write rows at the pitch, unlock."""
        lock = self.api.struct("NV_ENC_LOCK_INPUT_BUFFER", inputBuffer=buffer)
        self.do("nvEncLockInputBuffer", lock)
        for number, row in enumerate(rows):
            c.memmove(lock["bufferDataPtr"] + number * lock["pitch"], row, len(row))
        self.do("nvEncUnlockInputBuffer", c.c_void_p(buffer))

    def picture(self, buffer: int, output: int, flags: int = 0, **changes: Any) -> Struct:
        made = self.api.struct(
            "NV_ENC_PIC_PARAMS", inputWidth=self.width, inputHeight=self.height,
            inputPitch=self.width, encodePicFlags=flags, frameIdx=self.count,
            inputTimeStamp=1000 + self.count, inputBuffer=buffer, outputBitstream=output,
            bufferFmt=self.input_format, pictureStruct=1,
        )  # fmt: skip
        for name, value in changes.items():
            made[name.replace("__", ".")] = value
        return made

    def encode(self, rows: Sequence[bytes], flags: int = 0, **changes: Any) -> int:
        """One picture from host memory; what can be locked then, is."""
        buffer = self.inputs[self.count % len(self.inputs)]
        self.write(buffer, rows)
        return self.submit(buffer, flags, **changes)

    def submit(self, buffer: int, flags: int = 0, **changes: Any) -> int:
        output = self.outputs[self.count % len(self.outputs)]
        status = self.call("nvEncEncodePicture", self.picture(buffer, output, flags, **changes))
        self.statuses.append(status)
        if status in (SUCCESS, NEED_MORE_INPUT):
            self.count += 1
            self.pending.append(output)
        if status == SUCCESS:
            self.drain()
        return status

    def lock(self, output: int, **changes: Any) -> tuple[int, Struct]:
        made = self.api.struct("NV_ENC_LOCK_BITSTREAM", outputBitstream=output)
        for name, value in changes.items():
            made[name] = value
        return self.call("nvEncLockBitstream", made), made

    def drain(self) -> None:
        while self.pending:
            self.reap()

    def reap(self) -> Packet:
        output = self.pending.pop(0)
        status, lock = self.lock(output)
        assert status == SUCCESS, (status, self.error())
        data = c.string_at(lock["bitstreamBufferPtr"], lock["bitstreamSizeInBytes"])
        names = ("frameAvgQP", "numSlices", "frameIdx", "pictureStruct")
        packet = Packet(
            data, lock["outputTimeStamp"], lock["pictureType"], lock["frameIdxDisplay"],
            {name: lock[name] for name in names},
        )  # fmt: skip
        self.do("nvEncUnlockBitstream", c.c_void_p(output))
        self.taken.append(packet)
        return packet

    def end(self) -> list[Packet]:
        """The end of the stream; all packets so far."""
        ending = self.api.struct("NV_ENC_PIC_PARAMS", encodePicFlags=END)
        self.do("nvEncEncodePicture", ending)
        self.drain()
        return self.taken

    def sets(self) -> bytes:
        room, size = c.create_string_buffer(1024), c.c_uint32()
        asked = self.api.struct(
            "NV_ENC_SEQUENCE_PARAM_PAYLOAD", inBufferSize=1024, spsppsBuffer=c.addressof(room),
            outSPSPPSPayloadSize=c.addressof(size),
        )  # fmt: skip
        self.do("nvEncGetSequenceParams", asked)
        return room.raw[: size.value]

    def close(self) -> None:
        for buffer in self.inputs:
            self.do("nvEncDestroyInputBuffer", c.c_void_p(buffer))
        for output in self.outputs:
            self.do("nvEncDestroyBitstreamBuffer", c.c_void_p(output))
        self.inputs, self.outputs = [], []
        self.do("nvEncDestroyEncoder")


@contextmanager
def session(api: Api, context: int, codec: str = "H264", **options: Any) -> Iterator[Client]:
    """One that is flushed and closed in the end, if nothing went wrong."""
    client = Client(api, context, codec, **options)
    yield client
    if client.outputs:
        client.end()
    client.close()
