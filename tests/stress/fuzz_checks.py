"""Check how `unbraid` reads a fuzzed file, against its recordings and against a plain decode by FFmpeg.

Lengths are compared in seconds, because damage may change the rate. A frame is the longest frame of the codec: 1152
samples for MP3 and MP2, 1024 for AAC (2048 with SBR), 1536 for AC-3 and E-AC-3, up to 1024 for Vorbis as FFmpeg writes
it, 960 for Opus, 4608 for FLAC, 4096 for ALAC, 2048 for WMA, 1.04 s for TTA, a second at most for WavPack. PCM has no
frames; FFmpeg reads it in packets of up to 4096 samples, and a sample is the unit for intact files.

Intact files, where the right length R is the sum of the recordings (the first recording for formats that can't be
joined), P the encoder's delay and padding that the format can't declare (`Part.surplus`):
- R - one frame <= length <= R + P + one frame.
- With tags: the same samples as without, to the bit. Tags take no time, and the decoder can't see them.
  FFmpeg may take the rate of the second recording for the first one if the first lasts less than 5 s; then only the
  length has to be the same, to 0.02 s.
- Formats that can't be joined: joined files may be as long as FFmpeg's plain decode, which may read later headers
  as sound.

Damaged files, where F is the length of FFmpeg's plain decode of the file without tags, which skips packets that raise,
U the length of the file before the damage, and D the packets that raise, a frame each:
- Length >= min(F, R) - one frame for each joined part. Nothing that FFmpeg decodes is lost. The minimum is needed
  because headers and the durations of packets declare padding, which our decoder cuts off and a plain decode may keep:
  FFmpeg trims the padding of joined files only at the end of the last. It may also decode frames twice after damage in
  FLAC. PCM has no padding, so there the bound is F. If the first of joined WAV or AIFF files was cut short, FFmpeg
  reads the next one with the rate of the first. So the sum of its decodes of each is a bound too, if it decodes all.
  In ADPCM the bytes of the next one are then out of step with the blocks, so FFmpeg makes noise of them, and one
  without a header counts as nothing.
- Length <= max(F + D, U + I) + one frame, where I is the time of inserted bytes at the mean bit rate of U: undecodable
  bytes between frames become silence of the length they would have had. Silence for packets that are lost can't exceed
  the length U, because they were part of it. An MP4, Matroska or AVI without its start may be read as an MP3. Then the
  tables and the other streams are bytes between frames, which weren't part of U. FFmpeg's parser makes one packet of
  all bytes up to the next frame, so D counts as many frames as these packets have room for. FFmpeg reads only the first
  of joined WAV and AIFF files. There F is the sum of its decodes of each, because a damaged rate makes the sound of any
  of them longer.
- If tags are added to a file without its first 8 bytes, which name its format, there is no right length: it may become
  an MP3, because FFmpeg finds bytes like its frames in a tag. Such files are only checked for crashes.
- The error "can't be read" is right only if FFmpeg decodes less than a frame.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
from tests.stress.fuzz_formats import joint_surplus
from tests.stress.fuzzed_files import FuzzedFile

from unbraid import Separator
from unbraid.audio.arrays import Floats
from unbraid.audio.decode import Decoder
from unbraid.audio.open_part import CONTAINERS
from unbraid.errors import InputError, OutputError, SettingError
from unbraid.separation.song import FileSong

LONGEST_MESSAGE = 400  # characters
SEPARATE_EVERY = 20
OTHER_RATE_TOLERANCE_S = 0.02


@dataclass(frozen=True)
class Reading:
    """How `unbraid` read a file: its sound, or an error."""

    sound: Floats | None
    rate: int
    stream: int
    container: str
    error: str = ""

    @property
    def seconds(self) -> float:
        """The length."""
        return 0.0 if self.sound is None else self.sound.shape[1] / self.rate


@dataclass(frozen=True)
class Plain:
    """FFmpeg's plain decode."""

    seconds: float
    frame_s: float
    """The longest frame."""
    failed: int
    """Packets that raised."""
    failed_by_size: int
    """Frames of the mean size that these packets have room for, at least one each."""


