"""Read a file's length from its header, judge how reliable that is, and detect truncated files."""

from __future__ import annotations

import re

from av.audio.stream import AudioStream
from av.container import InputContainer
from av.stream import Disposition

from unbraid.audio.file_view import FilePart
from unbraid.audio.flac_frames import samples_up_to
from unbraid.audio.lame import HEADER_FRAME, declared_frames
from unbraid.audio.mpeg_frames import frames_of
from unbraid.audio.ogg_pages import first_page_of_sound, has_last_page
from unbraid.audio.tag_blocks import leading_id3_size
from unbraid.audio.timeline import MP4

# Containers of raw streams have no length. FFmpeg estimates it: size divided by bit rate, or the last timestamps.
_ESTIMATED = frozenset({"aac", "ac3", "amr", "dts", "eac3", "mpeg", "mpegts", "truehd"})
_TAIL = 65536 + 1  # bytes: an Ogg page is at most 65307 long
_GAPLESS = re.compile(r"\s*[0-9A-F]+ ([0-9A-F]{1,8}) ([0-9A-F]{1,8}) ([0-9A-F]{1,16})\b", re.IGNORECASE)
# samples: 2112 of delay and two frames of 2048 (HE-AAC), the maximum of Apple's encoders
_LONGEST_PADDING = 2112 + 2 * 2048
_ROUNDING = 48  # samples: a millisecond at 48 kHz, the rounding of containers that count milliseconds
_MOST_UNDECLARED_FRAMES = 2  # of padding, behind the frames that an MP3 declares
_NOT_IN_PACKETS = ("pcm_", "adpcm_")  # MP4 indexes these by sample


def claimed_duration(container: InputContainer, sound: AudioStream) -> float | None:
    """Return the length in seconds, from the header or FFmpeg's estimate; None if there is neither."""
    duration_s = _header_time(container, sound)
    if (
        duration_s is None
        or not _is_end_time(container, sound)
        or not sound.start_time
        or not sound.time_base
    ):
        return duration_s
    length_s = duration_s - float(sound.start_time * sound.time_base)
    return length_s if length_s > 0 else duration_s


def _header_time(container: InputContainer, sound: AudioStream) -> float | None:
    if sound.duration and sound.time_base is not None:
        return float(sound.duration * sound.time_base)
    tagged = re.fullmatch(
        r"(\d{1,9}):(\d\d):(\d\d(?:\.\d+)?)", sound.metadata.get("DURATION", "")
    )  # Matroska
    if tagged:
        hours, minutes, seconds = tagged.groups()
        return int(hours) * 3600 + int(minutes) * 60 + float(seconds)
    return container.duration / 1_000_000 if container.duration else None  # AV_TIME_BASE: microseconds


def _is_end_time(container: InputContainer, sound: AudioStream) -> bool:
    """Whether the header's time is that of the end, not the length. They differ if the sound starts late.

    Matroska and ASF count from the start of the file. FFmpeg gives the end for Opus in Ogg, and the length for Vorbis.
    """
    name = container.format.name
    return name in ("matroska,webm", "asf") or (
        name == "ogg" and sound.codec_context.name in ("opus", "libopus")
    )


def trusted_duration(part: FilePart, container: InputContainer, sound: AudioStream) -> float | None:
    """Return `claimed_duration` if it is from a header and describes this stream, not the video; else None."""
    name = container.format.name
    if name in _ESTIMATED or (name == "mp3" and not _declares_all_frames(part)):
        return None
    moving = any(not s.disposition & Disposition.attached_pic for s in container.streams.video)
    # ASF declares one length, which FFmpeg gives to all streams.
    if moving and (name == "asf" or not sound.duration) and "DURATION" not in sound.metadata:
        return None
    return claimed_duration(container, sound)


