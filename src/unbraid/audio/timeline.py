"""Place decoded frames on the song's timeline, without encoder padding and without gaps.

Encoders put silence before the sound (their delay) and after it (to fill the last frame). FFmpeg drops the padding that
LAME, Opus and Matroska headers and MP4 edit lists declare at the start, and most of the padding at the end. This module
removes the remaining padding, and keeps a damaged file in sync.
"""

from __future__ import annotations

from fractions import Fraction

from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.codec.context import Flags2
from av.container import InputContainer
from av.packet import Packet

from unbraid.audio.packet_times import JITTER_S

MP4 = "mov,mp4,m4a,3gp,3g2,mj2"
# ADTS has no timestamps. FFmpeg adds up durations, at the first sample rate even after the rate has changed.
ADTS = "aac"
# FFmpeg computes the times in these by counting bytes or packets. A gap is then a wrong field in the header.
UNTIMED = frozenset({"aiff", "au", "avi", "caf", "w64", "wav"})
SHORT_MP3 = 2 * 1152  # samples: the delay of encoder and decoder reaches into the second frame
SHORT_TABLE = 3  # packets: the last two, and one of delay, may be shorter than a frame
AGREEMENT_S = 0.001  # seconds: the rounding of times that count milliseconds
# An MP4's gap needs a frame whose time is right among so many frames before it. Files of recorders have jitter.
RECENT_FRAMES = 16
LONGEST_MP3_FRAME = 1441  # bytes: 320 kbit/s at 32 kHz, 1152 / 8 * 320000 / 32000 + 1


