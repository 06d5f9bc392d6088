"""Correct single wrong times of a stream's packets, so that only lost packets look like lost packets.

A packet's time should be the end of the packet before it. If it is not, there are three reasons: packets were lost, the
clock was reset, or the time itself is damaged. Later packets show which: after a loss or a reset they continue from the
new time, and after a damaged time they continue from the old one.
"""

from __future__ import annotations

import errno
from collections import deque
from collections.abc import Iterator

from av.audio.stream import AudioStream
from av.container import InputContainer
from av.error import FFmpegError, InvalidDataError
from av.packet import Packet

from unbraid.out_of_memory import probe_memory

# A smaller gap is jitter: Matroska's timestamps are whole milliseconds, and Vorbis's timestamps lag by a block.
JITTER_S = 0.1
# FFmpeg's names of the containers that store times, and the seconds of sound that share one time. Packets of MPEG
# streams (PES) hold several frames: 0.2 s as FFmpeg writes them. Others store a time for each packet.
_TIMED = {
    "mpegts": 0.5,
    "mpeg": 0.5,
    **dict.fromkeys(("flv", "matroska,webm", "asf", "nut", "rm", "ogg"), 0.0),
}
# Their headers declare the unit of the times, which may be damaged. No time agrees with the length of a packet then.
_WITH_UNIT = frozenset({"matroska,webm", "nut"})
_AGREEMENT_S = 0.002  # seconds: Matroska's times are whole milliseconds
_FEW_TIMES = 3  # show nothing: packets may be lost
_AHEAD_S = 6.0  # seconds to look ahead: a cluster of Matroska has one time, and is 5 s long at most
_AHEAD_BYTES = 1 << 23
_OPUS_PAUSE_S = 0.5  # seconds; in silence Opus leaves out packets (DTX), but sends one at least every 0.4 s
# Packets to look at, all together. Looking takes 2 s at most, and only a file that was made to take long has more.
_MOST_LOOKS = 500_000
_MEMORY_TO_READ = 64 << 20  # bytes; more than any packet needs