def check(file: FuzzedFile, folder: Path, model: Path) -> tuple[str, list[str]]:
    """Return "read" or "refused", and a line for each problem. `folder` is empty, and empty again afterwards."""
    problems: list[str] = []
    path = folder / f"song.{file.ending}"
    path.write_bytes(file.content)
    before = _state(path)
    reading = read(path, file.stream, problems)
    if file.content == file.plain:
        plain, plain_path = reading, path
    else:
        plain_path = folder / f"plain.{file.ending}"
        plain_path.write_bytes(file.plain)
        plain = read(plain_path, file.stream, problems)
    has_lost_head = file.is_damaged and not file.plain.startswith(file.intact_parts[0].content[:8])
    if plain is reading or not (has_lost_head or (file.is_damaged and plain.sound is None)):
        _check_length(file, reading, plain, plain_path, problems)
    if not file.is_damaged and file.content != file.plain:
        _check_same_samples(reading, plain, problems)
    if plain_path != path:
        plain_path.unlink()
    if file.seed % SEPARATE_EVERY == 0:
        _check_separation(path, file, reading, folder, model, problems)
    if _state(path) != before:
        problems.append("the input has changed")
    path.unlink()
    left = sorted(str(rest.relative_to(folder)) for rest in folder.rglob("*"))
    if left:
        problems.append(f"left behind: {left}")
    return ("refused" if reading.sound is None else "read"), problems


def read(path: Path, stream: int | None, problems: list[str]) -> Reading:
    """Read a file twice, as a separation does."""
    lengths = []
    try:
        song = FileSong(path, stream)
        for _ in range(2):
            blocks = list(song.blocks())
            lengths.append(sum(block.shape[1] for block in blocks))
    except (InputError, SettingError) as error:
        problems += _about_message(str(error), path)
        if lengths:
            problems.append(f"only the second pass fails: {error}")
        return Reading(None, 0, stream or 0, "", str(error))
    for warning in song.warnings:
        problems += _about_message(str(warning), path)
    if lengths[0] != lengths[1]:
        problems.append(f"two passes have {lengths[0]} and {lengths[1]} samples")
    sound = np.concatenate(blocks, axis=1)
    if not np.isfinite(sound).all():
        problems.append("the sound contains NaN")
    return Reading(sound, song.sample_rate, song.info.stream, song.info.container)


def plain_decode(path: Path, stream: int, container: str) -> Plain | None:
    """Decode all frames of an audio stream with PyAV alone, skipping packets that raise. None: it can't be opened."""
    seconds = frame_s = 0.0
    errors = failed = 0
    sizes: list[int] = []
    failed_sizes: list[int] = []
    try:
        with av.open(str(path), format=container.split(",")[0] or None, metadata_errors="replace") as file:
            sounds = file.streams.audio
            if not set(file.format.name.split(",")) & set(CONTAINERS.split(",")):
                return None  # such as raw A-law, as which FFmpeg reads any bytes
            if stream >= len(sounds) or sounds[stream].codec_context is None:
                return None
            packets = file.demux(sounds[stream])
            while errors < 1000:
                size = 0
                try:
                    packet = next(packets)
                    size = packet.size
                    for frame in packet.decode():
                        seconds += frame.samples / frame.sample_rate
                        frame_s = max(frame_s, frame.samples / frame.sample_rate)
                    errors = 0
                    sizes.append(size)
                except StopIteration:
                    break
                except (IndexError, av.FFmpegError):
                    errors, failed = errors + 1, failed + 1
                    failed_sizes.append(size)
                    packets = file.demux(sounds[stream])
    except (av.FFmpegError, ValueError):
        return None
    usual = sum(sizes) / len(sizes) if any(sizes) else 1
    return Plain(seconds, frame_s, failed, sum(max(1, round(size / usual)) for size in failed_sizes))


