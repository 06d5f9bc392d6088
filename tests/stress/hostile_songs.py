"""Hostile files with the names of songs: false headers, decompression bombs, and noise."""

from __future__ import annotations

import gzip
import io
import random
import struct
import zipfile
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
from benchmarks.songs import write_song

from unbraid.audio.encode import Encoder

MEGABYTE = bytes(1 << 20)
HUGE = 0xFFFFFFFF


def hostile_songs(folder: Path, seed: int, copies: int) -> Iterator[tuple[str, bytes]]:
    """Name and content of each file. Also real songs in five formats: one truncated and `copies` damaged copies."""
    yield from other_kinds_of_files()
    yield from wavs_with_false_headers()
    yield from others_with_false_headers()
    yield "silence.flac", long_silence(folder / "silence.flac")
    changes = random.Random(seed)
    source = write_song(folder / "source.wav", 3.0, seed)
    for kind in ("wav", "flac", "mp3", "m4a", "opus"):
        song = bytearray(source.read_bytes() if kind == "wav" else converted(source, folder / f"song.{kind}"))
        yield f"cut.{kind}", bytes(song[: len(song) // 3])
        for number in range(copies):
            copy = bytearray(song)
            for _ in range(changes.choice((1, 10, 300))):
                # Mostly near the beginning, because damage matters most in headers.
                offset = changes.randrange(changes.choice((64, 1024, len(copy))))
                copy[offset] = changes.randrange(256)
            yield f"damaged-{number}.{kind}", bytes(copy)


def other_kinds_of_files() -> Iterator[tuple[str, bytes]]:
    """Archives, playlists, programs, documents and noise."""
    bomb = io.BytesIO()
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("song.mp3", "../../song.mp3"):
            archive.writestr(name, MEGABYTE * 50)
    yield "zip bomb.mp3", bomb.getvalue()
    yield "gzip bomb.wav", gzip.compress(MEGABYTE * 50)
    yield "empty.mp3", b""
    yield "one byte.mp3", b"\xff"
    yield "zeros.mp3", MEGABYTE
    yield "noise.mp3", random.Random(0).randbytes(1 << 20)
    yield (
        "noise with frames.mp3",
        b"".join(b"\xff\xfb\x90\x64" + random.Random(n).randbytes(413) for n in range(2000)),
    )
    yield "page.m4a", b"<!doctype html><script>alert(1)</script>" * 100
    yield "program.wav", b"\x7fELF\x02\x01\x01" + bytes(5000)
    yield "letter.pdf.mp3", b"%PDF-1.7\n" + bytes(5000)
    for name, text in (
        ("list.m3u8", "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n"),
        ("list.mp3", "#EXTM3U\n#EXTINF:10,\nhttp://127.0.0.1:1/x.ts\n"),
        ("list.wav", "ffconcat version 1.0\nfile '/etc/passwd'\n"),
        ("list.sdp", "v=0\no=- 0 0 IN IP4 127.0.0.1\nm=audio 9 RTP/AVP 0\n"),
        (
            "list.mpd",
            '<?xml version="1.0"?><MPD><Period><BaseURL>file:///etc/passwd</BaseURL></Period></MPD>',
        ),
        ("words.mp3", "concat:/etc/passwd|/etc/hostname\n" * 99),
        ("words.srt", "1\n00:00:00,000 --> 99:59:59,999\nx\n"),
    ):
        yield name, text.encode()


def wavs_with_false_headers() -> Iterator[tuple[str, bytes]]:
    """WAV and RF64 headers with each field at its extreme values."""
    fields = {"code": 1, "channels": 2, "rate": 44100, "bytes": 176400, "align": 4, "bits": 16}
    sound = random.Random(1).randbytes(40_000)
    changes = [
        {"channels": 0}, {"channels": 65535}, {"channels": 65535, "align": 65534}, {"rate": 0}, {"rate": 1},
        {"rate": HUGE},
        {"align": 0}, {"align": 65535}, {"bits": 0}, {"bits": 1}, {"bits": 255}, {"bits": 65535},
        {"code": 0}, {"code": 0xFFFE},
        {"code": 0x55}, {"code": 3, "bits": 64}, {"channels": 1, "rate": 0x7FFFFFFF, "align": 1, "bits": 8},
    ]  # fmt: skip
    for number, change in enumerate([{}, *changes]):
        for size in (len(sound), HUGE, 0):
            form = struct.pack("<HHIIHH", *{**fields, **change}.values())
            head = b"WAVEfmt " + struct.pack("<I", len(form)) + form + b"data" + struct.pack("<I", size)
            yield (
                f"false-{number}-{size}.wav",
                b"RIFF" + struct.pack("<I", min(size + 36, HUGE)) + head + sound,
            )
    large = struct.pack("<QQQI", 2**63, 2**63, 2**62, 0)
    form = struct.pack("<HHIIHH", *fields.values())
    head = b"WAVEds64" + struct.pack("<I", len(large)) + large + b"fmt " + struct.pack("<I", 16) + form
    yield (
        "billions.rf64.wav",
        b"RF64" + struct.pack("<I", HUGE) + head + b"data" + struct.pack("<I", HUGE) + sound,
    )
    yield (
        "chunks.wav",
        b"RIFF" + struct.pack("<I", HUGE) + b"WAVE" + (b"junk" + struct.pack("<I", 0)) * 100_000,
    )
    yield "chunk.wav", b"RIFF" + struct.pack("<I", HUGE) + b"WAVEfmt " + struct.pack("<I", HUGE) + sound


def others_with_false_headers() -> Iterator[tuple[str, bytes]]:
    """Headers that announce billions of frames, and deeply nested boxes."""
    noise = random.Random(2).randbytes(20_000)
    samples = 2**36 - 1  # the largest value of the 36-bit field (RFC 9639, 8.2)
    for rate, channels, bits in ((44100, 2, 16), (1048575, 8, 32), (0, 1, 4), (1, 8, 24)):
        packed = rate << 44 | (channels - 1) << 41 | (bits - 1) << 36 | samples
        info = struct.pack(">HH", 16, 65535) + bytes(6) + struct.pack(">Q", packed) + bytes(16)
        yield f"billions-{rate}.flac", b"fLaC\x80\x00\x00\x22" + info + b"\xff\xf8\xc9\x18" + noise
    yield "comments.flac", b"fLaC\x04\xff\xff\xff" + struct.pack("<II", 0, HUGE) + noise
    frame = b"\xff\xfb\x90\x64" + bytes(413)
    xing = bytearray(frame)
    xing[36:52] = b"Xing" + struct.pack(">III", 3, HUGE, HUGE)
    yield "billions.mp3", bytes(xing) + frame * 50
    yield "tag.mp3", b"ID3\x04\x00\x00\x7f\x7f\x7f\x7f" + noise
    image = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + struct.pack(">II", 2**31 - 1, 2**31 - 1) + b"\x08\x06\0\0\0"
    picture = b"\0image/png\0\x03\0" + image + noise
    tag = b"APIC" + struct.pack(">I", len(picture)) + b"\0\0" + picture
    size = len(tag)
    syncsafe = bytes(size >> shift & 127 for shift in (21, 14, 7, 0))
    yield "cover.mp3", b"ID3\x03\x00\x00" + syncsafe + tag + frame * 200
    page = b"OggS\0\x02" + struct.pack("<qIII", 2**63 - 1, 1, 0, 0) + b"\x01\x13"
    for channels, skip in ((255, 65535), (0, 0), (2, 65535)):
        yield (
            f"billions-{channels}.opus",
            page + b"OpusHead\x01" + struct.pack("<BHIhB", channels, skip, HUGE, -1, 255) + noise,
        )
    boxes = b"ftypM4A \0\0\0\0"
    boxes = struct.pack(">I", len(boxes) + 4) + boxes
    for kind in (b"moov", b"trak", b"mdia"):
        nested = b""
        for _ in range(3000):
            nested = struct.pack(">I", len(nested) + 8) + kind + nested
        yield f"nested-{kind.decode()}.m4a", boxes + nested
    for kind in (b"stts", b"stsz", b"stco", b"stsc", b"elst"):
        table = struct.pack(">IIII", 0, HUGE, HUGE, HUGE)
        for outer in (None, b"stbl", b"minf", b"mdia", b"trak", b"moov"):
            table = struct.pack(">I", len(table) + 8) + (outer or kind) + table
        yield f"billions-{kind.decode()}.m4a", boxes + table + noise
    yield "large.m4a", boxes + struct.pack(">I", 1) + b"moov" + struct.pack(">Q", 2**63 - 1) + noise
    yield "matroska.mka", b"\x1a\x45\xdf\xa3\x01" + b"\xff" * 7 + noise
    yield "matroska.webm", b"\x1a\x45\xdf\xa3\x9f\x42\x82\x84webm\x18\x53\x80\x67\x01" + b"\xff" * 7 + noise
    yield (
        "sound.aiff",
        b"FORM"
        + struct.pack(">I", HUGE)
        + b"AIFFCOMM"
        + struct.pack(">IHIH", 18, 65535, HUGE, 65535)
        + b"\xff" * 10,
    )


def long_silence(path: Path) -> bytes:
    """An hour of silence in a few kilobytes."""
    with av.open(path, "w") as file:
        stream = file.add_stream("flac", rate=8000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 8000), np.int16), format="s16", layout="mono")
        frame.sample_rate = 8000
        for _ in range(3600):
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    return path.read_bytes()


def converted(source: Path, path: Path) -> bytes:
    """Convert a song to the format of `path`."""
    with av.open(source) as file:
        sound = np.concatenate(
            [frame.to_ndarray().reshape(-1, 2).T for frame in file.decode(audio=0)], axis=1
        )
    with Encoder(path, sample_rate=44100, channels=2, format=path.suffix[1:]) as encoder:
        encoder.write(sound.astype(np.float32) / 32768)
    return path.read_bytes()