class PacketTimes:
    """Iterator over the packets of a stream, with corrected times.

    Raises what FFmpeg raises. It can be continued after an error.
    """

    def __init__(self, container: InputContainer, stream: AudioStream) -> None:
        self._container, self._stream = container, stream
        self._packets = container.demux(stream)
        self._ahead: deque[Packet[AudioStream] | Exception] = deque()
        base, rate = stream.time_base, stream.sample_rate
        shared_s = _TIMED.get(container.format.name) if base else None
        self._is_timed = shared_s is not None
        self._ticks_per_s = 1 / float(base) if base else 0.0
        self._shared = (shared_s or 0.0) * self._ticks_per_s
        self._jitter = JITTER_S * self._ticks_per_s
        self._frame = round((stream.codec_context.frame_size or 0) * self._ticks_per_s / rate)
        is_opus = stream.codec_context.name in ("opus", "libopus")
        self._longest_pause = _OPUS_PAUSE_S * self._ticks_per_s if is_opus else 0.0
        self._end: int | None = None
        """The end of the packets so far, in the stream's unit."""
        self._agreed = _Agreement()
        """Of the packets from the start of the stream."""
        self._shift = 0
        self._looks = 0
        self._has_checked_unit = container.format.name not in _WITH_UNIT
        self._has_wrong_unit = False

    def __iter__(self) -> Iterator[Packet[AudioStream]]:
        return self

    def __next__(self) -> Packet[AudioStream]:
        if self._is_timed and not self._has_checked_unit:
            self._has_checked_unit = True
            self._has_wrong_unit = self._no_times_agree()
        item = self._ahead.popleft() if self._ahead else self._read()
        if isinstance(item, Exception):
            raise item
        if self._has_wrong_unit:
            item.pts = None
        elif self._is_timed:
            self._correct(item)
        return item

    def _no_times_agree(self) -> bool:
        """Whether no packet of the first seconds starts where the one before ends, although there are several times."""
        tolerance = _AGREEMENT_S * self._ticks_per_s
        expected: int | None = None
        times = 0
        for later in self._look_ahead():
            if later.pts is not None:
                if expected is not None and abs(later.pts - expected) <= tolerance:
                    return False
                expected = later.pts
                times += 1
            if expected is not None:
                expected += self._duration(later)
        return times > _FEW_TIMES

    def _read(self) -> Packet[AudioStream] | Exception:
        try:
            packet = next(self._packets)
        except StopIteration as end:
            return end
        except MemoryError:  # FFmpeg also raises it for a damaged size of a packet
            probe_memory(_MEMORY_TO_READ)
            self._packets = self._container.demux(self._stream)
            return InvalidDataError(errno.EIO, "damaged size")
        except (IndexError, FFmpegError) as error:
            self._packets = self._container.demux(self._stream)
            return error
        if packet.pts is not None:
            packet.pts += self._shift
        return packet

    def _correct(self, packet: Packet[AudioStream]) -> None:
        time, duration = packet.pts, self._duration(packet)
        if time is None:
            self._end = None if self._end is None else self._end + duration
            return
        if self._end is not None:
            if abs(time - self._end) > self._jitter and self._looks < _MOST_LOOKS:
                time = self._settle(packet, time, self._end)
            else:
                self._agreed.add(duration)
        self._end = time + duration

    def _settle(self, packet: Packet[AudioStream], time: int, end: int) -> int:
        """Return the right time of a packet that doesn't start at the `end` of the one before. Correct those ahead."""
        offset = self._duration(packet)
        expected = time + offset
        agreed, still_agrees = _Agreement(), True
        passed: list[tuple[Packet[AudioStream], int]] = [(packet, 0)]
        for later in self._look_ahead(packet):
            if later.pts is not None:
                drift = later.pts - expected
                # A later time agrees too: more packets are missing. An earlier one doesn't.
                still_agrees = still_agrees and drift >= -self._jitter
                if abs(drift) <= self._jitter:
                    # Such times are better than durations, which FFmpeg computes with the stream's first rate.
                    offset += drift
                if abs(later.pts - end - offset) <= self._jitter:  # the old clock is still right
                    for wrong, at in passed:
                        wrong.pts = end + at
                    return end
                if still_agrees:
                    agreed.add(self._duration(later))
                passed.append((later, offset))
                expected = later.pts
            expected += self._duration(later)
            offset += self._duration(later)
        if time < end or time - end <= self._longest_pause:  # the clock was reset, or Opus left out packets
            return time
        if not agreed.is_enough(self._shared):
            packet.pts = end
        elif not self._agreed.is_enough(self._shared):
            # The times from which the stream starts are as doubtful, and hardly any sound precedes the gap.
            self._shift += end - time
            for item in (packet, *self._ahead):
                if isinstance(item, Packet) and item.pts is not None:
                    item.pts += end - time
        return packet.pts if packet.pts is not None else end

    def _look_ahead(self, packet: Packet[AudioStream] | None = None) -> Iterator[Packet[AudioStream]]:
        """Yield the packets after `packet`, which stay in the queue, up to the limits or an error."""
        sound, size, at = (self._duration(packet), packet.size, 0) if packet else (0, 0, 0)
        while sound < _AHEAD_S * self._ticks_per_s and size < _AHEAD_BYTES and self._looks < _MOST_LOOKS:
            if at == len(self._ahead):
                self._ahead.append(self._read())
            item = self._ahead[at]
            if isinstance(item, Exception) or item.size == 0:
                return
            self._looks += 1
            at += 1
            yield item
            sound, size = sound + self._duration(item), size + item.size

    def _duration(self, packet: Packet[AudioStream]) -> int:
        return packet.duration or self._frame


class _Agreement:
    """Number and length of packets whose times follow from each other."""

    def __init__(self) -> None:
        self._packets = 0
        self._sound = 0

    def add(self, duration: int) -> None:
        """Count a packet that agrees with the one before."""
        self._packets += 1
        self._sound += duration

    def is_enough(self, shared: float) -> bool:
        """Whether at least one packet agrees, and they are longer than the sound that shares one time."""
        return self._packets > 0 and self._sound >= shared
