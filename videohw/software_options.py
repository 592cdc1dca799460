"""Options of the software backend alone; those that all backends have are arguments."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

from .errors import InvalidInput


@dataclass(frozen=True, slots=True)
class SoftwareDecoderOptions:
    """Options of the ``software`` backend that the arguments of ``Decoder`` do not cover.

    ``threads``: threads of the codec library, None lets it decide; 1 gives one picture for each
    one fed, as far as the stream does not reorder. ``thread_type``: "frame" decodes several
    pictures at once and holds one for each thread but the first, "slice" the parts of a picture
    that its coding leaves independent, "auto" what suits, with ``low_latency`` never frames.

    Intact streams decode to the same on any threads. For H.264 "auto" takes only as many as let
    damage be noticed, one with ``low_latency``, and holds back one more picture for each. With
    "slice", and with more "frame" threads, it may go unnoticed: ``Frame.corrupt`` is None.

    ``pipeline``: convert pixels on threads of their own, beside the codec's; None asks the
    environment (VIDEO_HW_SW_PIPELINE). ``pipeline_queue``: most conversions under way, 1 to 1024;
    None asks VIDEO_HW_SW_PIPELINE_QUEUE, else it is twice ``max_in_flight``, 4 to 128.
    """

    threads: int | None = None
    thread_type: Literal["auto", "frame", "slice"] = "auto"
    pipeline: bool | None = None
    pipeline_queue: int | None = None

    def __post_init__(self) -> None:
        _check_threads(self.threads)
        _check_pipeline(self.pipeline, self.pipeline_queue)
        if self.thread_type not in ("auto", "frame", "slice"):
            raise InvalidInput(
                f"options.thread_type is {self.thread_type!r}",
                argument="options.thread_type",
                hint="auto, frame or slice",
            )


@dataclass(frozen=True, slots=True)
class SoftwareEncoderOptions:
    """Options of the ``software`` backend that the arguments of ``Encoder`` do not cover.

    ``threads``: threads of the codec library, None lets it decide. ``codec_options``: options of
    libavcodec's encoder by their names there, such as ``{"aq-mode": 3}`` or ``{"x265-params":
    "sao=0:aq-mode=3"}``; they win over what the arguments of ``Encoder`` were mapped to. Opening
    refuses options that an argument owns (``bf``, ``preset``, ...) and names that libavcodec does
    not know; x264, x265 and SVT-AV1 ignore unknown names inside their ``-params``.

    ``pipeline``: convert pixels on threads of their own, beside the codec's; None asks the
    environment (VIDEO_HW_SW_PIPELINE). ``pipeline_queue``: most conversions under way, 1 to 1024;
    None asks VIDEO_HW_SW_PIPELINE_QUEUE, else it is twice ``max_in_flight``, 4 to 128.
    """

    threads: int | None = None
    codec_options: Mapping[str, str | int | float] = field(
        default_factory=lambda: MappingProxyType({})
    )
    pipeline: bool | None = None
    pipeline_queue: int | None = None

    def __post_init__(self) -> None:
        _check_threads(self.threads)
        _check_pipeline(self.pipeline, self.pipeline_queue)
        options: object = self.codec_options
        if not isinstance(options, Mapping):
            raise InvalidInput(
                f"options.codec_options is {type(options).__name__}",
                argument="options.codec_options",
                hint='a mapping such as {"aq-mode": 3}',
            )
        for name, value in options.items():
            if (
                not isinstance(name, str)
                or not isinstance(value, (str, int, float))
                or isinstance(value, bool)
            ):
                raise InvalidInput(
                    f"options.codec_options[{name!r}] is {value!r}",
                    argument="options.codec_options",
                    hint="names are text, values text or numbers",
                )


def _check_threads(threads: object) -> None:
    if threads is not None and (
        not isinstance(threads, int) or isinstance(threads, bool) or not 1 <= threads <= 1024
    ):
        raise InvalidInput(
            f"options.threads is {threads!r}", argument="options.threads", hint="1 to 1024"
        )


def _check_pipeline(pipeline: object, queue: object) -> None:
    if pipeline is not None and not isinstance(pipeline, bool):
        raise InvalidInput(
            f"options.pipeline is {pipeline!r}",
            argument="options.pipeline",
            hint="True, False, or None for the environment",
        )
    if queue is not None and (
        not isinstance(queue, int) or isinstance(queue, bool) or not 1 <= queue <= 1024
    ):
        raise InvalidInput(
            f"options.pipeline_queue is {queue!r}",
            argument="options.pipeline_queue",
            hint="1 to 1024",
        )
