"""Publish the stems of a song while it is separated, piece by piece, so that a page can play them.

A piece holds one or two chunks of all stems (see `preview` and `playable`). Its first line is JSON:

- `stems`: their names.
- `gain`: the factor for all samples. Stems beyond full scale are stored quieter, as FLAC would clip them.
- `peaks`: for each stem the minimum and maximum, from -128 to 127, of each stretch of `1 / PAIRS_PER_S` seconds.
- `lengths`: for each chunk the bytes of each stem.

Complete FLAC files follow, chunk by chunk, and stem by stem in a chunk. The first pieces have one chunk, so that they
come early. All others have two, so that a song of four minutes needs 26 pieces.
"""

from __future__ import annotations

import json
import logging
import secrets
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np

from unbraid.audio.arrays import Floats
from unbraid.jobs.playable import CHUNK_S, chunks_of, piece_name
from unbraid.jobs.ports import Job
from unbraid.jobs.preview import RATES, Preview
from unbraid.jobs.session import Playable

PAIRS_PER_S = 10  # a lane of 1000 pixels shows one pair a second of a song of five minutes

log = logging.getLogger(__name__)


class Publisher:
    """Receives the stems of a song, see `StemListener`, and publishes them in the background.

    It also makes the previews of all stems, of which the pieces are parts. An error ends the publication, not the
    separation. As a context manager, it waits for its work to end.
    """

    def __init__(self, job: Job, work: Path) -> None:
        self._job, self._work = job, work
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="pieces")
        self._pending: list[Future[None]] = []
        self._playable: Playable | None = None
        self._previews: list[Preview] = []
        self._failed = False
        self._blocks: list[Floats] = []
        self._received = 0  # samples in `_blocks`
        self._chunks: list[Floats] = []  # of the next piece
        self._number = 0  # of the next piece
        self.keys: list[str] = []
        """Keys of the stored pieces."""

    def __enter__(self) -> Publisher:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(cancel_futures=True)
        for preview in self._previews:
            preview.discard()

    def begin(self, names: Sequence[str], sample_rate: int, channels: int, samples: int) -> None:
        """See `StemListener.begin`. Nothing is published at a rate that browsers can't play."""
        if not RATES[0] <= sample_rate <= RATES[1]:
            self._failed = True
            return
        self._playable = Playable(secrets.token_hex(4), tuple(names), sample_rate, samples)

    def write(self, stems: Floats) -> None:
        """See `StemListener.write`."""
        if self._playable is None or self._failed:
            return
        length = CHUNK_S * self._playable.sample_rate
        while self._received + stems.shape[-1] >= length:
            missing = length - self._received
            self._chunks.append(np.concatenate([*self._blocks, stems[..., :missing]], axis=-1))
            self._blocks, self._received, stems = [], 0, stems[..., missing:]
            if len(self._chunks) == chunks_of(self._number):
                self._publish()
        self._blocks.append(stems)
        self._received += stems.shape[-1]

    def finish(self) -> None:
        """See `StemListener.finish`. Publishes the rest, and waits until it is stored."""
        if self._playable is None or self._failed:
            return
        if self._received:
            self._chunks.append(np.concatenate(self._blocks, axis=-1))
        if self._chunks:
            self._publish()
        for future in self._pending:
            future.result()

    def finish_previews(self, beats: Iterable[float]) -> dict[str, tuple[Path, Path]]:
        """Return by stem the files that play and draw it at the gain 1. Empty if something couldn't be published.

        `beats` are the times of the song's beats in seconds. Raises OutputError.
        """
        if self._playable is None or self._failed:
            return {}
        for preview in self._previews:
            preview.finish(beats)
        return {stem: self._files(stem) for stem in self._playable.stems}

    def _publish(self) -> None:
        """Store the next piece in the background."""
        number, chunks = self._number, self._chunks
        self._number, self._chunks = number + 1, []
        self._submit(lambda: self._store(number, chunks))

    def _submit(self, work: Callable[[], None]) -> None:
        def run() -> None:
            if self._failed:
                return
            try:
                work()
            except Exception:
                self._failed = True
                log.warning("the stems of a song can't be heard before it is done", exc_info=True)

        while len(self._pending) > 1:  # so that memory stays constant
            self._pending.pop(0).result()
        self._pending.append(self._pool.submit(run))

    def _store(self, number: int, chunks: Sequence[Floats]) -> None:
        assert self._playable is not None
        playable = self._playable
        if not self._previews:
            self._previews = [Preview(*self._files(stem), playable.sample_rate) for stem in playable.stems]
        peak = max(float(np.abs(chunk).max(initial=0.0)) for chunk in chunks)
        gain = max(1.0, peak)
        flacs = [
            [
                preview.add(stem / np.float32(gain))
                for preview, stem in zip(self._previews, chunk, strict=True)
            ]
            for chunk in chunks
        ]
        header = {
            "gain": gain,
            "stems": playable.stems,
            "peaks": [_peaks(stem, playable.sample_rate) for stem in np.concatenate(chunks, axis=-1)],
            "lengths": [[len(flac) for flac in one] for one in flacs],
        }
        file = self._work / piece_name(playable.attempt, number)
        line = json.dumps(header, separators=(",", ":")).encode() + b"\n"
        file.write_bytes(line + b"".join(flac for one in flacs for flac in one))
        self.keys.append(self._job.put(file))
        file.unlink(missing_ok=True)  # a store may move it away, or copy it
        ready = playable.ready + sum(chunk.shape[-1] for chunk in chunks)
        self._playable = replace(playable, ready=ready)
        if not self._job.set_playable(self._playable):
            self._failed = True

    def _files(self, stem: str) -> tuple[Path, Path]:
        return self._work / f"{stem}.play", self._work / f"{stem}.peaks.json"


def _peaks(stem: Floats, rate: int) -> list[int]:
    """Return minimum and maximum of each stretch of a stem (channels, n), in turn."""
    per = rate // PAIRS_PER_S
    levels = []
    for start in range(0, stem.shape[-1], per):
        stretch = stem[:, start : start + per]
        levels += [stretch.min(), stretch.max()]
    return [int(level) for level in np.clip(np.rint(np.array(levels) * 128), -128, 127)]