def _check_length(
    file: FuzzedFile, reading: Reading, plain: Reading, plain_path: Path, problems: list[str]
) -> None:
    parts, name = file.intact_parts, file.name
    counted = parts if file.is_one_recording else parts[:1]
    recorded_s = sum(one.samples / one.rate for one in counted)
    longest_s = sum((one.samples + one.surplus + joint_surplus(name)) / one.rate for one in parts)
    frame_s = max(one.frame / one.rate for one in parts)
    other = None
    if file.is_damaged or not file.is_one_recording:
        other = plain_decode(plain_path, plain.stream, plain.container)
    if not file.is_one_recording and other is not None:
        longest_s = max(longest_s, other.seconds)
    if not file.is_damaged:
        if reading.sound is None:
            problems.append(f"an intact file is refused: {reading.error}")
        elif not recorded_s - frame_s - 1e-9 <= reading.seconds <= longest_s + frame_s + 1e-4:
            problems.append(
                f"{reading.seconds:.4f} s instead of {recorded_s:.4f} to {longest_s:.4f} s, frame {frame_s:.4f} s"
            )
        return
    ffmpeg_s = 0.0 if other is None else other.seconds
    frame_s = max(frame_s, 0.0 if other is None else other.frame_s)
    if reading.sound is None:
        if ffmpeg_s > frame_s:
            problems.append(f"refused, but FFmpeg decodes {ffmpeg_s:.4f} s: {reading.error}")
        return
    if len(parts) > 1 and plain.container in ("wav", "aiff"):
        each_s = [_decodable_s(part, plain_path, plain.container) for part in file.plain_parts]
    else:
        each_s = [ffmpeg_s]
    decodable_s = sum(each_s)
    bytes_per_s = sum(len(one.content) for one in parts) / longest_s
    keeps_all = parts[0].frame == 1 and file.is_one_recording
    is_bare_mp3 = plain.container == "mp3" and file.ending not in ("mp3", "mp2")
    failed = 0 if other is None else other.failed_by_size if is_bare_mp3 else other.failed
    failed_s = failed * frame_s
    lowest_s = min(ffmpeg_s, decodable_s) if all(each_s) or parts[0].frame > 1 else ffmpeg_s
    lowest_s = lowest_s if keeps_all else min(lowest_s, recorded_s)
    highest_s = max(decodable_s + failed_s, longest_s + file.inserted / bytes_per_s)
    if not lowest_s - len(parts) * frame_s - 1e-4 <= reading.seconds <= highest_s + frame_s + 1e-4:
        problems.append(
            f"{reading.seconds:.4f} s; FFmpeg decodes {ffmpeg_s:.4f} s, undamaged at most {longest_s:.4f} s, "
            f"inserted {file.inserted / bytes_per_s:.4f} s, frame {frame_s:.4f} s"
        )


def _decodable_s(content: bytes, beside: Path, container: str) -> float:
    path = beside.with_stem("part")
    path.write_bytes(content)
    decoded = plain_decode(path, 0, container)
    path.unlink()
    return 0.0 if decoded is None else decoded.seconds


def _check_same_samples(reading: Reading, plain: Reading, problems: list[str]) -> None:
    if reading.sound is None or plain.sound is None:
        return
    if reading.rate != plain.rate and abs(reading.seconds - plain.seconds) < OTHER_RATE_TOLERANCE_S:
        return
    if reading.sound.shape != plain.sound.shape:
        problems.append(f"{reading.sound.shape} with tags, {plain.sound.shape} without")
    elif not np.array_equal(reading.sound, plain.sound):
        error = float(np.abs(reading.sound - plain.sound).max())
        problems.append(f"samples differ by {error} with and without tags")


def _check_separation(
    path: Path, file: FuzzedFile, reading: Reading, folder: Path, model: Path, problems: list[str]
) -> None:
    out = folder / "stems"
    try:
        result = _separator(model).separate_to_files(path, out, audio_stream=file.stream)
    except (InputError, SettingError, OutputError) as error:
        problems += _about_message(str(error), path)
        if reading.sound is not None:
            problems.append(f"not separated: {error}")
        if out.exists():
            problems.append("a failed separation leaves its folder")
        return
    if reading.sound is None:
        problems.append("separated, but not read")
    else:
        for stem in result.files.values():
            with Decoder(stem) as decoder:
                samples = sum(block.shape[1] for block in decoder)
            if samples != reading.sound.shape[1]:
                problems.append(f"{stem.name} has {samples} samples, the song {reading.sound.shape[1]}")
    expected = {"song", "song/vocals.wav", "song/no_vocals.wav", "song/.unbraid.json"}
    found = {str(entry.relative_to(out)) for entry in out.rglob("*") if entry.suffix != ".lock"}
    if found != expected:
        problems.append(f"stems: {sorted(found)}")
    for entry in sorted(out.rglob("*"), reverse=True):
        entry.rmdir() if entry.is_dir() else entry.unlink()
    out.rmdir()


_separators: dict[Path, Separator] = {}


def _separator(model: Path) -> Separator:
    if model not in _separators:
        _separators[model] = Separator(model, threads=1)
    return _separators[model]


def _about_message(message: str, path: Path) -> list[str]:
    """Return a problem if a message isn't one short line, or names the folder."""
    if "\n" in message or not 10 < len(message) < LONGEST_MESSAGE or str(path.parent) in message:
        return [f"message {message!r}"]
    return []


def _state(path: Path) -> tuple[str, int]:
    return hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_mtime_ns