def exact_length(
    part: FilePart, container: InputContainer, sound: AudioStream, duration_s: float | None
) -> tuple[int | None, int]:
    """Return the length in samples, from iTunes' gapless tag or else `duration_s`, and its largest error in samples."""
    if duration_s is None:
        return None, 0
    length = round(duration_s * sound.sample_rate)
    if container.format.name == "flac" and not _ends_at(part, length):
        return None, 0
    if container.format.name != MP4:
        return length, 0
    tagged = _gapless_length(container, length)
    if tagged is not None:
        return tagged, 0
    ticks_per_s = _movie_timescale(part)
    return length, -(-sound.sample_rate // ticks_per_s) if ticks_per_s else 0


def _ends_at(part: FilePart, length: int) -> bool:
    """Whether the last frame of a FLAC ends at that many samples. If not, another recording follows the first.

    Then FFmpeg decodes no frame twice at the end, but the frames of the other recording.
    """
    with part.open() as file:
        return samples_up_to(file, file.seek(0, 2)) in (None, length)


def _gapless_length(container: InputContainer, length: int) -> int | None:
    """Return the length from the tag iTunSMPB: zero, delay, padding and length in samples, in hexadecimal.

    None if the tag is missing, or if it contradicts the container's `length`, which may or may not include delay and
    padding. Editors copy the tag when they cut or join files.
    """
    tag = _GAPLESS.match(container.metadata.get("iTunSMPB", ""))
    if tag is None:
        return None
    delay, padding, tagged = (int(number, 16) for number in tag.groups())
    surplus = length - tagged
    return (
        tagged
        if tagged and -_ROUNDING <= surplus <= min(delay + padding, _LONGEST_PADDING) + _ROUNDING
        else None
    )


def left_out_s(container: InputContainer, sound: AudioStream) -> float:
    """Return the seconds of an MP4 that its edit list skips, in whole packets. FFmpeg removes them from its index."""
    entries = sound.index_entries
    if (
        container.format.name != MP4
        or sound.codec_context.name.startswith(_NOT_IN_PACKETS)
        or len(entries) < 2
        or sound.time_base is None
    ):
        return 0.0
    packet_s = float((entries[-1].timestamp - entries[0].timestamp) * sound.time_base) / (len(entries) - 1)
    return max(0, sound.frames - len(entries)) * packet_s


def _movie_timescale(part: FilePart) -> int:
    """Return the unit of an MP4's edit lists in 1/s (ISO/IEC 14496-12: "mvhd", the first box in "moov"); 0: none."""
    with part.open() as file:
        while len(header := file.read(8)) == 8:
            size, kind, inside = int.from_bytes(header[:4], "big"), header[4:], 8
            if size == 1:
                size, inside = int.from_bytes(file.read(8), "big"), 16
            if kind == b"moov":
                box = file.read(40)
                at = 28 if box[8:9] == b"\x01" else 20  # after two times of 8 or 4 bytes
                return int.from_bytes(box[at : at + 4], "big") if box[4:8] == b"mvhd" else 0
            if size < inside:
                return 0
            file.seek(size - inside, 1)
    return 0


def is_cut_off(part: FilePart, container_name: str) -> bool:
    """Whether a WAV, Ogg or Matroska file is truncated, which FFmpeg's durations don't show."""
    with part.open() as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - _TAIL))
        tail = file.read()
        file.seek(0)
        head = file.read(256)
    if container_name == "ogg":
        return not has_last_page(tail)
    if container_name == "wav":
        unknown = (0, 0xFFFFFFFF)  # written by encoders that write to a pipe
        declared = int.from_bytes(head[4:8], "little")
        if head[:4] == b"RF64":
            declared = int.from_bytes(head[20:28], "little")
        return (
            declared not in unknown and size + 1 < 8 + declared
        )  # some encoders omit the final padding byte
    if container_name == "matroska,webm":
        return size < _matroska_size(head)
    return False


def is_one_page_of_vorbis(part: FilePart, container: InputContainer, sound: AudioStream) -> bool:
    """Whether an Ogg Vorbis file has all its audio in one page, which holds a few seconds.

    The time of that page is then the length of the song (Vorbis I, appendix A.2). FFmpeg doesn't know this rule.
    """
    if container.format.name != "ogg" or sound.codec_context.name != "vorbis":
        return False
    with part.open() as file:
        return first_page_of_sound(file)[1]


def first_page_end(part: FilePart, container: InputContainer, sound: AudioStream) -> int | None:
    """Return the time in samples at the end of the first page of FLAC in Ogg; None for other files.

    FFmpeg counts the packets of that page from 0, although the sound may start late.
    """
    if container.format.name != "ogg" or sound.codec_context.name != "flac":
        return None
    with part.open() as file:
        return first_page_of_sound(file)[0]


def _matroska_size(head: bytes) -> int:
    """Return the size that the `head` of a Matroska file declares (RFC 8794: element id, size, data); 0: unknown."""
    segment = head.find(b"\x18\x53\x80\x67") + 4
    if segment < 4 or len(head) < segment + 8 or head[segment] == 0:
        return 0
    width = 9 - head[segment].bit_length()  # the leading zeros count the bytes that follow
    mask = (1 << 7 * width) - 1
    length = int.from_bytes(head[segment : segment + width], "big") & mask
    return 0 if length == mask else segment + width + length


def _declares_all_frames(part: FilePart) -> bool:
    """Whether the first frame of an MP3 declares as many frames as there are, or more. If not, files were joined.

    FFmpeg then returns that number nevertheless, or an estimate: the file's size divided by the first bit rate.
    """
    with part.open() as file:
        file.seek(leading_id3_size(file))
        declared = declared_frames(file.read(HEADER_FRAME))
    counted = frames_of(FilePart(part.path), "mp3").number or 0
    return declared > 0 and counted <= 1 + declared + _MOST_UNDECLARED_FRAMES