class Timeline:
    """Positions of the frames of one stream, which receives its packets and frames in order.

    `claimed` is the length in samples from a reliable header, or None; its error is at most `tolerance`. `untrimmed`
    stops FFmpeg from trimming Vorbis padding, because it would trim the wrong samples. `first_page_end` is the time at
    the end of the first page of FLAC in Ogg, in samples.
    """

    def __init__(
        self,
        container: InputContainer,
        stream: AudioStream,
        claimed: int | None,
        tolerance: int,
        untrimmed: bool = False,
        first_page_end: int | None = None,
    ) -> None:
        self._rate = stream.sample_rate
        self._format = container.format.name
        # If the header of FLAC is missing, FFmpeg counts samples, but declares another unit.
        self._has_wrong_unit = self._format == "flac" and stream.time_base != Fraction(1, self._rate)
        self._claimed, self._tolerance = claimed, tolerance
        self._placed = 0  # samples placed so far
        self._offset: int | None = None  # position of the sample with timestamp 0
        self._end: tuple[int, Fraction | None] | None = (
            None  # timestamp at the end of the packets so far, its unit
        )
        self._duration: tuple[int, Fraction | None] = (0, None)  # of the last packet
        table = len(stream.index_entries) if self._format == MP4 else 0
        self._is_long_table = table > SHORT_TABLE
        self._last_whole_packet = table - SHORT_TABLE + 1
        # Two tables count the packets, those of times and of sizes.
        self._has_wrong_table = self._format == MP4 and 0 < stream.frames < table
        self._expected: int | None = None  # timestamp at the end of the last frame
        self._frames_since_agreement = RECENT_FRAMES
        self._agreements = self._timed_frames = 0
        self._failed = 0  # undecodable frames since the last decoded one
        self._longest_packet = 0  # most samples of a packet
        self._most_frames, self._full_size = 0, 0  # most frames of a packet, and its size in bytes
        self._is_partial = False  # whether only some frames of the last packet were decoded
        self._sizes = self._packets = 0
        self._untrimmed = untrimmed
        self._skip_first_frame = untrimmed  # the first packet only starts the first overlap (Vorbis I, 4.3.8)
        if untrimmed:
            stream.codec_context.flags2 |= Flags2.skip_manual
        self._skip = self._foreign_delay(container, stream)
        self._first_page_end = first_page_end
        self.late_start_s = 0.0  # seconds before the sound starts, if FFmpeg counts from 0 nevertheless
        self.missing_s = 0.0  # seconds of silence inserted for missing packets

    def note_packet(self, packet: Packet[AudioStream]) -> None:
        """Register a packet before it is decoded."""
        if self._format == MP4 and packet.pts is not None and packet.duration:
            # The duration of the last packet excludes padding. FFmpeg decodes the whole frame.
            self._end = packet.pts + packet.duration, packet.time_base
            self._duration = packet.duration, packet.time_base
        self._sizes += packet.size
        self._packets += 1
        self._failed += self._is_partial
        self._is_partial = False

    def note_frames(self, packet: Packet[AudioStream], frames: list[AudioFrame]) -> None:
        """Register the frames of a packet before they are placed.

        Packets of ADPCM in WAV have several frames, always as many. If one is damaged, FFmpeg decodes only those before
        it, and reports no error. Other packets show how many frames are missing.
        """
        if (
            self._format not in UNTIMED
            or not frames
            or not packet.stream.codec_context.name.startswith("adpcm")
        ):
            return
        if len(frames) > self._most_frames:
            self._failed += packet.size <= self._full_size  # a packet before it was damaged
            self._most_frames, self._full_size = len(frames), packet.size
        self._is_partial = len(frames) < self._most_frames and packet.size >= self._full_size
        self._longest_packet = max(self._longest_packet, sum(frame.samples for frame in frames))

    def note_failure(self, packet: Packet[AudioStream]) -> None:
        """Register an undecodable packet: the next frame's timestamp shows how much is missing.

        FFmpeg's parsers may turn all bytes that they can't parse into one packet, with the duration of one frame for
        MP3. The number of lost frames follows from the packet's size.
        """
        usual_size = (self._sizes - packet.size) / max(1, self._packets - 1)
        frames = max(1, round(packet.size / usual_size)) if usual_size else 1
        self._failed += frames
        if self._format == "mp3" and packet.size > LONGEST_MP3_FRAME and packet.duration:
            self._offset = (self._offset or 0) + (frames - 1) * self._samples(
                packet.duration, packet.time_base
            )

    def place(self, frame: AudioFrame) -> tuple[int, int, int]:
        """Return the samples of silence to insert before `frame`, its first sample to keep, and the number to keep.

        All are at the rate of `frame`, which may differ from that of the last frame.
        """
        if frame.sample_rate != self._rate:
            self._change_rate(frame.sample_rate)
        if self._skip_first_frame:
            self._skip_first_frame = False
            return 0, 0, 0
        skipped = min(self._skip, frame.samples)
        self._skip -= skipped
        samples = frame.samples - skipped
        if samples == 0:
            return 0, 0, 0
        silence = 0
        if frame.pts is not None and not self._has_wrong_unit:
            time = self._samples(frame.pts, frame.time_base) + skipped
            if self._offset is None:
                self._offset = self._placed - time
            if self._format == ADTS and not self._failed:
                self._offset = self._placed - time
            if self._first_page_end is not None and time >= self._first_page_end:
                late = max(0, self._first_page_end - self._placed)
                self.late_start_s = late / self._rate
                self._offset -= late
                self._first_page_end = None
            gap = time + self._offset - self._placed
            tolerance = frame.samples // 2 if self._failed else int(JITTER_S * self._rate)
            self._longest_packet = max(self._longest_packet, frame.samples)
            silence = self._missing(gap) if gap > tolerance else 0
            self.missing_s += silence / self._rate
            if abs(gap - silence) > tolerance:
                self._offset -= gap - silence  # the stream's clock was reset
            self._compare(time, samples)
        self._failed = 0
        samples = min(samples, self._declared(frame, samples, skipped))
        self._placed += silence + samples
        return silence, skipped, samples

    @property
    def is_complete(self) -> bool:
        """Whether the length in the header has been reached."""
        return self._claimed is not None and self._placed >= self._claimed - self._tolerance

    @property
    def surplus(self) -> int:
        """Number of samples placed beyond the end in the header, at the rate of the last frame.

        FFmpeg itself ends an MP3 at the end in its header, except after a gap and in tiny files. It may decode a
        damaged frame of FLAC once more at the end of the file.
        """
        has_wrong_unit = self._agreements == 0 and self._timed_frames > SHORT_TABLE
        if self._format == MP4 and (self._has_wrong_table or has_wrong_unit):
            return 0
        if self._claimed is None or not (
            self._untrimmed
            or self._format in (MP4, "flac")
            or (self._format == "mp3" and (self.missing_s > 0 or self._claimed < SHORT_MP3))
        ):
            return 0
        surplus = self._placed - self._claimed
        return surplus if surplus > self._tolerance else 0

    def _missing(self, gap: int) -> int:
        """Return how many samples of a gap in the times are lost sound. Damaged times and units make gaps too."""
        if self._format in UNTIMED or (self._format == MP4 and self._failed):
            gap = min(gap, self._failed * self._longest_packet)  # all packets were counted
        elif self._format == MP4 and self._frames_since_agreement >= RECENT_FRAMES:
            return 0
        longest = 60 * self._rate if self._claimed is None else self._claimed - self._placed
        return gap if gap <= longest else 0

    def _compare(self, time: int, samples: int) -> None:
        """Note whether a frame's time is the end of the frame before it. The unit of times is wrong if none is."""
        agrees = self._expected is not None and abs(time - self._expected) <= AGREEMENT_S * self._rate
        self._frames_since_agreement = 0 if agrees else self._frames_since_agreement + 1
        self._agreements += agrees
        self._timed_frames += 1
        self._expected = time + samples

    def _declared(self, frame: AudioFrame, samples: int, skipped: int) -> int:
        """Return how many of a frame's samples its packet's duration declares: fewer than `samples` are padding.

        Only the last two packets have padding. Other packets that are shorter than their frames show that the table of
        packets is damaged, as does a second frame in a packet, which has no time.
        """
        if self._end is None or frame.pts is None:
            return samples
        if self._is_long_table and self._packets <= self._last_whole_packet:
            if self._packets > 1 and 10 * self._samples(*self._duration) < 9 * samples:
                self._has_wrong_table = True
            return samples
        if self._has_wrong_table:
            return samples
        return max(0, self._samples(*self._end) - self._samples(frame.pts, frame.time_base) - skipped)

    def _change_rate(self, rate: int) -> None:
        """Count in samples of another rate from now on. The next frame follows without a gap."""
        self._placed = round(self._placed * rate / self._rate)
        if self._claimed is not None:
            self._claimed = round(self._claimed * rate / self._rate)
        self._rate = rate
        self._offset = self._expected = None

    def _samples(self, time: int, base: Fraction | None) -> int:
        return 0 if base is None else round(time * base.numerator * self._rate / base.denominator)

    def _foreign_delay(self, container: InputContainer, stream: AudioStream) -> int:
        """Return the samples to drop at the start in addition to those that FFmpeg drops.

        FFmpeg's WMA decoder drops two frames, the delay of Microsoft's encoder. FFmpeg's own encoder has one frame of
        delay; for its files, FFmpeg's skipping is turned off.
        """
        writer = container.metadata.get("encoder", "")
        if stream.codec_context.name not in ("wmav1", "wmav2") or not writer.startswith("Lavf"):
            return 0
        stream.codec_context.flags2 |= Flags2.skip_manual
        limits = ((16000, 512), (22050, 1024), (48000, 2048), (96000, 4096))  # libavcodec/wma_common.c
        return next((length for rate, length in limits if stream.sample_rate <= rate), 8192)
