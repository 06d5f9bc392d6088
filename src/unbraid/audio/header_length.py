"""What a file's header says about its length, how far that can be believed, and whether the file has been cut off."""

from __future__ import annotations

import re
from pathlib import Path

from av.audio.stream import AudioStream
from av.container import InputContainer
from av.stream import Disposition

from unbraid.audio.lame import id3_size
from unbraid.audio.timeline import MP4

# Raw streams have no header; FFmpeg divides their size by the bit rate or looks at the last timestamps.
_ESTIMATED = frozenset({"aac", "ac3", "amr", "dts", "eac3", "mpeg", "mpegts", "truehd"})
_TAIL = 65536 + 1  # bytes: an Ogg page is at most 65307 long
_GAPLESS = re.compile(r"\s*[0-9A-F]+ ([0-9A-F]{1,8}) ([0-9A-F]{1,8}) ([0-9A-F]{1,16})\b", re.IGNORECASE)
# samples: 2112 of delay and two frames of 2048 (HE-AAC's), what Apple's encoders have at most
_LONGEST_PADDING = 2112 + 2 * 2048
_ROUNDING = 48  # samples: containers that count in milliseconds are off by less than one
_NOT_IN_PACKETS = ("pcm_", "adpcm_")  # MP4 counts these in samples
_HEAD = 4096  # bytes from the first MP3 frame on; the longest frame has 1441


def claimed_duration(container: InputContainer, sound: AudioStream) -> float | None:
    """Seconds the header or an estimate gives for the sound, None when nothing does."""
    if sound.duration and sound.time_base is not None:
        return float(sound.duration * sound.time_base)
    tagged = re.fullmatch(r"(\d+):(\d\d):(\d\d(?:\.\d+)?)", sound.metadata.get("DURATION", ""))  # Matroska
    if tagged:
        hours, minutes, seconds = tagged.groups()
        return int(hours) * 3600 + int(minutes) * 60 + float(seconds)
    return container.duration / 1_000_000 if container.duration else None  # AV_TIME_BASE: microseconds


def trusted_duration(path: Path, container: InputContainer, sound: AudioStream) -> float | None:
    """`claimed_duration` where it is a statement about this sound stream, and not an estimate or about the pictures."""
    name = container.format.name
    if name in _ESTIMATED or (name == "mp3" and not _has_length_header(path)):
        return None
    moving = any(not s.disposition & Disposition.attached_pic for s in container.streams.video)
    if moving and not sound.duration and "DURATION" not in sound.metadata:
        return None
    return claimed_duration(container, sound)


def exact_length(
    path: Path, container: InputContainer, sound: AudioStream, duration_s: float | None
) -> tuple[int | None, int]:
    """Samples in the song by iTunes' gapless tag or else by `duration_s`, and by how many that may be wrong."""
    if duration_s is None:
        return None, 0
    length = round(duration_s * sound.sample_rate)
    if container.format.name != MP4:
        return length, 0
    tagged = _gapless_length(container, length)
    if tagged is not None:
        return tagged, 0
    ticks_per_s = _movie_timescale(path)
    return length, -(-sound.sample_rate // ticks_per_s) if ticks_per_s else 0


def _gapless_length(container: InputContainer, length: int) -> int | None:
    """Samples in the song by the tag iTunSMPB: a zero, delay, padding and samples of the song, hexadecimal.

    None where the tag is not there, or doesn't fit the `length` by the container, which has delay and padding in it
    or not: tags are copied when a file is cut or joined.
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
    """Seconds of sound that an MP4 holds and its edit list leaves out, by whole packets. FFmpeg has cut its index."""
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


def _movie_timescale(path: Path) -> int:
    """The unit of an MP4's edit lists, 1/s (ISO/IEC 14496-12: box "mvhd" begins "moov"); 0 when there is none."""
    with path.open("rb") as file:
        while len(header := file.read(8)) == 8:
            size, kind, inside = int.from_bytes(header[:4], "big"), header[4:], 8
            if size == 1:
                size, inside = int.from_bytes(file.read(8), "big"), 16
            if kind == b"moov":
                box = file.read(40)
                at = 28 if box[8:9] == b"\x01" else 20  # past times of 8 or 4 bytes each
                return int.from_bytes(box[at : at + 4], "big") if box[4:8] == b"mvhd" else 0
            if size < inside:
                return 0
            file.seek(size - inside, 1)
    return 0


def is_cut_off(path: Path, container_name: str) -> bool:
    """Whether a WAV, Ogg or Matroska file ends before its end, which FFmpeg's durations of them don't show."""
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - _TAIL))
        tail = file.read()
        file.seek(0)
        head = file.read(256)
    if container_name == "ogg":
        page = tail.rfind(b"OggS")
        return (
            page < 0 or len(tail) < page + 27 or not tail[page + 5] & 4
        )  # "last page of the stream", RFC 3533
    if container_name == "wav":
        unknown = (0, 0xFFFFFFFF)  # as written to a pipe
        declared = int.from_bytes(head[4:8], "little")
        if head[:4] == b"RF64":
            declared = int.from_bytes(head[20:28], "little")
        return declared not in unknown and size + 1 < 8 + declared  # some leave out the last padding byte
    if container_name == "matroska,webm":
        return size < _matroska_size(head)
    return False


def is_one_page_of_vorbis(path: Path, container: InputContainer, sound: AudioStream) -> bool:
    """Whether an Ogg Vorbis file has all its sound, up to some seconds, in one page.

    Its time is then the length of the song (Vorbis I, appendix A.2), which FFmpeg doesn't take it for.
    """
    if container.format.name != "ogg" or sound.codec_context.name != "vorbis":
        return False
    nothing_ends, last_page = (0, (1 << 64) - 1), 4
    with path.open("rb") as file:
        while len(head := file.read(27)) == 27 and head.startswith(b"OggS"):  # RFC 3533, section 6
            if int.from_bytes(head[6:14], "little") not in nothing_ends:
                return bool(head[5] & last_page)
            file.seek(sum(file.read(head[26])), 1)
    return False


def _matroska_size(head: bytes) -> int:
    """Size of a file that begins with `head` (RFC 8794: an element's id, its size, its data), 0 when not known."""
    segment = head.find(b"\x18\x53\x80\x67") + 4
    if segment < 4 or len(head) < segment + 8 or head[segment] == 0:
        return 0
    width = 9 - head[segment].bit_length()  # as many leading zeros as bytes follow
    mask = (1 << 7 * width) - 1
    length = int.from_bytes(head[segment : segment + width], "big") & mask
    return 0 if length == mask else segment + width + length


def _has_length_header(path: Path) -> bool:
    """Whether an MP3's first frame is a Xing, LAME or VBRI header."""
    with path.open("rb") as file:
        file.seek(id3_size(file.read(10)))
        return re.search(b"Xing|Info|VBRI", file.read(_HEAD)) is not None
