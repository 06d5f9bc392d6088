"""A video keeps its pictures to the byte, and the new sound is in sync with them."""

from __future__ import annotations

import shutil
import subprocess
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.stream import Disposition
from tests.audio.sounds import KINDS, Kind, Sound, bursts, decode, lag, noise, write
from tests.audio.tagged import tags_of

from unbraid.audio.encode import Encoder
from unbraid.audio.mixing import Mix
from unbraid.audio.probe import probe
from unbraid.audio.tags.write import TagWriter
from unbraid.audio.video import check_video, write_video, write_without
from unbraid.errors import Cancelled, InputError, OutputError

RATE = 44100
VIDEOS = [kind for kind in KINDS if kind.pictures]


def stem(path: Path, sound: Sound, rate: int = RATE) -> Path:
    with Encoder(path, sample_rate=rate, channels=len(sound)) as encoder:
        encoder.write(sound)
    return path


def pictures(path: Path) -> list[tuple[float, bytes]]:
    """List the time in seconds and the stored bytes of each picture."""
    with av.open(str(path)) as container:
        packets = [packet for packet in container.demux(video=0) if packet.size]
        return [(round(float(packet.pts * packet.time_base), 2), bytes(packet)) for packet in packets]


def sound_delay_s(path: Path) -> float:
    """Measure how much later the sound begins than the pictures, on the file's clock."""
    with av.open(str(path)) as container:
        sound, picture = container.streams.audio[0], container.streams.video[0]
        frame = next(frame for packet in container.demux(picture) for frame in packet.decode())
        return float(sound.start_time * sound.time_base) - float(frame.time or 0)


@pytest.mark.parametrize("kind", VIDEOS, ids=lambda kind: kind.name)
def test_copies_pictures_and_replaces_sound(tmp_path: Path, kind: Kind) -> None:
    rate = kind.rates[0]
    video = write(tmp_path / f"video.{kind.ending}", noise(2 * rate, 2), rate, kind)
    sound = bursts(2 * RATE, 2, RATE)
    out = write_video(video, Mix([(stem(tmp_path / "no_vocals.wav", sound), 1.0)]), tmp_path / "out")
    assert out.name == (
        "out.mp4" if kind.ending == "mov" else "out.mkv" if kind.ending == "webm" else f"out.{kind.ending}"
    )
    assert pictures(out) == pictures(video)
    assert abs(lag(sound, decode(out, RATE)) / RATE + sound_delay_s(out) - sound_delay_s(video)) < 0.005


FFMPEG = shutil.which("ffmpeg")
LATE = ["-itsoffset", "0.5"]


@pytest.mark.skipif(FFMPEG is None, reason="needs the program ffmpeg")
@pytest.mark.parametrize(
    ("ending", "codecs", "offset", "becomes"),
    [
        ("mp4", ["libx264", "aac"], [], "mp4"),
        ("mp4", ["libx264", "aac"], LATE, "mp4"),
        ("mkv", ["libx264", "libvorbis"], [], "mkv"),
        ("mkv", ["libx264", "aac"], LATE, "mkv"),
        ("webm", ["libvpx-vp9", "libopus"], [], "webm"),
        ("ts", ["libx264", "aac"], [], "mp4"),
        ("flv", ["libx264", "aac"], [], "mp4"),
        ("mpg", ["mpeg2video", "mp2"], [], "mp4"),
        ("ogv", ["libtheora", "libvorbis"], [], "mkv"),
    ],
)
def test_videos_by_ffmpeg_stay_in_sync(
    tmp_path: Path, ending: str, codecs: list[str], offset: list[str], becomes: str
) -> None:
    """These have pictures out of order, clocks that don't begin at 0, and sound that begins later."""
    sound = bursts(2 * RATE, 2, RATE)
    song = stem(tmp_path / "song.wav", sound)
    video = tmp_path / f"video.{ending}"
    made = [
        "-f",
        "lavfi",
        "-i",
        "testsrc=size=64x48:rate=25:duration=2",
        *offset,
        "-i",
        str(song),
        "-bf",
        "2",
    ]
    run("-y", *made, "-c:v", codecs[0], "-c:a", codecs[1], str(video))
    heard = stem(tmp_path / "heard.wav", decode(video, RATE))
    out = write_video(video, Mix([(heard, 1.0)]), tmp_path / "out")
    assert out.name == f"out.{becomes}"
    assert frames(out) == frames(video)
    moved_s = lag(sound_on_clock(video), sound_on_clock(out)) / RATE
    assert abs(moved_s - (starts_s(out) - starts_s(video))) < 0.005


def run(*arguments: str) -> bytes:
    assert FFMPEG is not None
    return subprocess.run(
        [FFMPEG, "-nostdin", "-v", "error", *arguments], capture_output=True, check=True
    ).stdout


def frames(path: Path) -> list[str]:
    """List a checksum of each decoded picture."""
    lines = run("-i", str(path), "-map", "0:v:0", "-f", "framemd5", "-").decode().splitlines()
    return [line.rpartition(",")[2] for line in lines if not line.startswith("#")]


def sound_on_clock(path: Path) -> Sound:
    """Decode the sound in mono, from time 0 of the file's own clock."""
    timed = "aresample=44100:async=1:first_pts=0"
    raw = run("-copyts", "-i", str(path), "-map", "0:a:0", "-af", timed, "-ac", "1", "-f", "f32le", "-")
    return np.frombuffer(raw, np.float32)[None]


def starts_s(path: Path) -> float:
    """Time of the first picture on the file's own clock."""
    with av.open(str(path)) as container:
        return float(next(container.decode(video=0)).time or 0)


