"""Properties of the picture in a coded packet, read without decoding it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeAlias

from av.packet import Packet
from av.video.stream import VideoStream

VideoPacket: TypeAlias = "Packet[VideoStream]"
Check = Callable[["VideoPacket"], bool]

_LENGTH_SIZE_AT = {"h264": 4, "hevc": 21}  # ISO/IEC 14496-15: avcC and hvcC
_CONFIGURATION_VERSION = 1  # the first byte of both; Annex B starts with 0
_IS_SLICE = {
    "h264": [1 <= header & 0x1F <= 5 for header in range(256)],  # noqa: PLR2004 -- H.264, table 7-1
    "hevc": [header >> 1 & 0x3F < 32 for header in range(256)],  # noqa: PLR2004 -- H.265, table 7-1
}  # by the first byte of a NAL unit
_FORBIDDEN_BIT = 0x80  # first bit of every NAL unit, always 0
_SOS, _EOI, _GIF_TRAILER = b"\xff\xda", b"\xff\xd9", b"\x3b"
_PICTURES, _PICTURE_SUFFIX = "image2", "_pipe"
_VP8_SHOW_FRAME = 0x10  # RFC 6386, 9.1
_MPEG4_VOP = b"\x00\x00\x01\xb6"
_MPEG4_NOT_CODED_BYTES = 16  # a picture that is not coded takes a few bytes


def hidden_check(stream: VideoStream) -> Check:
    """Return a function: does a packet hold a picture that is never shown?

    VP8 has packets of their own for pictures that others only refer to.
    """
    return _is_hidden_vp8 if stream.codec.canonical_name == "vp8" else lambda _: False


def _is_hidden_vp8(packet: VideoPacket) -> bool:
    return not memoryview(packet)[0] & _VP8_SHOW_FRAME


def integrity_check(stream: VideoStream) -> Check:
    """Return a function: does a packet look like exactly one whole picture?

    H.264 and HEVC in MP4 and Matroska: the lengths of the NAL units add up to the packet, and one
    of them is a coded slice. MPEG-4 Part 2: it is one picture, and coded. For other codecs only
    the corrupt flag of the container counts. Damage inside a picture is not found.
    """
    codec = stream.codec.canonical_name
    configuration = stream.codec_context.extradata or b""
    at = _LENGTH_SIZE_AT.get(codec, len(configuration))
    if len(configuration) > at and configuration[0] == _CONFIGURATION_VERSION:
        return partial(_has_whole_units, _IS_SLICE[codec], (configuration[at] & 3) + 1)
    return _is_one_vop if codec == "mpeg4" else _is_not_corrupt


def early_end_check(stream: VideoStream) -> Check:
    """Return a function: does the file end inside this packet's picture?

    The decoders of JPEG and GIF fill in what is missing, and report nothing. A JPEG picture ends
    with its EOI marker (ITU-T T.81, B.1.1.3), behind the last scan: a preview has one of its own.
    A picture of a GIF ends with an empty block, maybe before the file's trailer (GIF89a, 15).
    """
    codec, name = stream.codec.canonical_name, stream.container.format.name
    if codec == "mjpeg" and is_picture_format(name):
        return lambda packet: not _has_end_of_image(bytes(packet))
    return _lacks_terminator if codec == "gif" else lambda _: False


def _has_end_of_image(data: bytes) -> bool:
    return data.rfind(_EOI) > data.rfind(_SOS)


def _lacks_terminator(packet: VideoPacket) -> bool:
    return not bytes(packet).rstrip(_GIF_TRAILER).endswith(b"\0")


def is_picture_format(name: str) -> bool:
    """Return whether FFmpeg's reader of this name, such as ``png_pipe``, is of picture files."""
    return name == _PICTURES or name.endswith(_PICTURE_SUFFIX)


def _is_not_corrupt(packet: VideoPacket) -> bool:
    return not packet.is_corrupt


def _has_whole_units(is_slice: Sequence[bool], length_size: int, packet: VideoPacket) -> bool:
    data, at, has_slice = memoryview(packet), 0, False
    end = len(data)
    while at + length_size < end:
        header = data[at + length_size]
        if header & _FORBIDDEN_BIT:
            return False
        has_slice = has_slice or is_slice[header]
        at += length_size + int.from_bytes(data[at : at + length_size], "big")
    return at == end and has_slice and not packet.is_corrupt


def _is_one_vop(packet: VideoPacket) -> bool:
    coded = packet.size > _MPEG4_NOT_CODED_BYTES and bytes(packet).count(_MPEG4_VOP) == 1
    return coded and not packet.is_corrupt
