"""Replace the sound of a video. Pictures are copied, and so are subtitles if the new container supports them."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from os import PathLike
from pathlib import Path
from typing import Any, cast

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import Flags, InputContainer, OutputContainer
from av.packet import Packet
from av.stream import Disposition, Stream
from av.video.stream import VideoStream

from unbraid.audio.arrays import Floats
from unbraid.audio.blocks import resampled
from unbraid.audio.formats import OutputFormat, output_format
from unbraid.audio.mixing import Mix
from unbraid.audio.output_file import OutputFile
from unbraid.audio.part_decoder import MAX_ERRORS_IN_A_ROW
from unbraid.audio.probe import open_sound, probe
from unbraid.audio.stem_names import COMPLEMENT_PREFIX, VOCALS
from unbraid.audio.tags.write import TagWriter
from unbraid.errors import InputError


@dataclass(frozen=True, slots=True)
class _Kind:
    """A container, and the audio format that all its players support."""

    ending: str
    container: str
    sound: OutputFormat


_MP4 = _Kind("mp4", "mp4", output_format("m4a", "16"))
_WEBM = _Kind("webm", "webm", output_format("opus", "16"))
_MKV = _Kind("mkv", "matroska", output_format("opus", "16"))


def check_video(path: str | PathLike[str]) -> str:
    """Return the file extension of the new video. A cover is not a video.

    Raises InputError unless `path` is a video with pictures that can be copied.
    """
    container, _ = open_sound(path, None)
    with container:
        return _kind(container, Path(path).name).ending


def accompaniment_name(stems: Iterable[str]) -> str:
    """Return the name of the accompaniment: `no_STEM` if it is one of the stems, or else `no_vocals`."""
    return next((stem for stem in stems if stem.startswith(COMPLEMENT_PREFIX)), COMPLEMENT_PREFIX + VOCALS)


def write_without(
    video: str | PathLike[str],
    stems: Mapping[str, Path],
    folder: Path,
    *,
    stream: int | None = None,
    check: Callable[[], object] | None = None,
) -> Path:
    """Write `folder/no_vocals.mp4`: the video with the accompaniment as its sound. See `write_video`.

    `stems` maps names to files: either STEM and `no_STEM`, or all stems. The accompaniment is `no_STEM`, or the sum of
    all stems except the vocals.
    """
    complement = accompaniment_name(stems)
    names = [complement] if complement in stems else [stem for stem in stems if stem != VOCALS]
    mix = Mix([(stems[name], 1.0) for name in names])
    if len(names) > 1:
        mix.measure(None if check is None else lambda _: check())
    return write_video(video, mix, folder / complement, stream=stream, check=check)


def write_video(
    video: str | PathLike[str],
    mix: Mix,
    out: str | PathLike[str],
    *,
    stream: int | None = None,
    check: Callable[[], object] | None = None,
) -> Path:
    """Write the pictures of `video` with the sound `mix`, which starts at the start time of audio stream `stream`.

    The file is `out` with the suffix .mp4, .webm or .mkv: the video's container, or MKV if that container doesn't
    support its pictures. It is written atomically. `check` may raise an exception to stop the work. Raises InputError
    and OutputError.
    """
    container, sound = open_sound(video, stream)
    with container:
        kind = _kind(container, Path(video).name)
        path = Path(out).with_name(f"{Path(out).name}.{kind.ending}")
        part = OutputFile(path)
        with part.discard_on_error():
            tags = TagWriter("m4a", probe(video, stream).tags) if kind is _MP4 else None
            _write(container, sound, mix, part, kind, tags, check or (lambda: None))
            if tags is not None:
                tags.finish(part.file)
        part.commit()
    return path


def _kind(container: InputContainer, name: str) -> _Kind:
    """Choose a container that supports the pictures. Raises InputError."""
    pictures = _pictures(container)
    if not pictures:
        raise InputError(
            "is not a video: it has no moving pictures. Leave out the video option.", subject=name
        )
    is_web = {picture.codec_context.codec.canonical_name for picture in pictures} <= {"vp8", "vp9", "av1"}
    own = (_WEBM if is_web else _MKV) if "matroska" in container.format.name else _MP4
    for kind in dict.fromkeys((own, _MKV)):
        try:
            with av.open(io.BytesIO(), "w", format=kind.container) as trial:
                for picture in pictures:
                    trial.add_stream_from_template(picture, opaque=True)
                trial.start_encoding()
            return kind
        except MemoryError:  # FFmpeg's MemoryError is an FFmpegError too
            raise
        except (ValueError, av.FFmpegError):
            continue
    raise InputError("has pictures in a format that can't be copied. Convert it to MP4 first.", subject=name)


def _pictures(container: InputContainer) -> list[VideoStream]:
    return [
        stream
        for stream in container.streams.video
        if stream.codec_context is not None and not stream.disposition & Disposition.attached_pic
    ]


def _write(
    container: InputContainer,
    sound: AudioStream,
    mix: Mix,
    part: OutputFile,
    kind: _Kind,
    tags: TagWriter | None,
    check: Callable[[], object],
) -> None:
    container.flags |= Flags.gen_pts.value  # type: ignore[operator]  # AVI has no timestamps
    # The unit of edit lists, which hold the start times of pictures and sound. FFmpeg's default is the millisecond.
    options = {"movie_timescale": "90000"} if kind is _MP4 else {}
    with av.open(part.file, "w", format=kind.container, options=options, metadata_errors="replace") as output:
        copies = _copies(container, output)
        encoder = _Sound(output, mix, kind, _start_s(container, sound))
        encoder.stream.metadata.update(_described(sound))
        output.metadata.update(_metadata(container))
        if tags is None:
            output.set_chapters(container.chapters())
        else:
            tags.prepare(output)
        output.start_encoding()
        for packet in _packets(container, list(copies)):
            check()
            if (seconds := _seconds(packet)) is not None:
                encoder.until(seconds, check)
            packet.stream = copies[packet.stream]
            output.mux(packet)
        encoder.until(None, check)


def _copies(container: InputContainer, output: OutputContainer) -> dict[Stream, Stream]:
    """Add a copy of each picture and subtitle stream to `output`; return input stream -> output stream."""
    copies: dict[Stream, Stream] = {
        picture: output.add_stream_from_template(picture, opaque=True) for picture in _pictures(container)
    }
    for subtitle in container.streams.subtitles:
        with suppress(ValueError):  # the new container doesn't support them
            copies[subtitle] = output.add_stream_from_template(subtitle, opaque=True)
    for stream, copy in copies.items():
        copy.metadata.update(_described(stream))
    return copies


def _described(stream: Stream) -> dict[str, str]:
    return {name: value for name, value in stream.metadata.items() if name in ("language", "title")}


def _metadata(container: InputContainer) -> dict[str, str]:
    own = ("major_brand", "minor_version", "compatible_brands", "encoder", "duration")
    return {key: value for key, value in container.metadata.items() if key.lower() not in own}


def _start_s(container: InputContainer, sound: AudioStream) -> Fraction:
    """Start time of the sound on the video's clock."""
    if sound.start_time is None or sound.time_base is None:
        return Fraction(0)
    return sound.start_time * sound.time_base