def video_of(folder: Path, seconds: float = 1.0) -> Path:
    kind = next(kind for kind in VIDEOS if kind.ending == "mp4")
    return write(folder / "video.mp4", noise(round(seconds * RATE), 2), RATE, kind)


@pytest.mark.parametrize(
    ("stems", "rest", "name"),
    [
        (("vocals", "no_vocals"), [1], "no_vocals.mp4"),
        (("drums", "no_drums"), [1], "no_drums.mp4"),
        (("drums", "bass", "other", "vocals"), [0, 1, 2], "no_vocals.mp4"),
    ],
)
def test_sound_is_the_accompaniment(
    tmp_path: Path, stems: tuple[str, ...], rest: list[int], name: str
) -> None:
    sounds = [bursts(RATE, 2, RATE, seed) for seed, _ in enumerate(stems)]
    files = {
        stem_name: stem(tmp_path / f"{stem_name}.wav", sound)
        for stem_name, sound in zip(stems, sounds, strict=True)
    }
    out = write_without(video_of(tmp_path), files, tmp_path)
    assert out.name == name
    heard, expected = decode(out)[:, :RATE], np.clip(sum(sounds[index] for index in rest), -1, 1)
    assert np.corrcoef(heard.ravel(), expected.ravel())[0, 1] > 0.99


def test_keeps_subtitles_and_title(tmp_path: Path) -> None:
    words = tmp_path / "words.srt"
    words.write_text("1\n00:00:00,100 --> 00:00:00,800\nLa la la\n", encoding="utf-8")
    video = tmp_path / "video.mkv"
    with (
        av.open(str(video_of(tmp_path))) as source,
        av.open(str(words)) as text,
        av.open(str(video), "w") as target,
    ):
        copies = {
            stream: target.add_stream_from_template(stream, opaque=True)
            for stream in (source.streams.video[0], source.streams.audio[0], text.streams.subtitles[0])
        }
        target.metadata["title"] = "My Video"
        for container in (text, source):
            for packet in container.demux():
                if packet.dts is not None and packet.stream in copies:
                    packet.stream = copies[packet.stream]
                    target.mux(packet)
    out = write_video(video, Mix([(stem(tmp_path / "a.wav", noise(RATE, 2)), 1.0)]), tmp_path / "out")
    with av.open(str(out)) as container:
        assert container.metadata["title"] == "My Video"
        subtitles = [bytes(packet) for packet in container.demux(subtitles=0) if packet.size]
    assert subtitles == [b"La la la"]


@pytest.mark.parametrize("ending", ["mp4", "mkv"])
def test_keeps_tags_and_chapters(tmp_path: Path, ending: str) -> None:
    base = Fraction(1, 1000)
    chapter = {"id": 1, "start": 200, "end": 900, "time_base": base, "metadata": {"title": "Drop"}}
    filler = {"id": 0, "start": 0, "end": 200, "time_base": base, "metadata": {"title": ""}}
    video = tmp_path / f"tagged.{ending}"
    with av.open(str(video_of(tmp_path))) as source, av.open(str(video), "w") as target:
        copies = {stream: target.add_stream_from_template(stream, opaque=True) for stream in source.streams}
        target.metadata.update({"title": "My Video", "INITIALKEY": "8A"})
        target.set_chapters([filler, chapter] if ending == "mp4" else [chapter])
        for packet in source.demux():
            if packet.dts is not None:
                packet.stream = copies[packet.stream]
                target.mux(packet)
    if ending == "mp4":  # FFmpeg can't write the key there
        with video.open("r+b") as file:
            TagWriter("m4a", tags_of({"title": "My Video", "initial_key": "8A"})).finish(file)
    assert len(probe(video).tags.chapters) == 1
    out = write_video(video, Mix([(stem(tmp_path / "a.wav", noise(RATE, 2)), 1.0)]), tmp_path / "out")
    tags = probe(out).tags
    assert (tags.text("title"), tags.text("initial_key")) == ("My Video", "8A")
    assert [(one.start_ms, one.title) for one in tags.chapters] == [(200, "Drop")]
    assert pictures(out) == pictures(video)


def test_song_with_a_cover_is_not_a_video(tmp_path: Path) -> None:
    song = tmp_path / "song.mp3"
    tags = tags_of({}, _jpeg())
    with Encoder(song, sample_rate=RATE, channels=2, format="mp3", tags=tags) as encoder:
        encoder.write(noise(RATE, 2))
    with av.open(str(song)) as container:
        assert container.streams.video[0].disposition & Disposition.attached_pic
    with pytest.raises(InputError, match="no moving pictures"):
        check_video(song)


def test_cancelled_video_or_full_disk_leaves_nothing(tmp_path: Path, tiny_disk: Path) -> None:
    video, mix = video_of(tmp_path, 20.0), Mix([(stem(tmp_path / "a.wav", noise(20 * RATE, 2)), 1.0)])

    def stop() -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        write_video(video, mix, tiny_disk / "out", check=stop)
    with pytest.raises(OutputError, match="full"):
        write_video(video, mix, tiny_disk / "out")
    assert list(tiny_disk.iterdir()) == []


def _jpeg() -> bytes:
    codec = av.CodecContext.create("mjpeg", "w")
    codec.width, codec.height, codec.pix_fmt = 16, 16, "yuvj420p"
    codec.time_base = Fraction(1, 1)
    picture = av.VideoFrame.from_ndarray(np.zeros((16, 16, 3), np.uint8))
    return b"".join(bytes(packet) for packet in (*codec.encode(picture), *codec.encode(None)))
