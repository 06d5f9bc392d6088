"""Open a part of a file with FFmpeg, and choose an audio stream."""

from __future__ import annotations

from contextlib import suppress
from typing import NamedTuple

import av
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.stream import Disposition

from unbraid.audio.file_view import FilePart
from unbraid.audio.parts import without_outer_tags, without_tags
from unbraid.errors import InputError, NotAudio, SettingError
from unbraid.out_of_memory import probe_memory

# Only these demultiplexers may open an input. Playlists and scripts (HLS, DASH, concat) are excluded: they name further
# files and URLs, which a server must not open.
CONTAINERS = (
    "aac,ac3,aiff,amr,ape,asf,au,avi,caf,dsf,dts,eac3,flac,flv,matroska,webm,mov,mp4,m4a,3gp,3g2,mj2,mp3,mpc,mpc8,mpeg,"
    "mpegts,nut,ogg,rm,tak,truehd,tta,voc,w64,wav,wv"
)
_OPEN_OPTIONS = {"protocol_whitelist": "file", "format_whitelist": CONTAINERS}
# Sound that accompanies a video or a concert, but isn't the song itself.
_NOT_THE_SONG = (
    Disposition.comment
    | Disposition.visual_impaired
    | Disposition.hearing_impaired
    | Disposition.descriptions
    | Disposition.dependent
    | Disposition.karaoke
    | Disposition.clean_effects
)
_TRANSPORT_STREAM = "mpegts"
_TS_SYNC = b"\x47"  # first byte of every packet
_MEMORY_TO_OPEN = 64 << 20  # bytes; more than any header needs
# FFmpeg searches the samples of a WAV for DTS, because WAV copies of DTS CDs contain it. The search takes 25 ms, nearly
# all the time of opening a file, so it is skipped when a file is opened again.
_SKIP_DTS_SEARCH = {"max_probe_packets": "1"}


class OpenSound(NamedTuple):
    """An open part of a file, and one of its audio streams. The caller closes the container."""

    part: FilePart
    container: InputContainer
    sound: AudioStream


def open_part(part: FilePart, stream: int | None, is_plain_pcm: bool = False) -> OpenSound:
    """Open a part of a file, and choose an audio stream. Raises InputError, SettingError.

    `is_plain_pcm`: the file has been opened before, and is a WAV with PCM.
    """
    name = part.path.name
    options = _OPEN_OPTIONS | _SKIP_DTS_SEARCH if is_plain_pcm else _OPEN_OPTIONS
    try:
        part, container = _open_without_tags(part, options)
        try:
            format_name = container.format.name
            stripped = without_tags(part, format_name)
            if stripped != part:
                container.close()
                part, container = stripped, _open(stripped, options, format_name)
            try:
                return OpenSound(part, container, _choose(container, stream, name))
            except (InputError, SettingError):  # no such stream
                if format_name == _TRANSPORT_STREAM or not _starts_transport_stream(part):
                    raise
                container.close()
                container = _open(part, options, _TRANSPORT_STREAM)
                return OpenSound(part, container, _choose(container, stream, name))
        except BaseException:
            container.close()
            raise
    except (av.FFmpegError, ValueError, OSError, MemoryError) as error:
        if isinstance(
            error, MemoryError
        ):  # FFmpeg also raises it for a damaged size, such as 2**31 times in an MP4
            probe_memory(_MEMORY_TO_OPEN)
        raise NotAudio(
            "can't be read as audio: it is damaged or not an audio file. Try to play it, or convert it to WAV.",
            subject=name,
        ) from error


def _starts_transport_stream(part: FilePart) -> bool:
    """Whether a part starts with a packet of an MPEG transport stream, or with what damage left of one.

    FFmpeg takes a damaged one for a program stream, whose packets it contains, and then finds no sound in it.
    """
    with part.open() as file:
        return file.read(1) == _TS_SYNC


def _open_without_tags(part: FilePart, options: dict[str, str]) -> tuple[FilePart, InputContainer]:
    """Open a part, if need be without its tags: FFmpeg may not recognise a few frames between large tags."""
    try:
        return part, _open(part, options)
    except av.FFmpegError as error:
        if not isinstance(error, MemoryError):
            for stripped in (
                without_outer_tags(part),
                *(without_tags(part, name) for name in ("mp3", "aac", "ac3")),
            ):
                with suppress(av.FFmpegError):
                    if stripped != part:
                        return stripped, _open(stripped, options)
        raise


def _open(part: FilePart, options: dict[str, str], format: str | None = None) -> InputContainer:
    if part.ranges is not None:
        return av.open(part.open_raw(), "r", format=format, options=options, metadata_errors="replace")
    name = f"file:{part.path.absolute()}"  # with this prefix FFmpeg never interprets it as a URL
    try:
        return av.open(name, "r", format=format, options=options, metadata_errors="replace")
    except MemoryError:
        raise
    except av.FFmpegError:
        with part.open() as file:
            head = file.read(3)
        if head == b"ID3" or (len(head) == 3 and head[0] == 0xFF and head[1] & 0xE0 == 0xE0):
            # FFmpeg sometimes mistakes an MP3 of two frames for a video.
            return av.open(name, "r", format="mp3", options=options, metadata_errors="replace")
        raise


def _rank(sound: AudioStream) -> tuple[bool, bool]:
    """Rank streams that a file has several of, the best lowest: the song before commentaries, then the default one."""
    return bool(sound.disposition & _NOT_THE_SONG), not sound.disposition & Disposition.default


def _choose(container: InputContainer, stream: int | None, name: str) -> AudioStream:
    sounds = [s for s in container.streams.audio if s.codec_context is not None]
    if not sounds:
        if any(s.codec_context is None for s in container.streams.audio):
            raise InputError(
                "has audio in a codec that isn't supported. Convert it to WAV or FLAC.", subject=name
            )
        what = "only pictures" if container.streams.video else "nothing that can be played"
        raise NotAudio(f"has no audio, {what}. Choose a file with audio.", subject=name)
    if stream is None:
        chosen = min(sounds, key=_rank)
    elif 0 <= stream < len(container.streams.audio):
        chosen = container.streams.audio[stream]
    else:
        raise SettingError(
            f"has no audio stream {stream}. It has {len(container.streams.audio)}, counted from 0.",
            subject=name,
        )
    if (
        chosen.codec_context is None
        or chosen.sample_rate <= 0
        or chosen.codec_context.layout.nb_channels <= 0
    ):
        raise InputError(
            "has audio that can't be decoded. Try to play it, or convert it to WAV.", subject=name
        )
    return chosen
