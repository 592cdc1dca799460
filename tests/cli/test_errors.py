"""How a command ends: the line a person reads and the code a shell gets."""

from __future__ import annotations

import errno

import pytest

from videohw.cli.errors import (
    CommandFailed,
    ExitCode,
    UsageError,
    exit_code_of,
    in_options,
    one_line,
)
from videohw.errors import BackendError, InvalidBitstream, InvalidInput, UnsupportedConfig

ERRORS = [
    (UsageError("no size", hint="give --size"), 2, "no size (give --size)"),
    (CommandFailed("x exists", hint="-y replaces it"), 1, "x exists (-y replaces it)"),
    (InvalidInput("gop is -1", argument="gop", hint="0 on"), 2, "--gop: gop is -1 (0 on)"),
    (InvalidInput("bps is 0", argument="rate_control.bps"), 2, "--bitrate: bps is 0"),
    (InvalidInput("no video", argument="source"), 1, "no video"),
    (InvalidBitstream("bad\nSPS", offset=3), 1, "bad SPS"),
    (UnsupportedConfig("left", hint="or strict=False"), 1, "left (or no --strict)"),
    (BackendError("avcodec_open2 failed"), 1, "avcodec_open2 failed"),
    (FileNotFoundError(errno.ENOENT, "", "a.mp4"), 1, "a.mp4: No such file or directory"),
    (OSError(errno.ENOSPC, "", "o.mp4"), 1, "o.mp4: No space left on device (free some space"),
    (OSError("odd"), 1, "odd"),
    (MemoryError(), 1, "out of memory"),
    (KeyError("k"), 1, "unexpected KeyError: 'k' (this is a bug of videohw"),
]


@pytest.mark.parametrize(("error", "code", "text"), ERRORS, ids=lambda v: type(v).__name__)
def test_every_error_is_one_line_with_its_code(error, code, text):
    assert exit_code_of(error) == code
    assert one_line(error).startswith(text)
    assert "\n" not in one_line(error)


def test_a_name_cannot_send_commands_to_the_terminal():
    assert one_line(CommandFailed("\x1b[2J\x07.mp4 exists")) == "?[2J?.mp4 exists"


@pytest.mark.parametrize(
    ("api", "shown"),
    [
        ("container= one of mp4", "--container one of mp4"),
        ("format= names it", "--input-format names it"),
        ("software and require_hardware=True", "software and --require-hardware"),
        ("or strict=False", "or no --strict"),
        ('encoder_backend="auto" takes', "--encoder-backend auto takes"),
        ('on_error="skip" helps', "--on-error skip helps"),
        ("on_error=skip helps", "--on-error skip helps"),
        ("max_in_flight=8 stays", "max_in_flight=8 stays"),
        ("a == b", "a == b"),
    ],
)
def test_arguments_of_the_api_are_shown_as_options(api, shown):
    assert in_options(api) == shown


def test_codes_are_those_that_shells_know():
    assert [int(code) for code in ExitCode] == [0, 1, 2, 129, 130, 141, 143]
