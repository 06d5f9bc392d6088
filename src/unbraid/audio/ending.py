"""Where the song ends in a decoded stream, and whether the file's header told the truth about it."""

from __future__ import annotations

from pathlib import Path

from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.packet import Packet

from unbraid.audio.probe import SoundInfo

_MP4 = "mov,mp4,m4a,3gp,3g2,mj2"


class Ending:
    """Follows a stream's packets and cuts from its last frames what only fills them.

    MP4 counts time in samples, and its last packet lasts as long as there is sound in it, but FFmpeg gives out the whole
    frame.
    """

    def __init__(self, path: Path, container: InputContainer, stream: AudioStream) -> None:
        self._rate = stream.sample_rate
        self._exact = container.format.name == _MP4
        self._origin: int | None = None
        self._end = 0

    def see(self, packet: Packet[AudioStream]) -> None:
        """Note how far the packets so far reach. Call before decoding each."""
        if self._exact and packet.pts is not None and packet.duration:
            self._end = max(self._end, self._samples(packet.pts + packet.duration, packet))

    def keep(self, produced: int, frame: AudioFrame) -> int:
        """How many samples of `frame`, which follows `produced` others, belong to the song."""
        if not self._exact:
            return frame.samples
        if self._origin is None:
            self._origin = 0 if frame.pts is None else self._samples(frame.pts, frame)
        return min(frame.samples, self._end - self._origin - produced)

    def warnings(self, name: str, samples: int, info: SoundInfo) -> list[str]:
        """What to tell about a header that promised another length than the `samples` found."""
        return []

    def _samples(self, time: int, of: Packet[AudioStream] | AudioFrame) -> int:
        base = of.time_base
        return round(time * base.numerator * self._rate / base.denominator)