def _packets(container: InputContainer, streams: list[Stream]) -> Iterator[Packet[Any]]:
    """Yield the packets of the streams; skip unreadable ones."""
    packets = container.demux(streams)
    errors = 0
    while errors <= MAX_ERRORS_IN_A_ROW:
        try:
            packet = next(packets)
        except StopIteration:
            return
        except MemoryError:  # FFmpeg's MemoryError is an FFmpegError too
            raise
        except av.FFmpegError:
            errors += 1
            continue
        errors = 0
        if packet.size:  # the last packet of each stream is empty
            yield packet


def _seconds(packet: Packet[Any]) -> Fraction | None:
    time = packet.pts if packet.dts is None else packet.dts
    return None if time is None else time * packet.time_base


class _Sound:
    """Encoder for the sound of the new video, in step with its pictures."""

    def __init__(self, output: OutputContainer, mix: Mix, kind: _Kind, start_s: Fraction) -> None:
        self._output = output
        self._rate = kind.sound.rate_for(mix.sample_rate)
        self._layout = "mono" if mix.channels == 1 else "stereo"
        self._format = kind.sound.sample_format
        self.stream = cast(AudioStream, output.add_stream(kind.sound.codec, rate=self._rate))
        self.stream.layout, self.stream.format = self._layout, self._format
        if bitrate := kind.sound.bitrate_for(None, self._rate):
            self.stream.bit_rate = bitrate
        self._blocks = resampled(mix.blocks(), mix.sample_rate, self._rate, mix.channels)
        self._next = round(start_s * self._rate)  # position of the next sample

    def until(self, seconds: Fraction | None, check: Callable[[], object]) -> None:
        """Encode all samples before `seconds`; None: all remaining samples."""
        while seconds is None or self._next < seconds * self._rate:
            check()
            block = next(self._blocks, None)
            if block is not None:
                self._encode(block)
            else:
                if seconds is None:
                    self._output.mux(self.stream.encode(None))
                return

    def _encode(self, block: Floats) -> None:
        samples = block if self._format.endswith("p") else block.T.reshape(1, -1)  # planar or not
        frame = AudioFrame.from_ndarray(
            np.ascontiguousarray(samples), format=self._format, layout=self._layout
        )
        frame.sample_rate = self._rate
        frame.pts, frame.time_base = self._next, Fraction(1, self._rate)
        self._next += block.shape[1]
        self._output.mux(self.stream.encode(frame))
