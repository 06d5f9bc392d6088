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
# FFmpeg computes the times in these from the positions of the bytes. A gap is then a wrong field in the header.
UNTIMED = frozenset({"aiff", "au", "caf", "w64", "wav"})
SHORT_MP3 = 2 * 1152  # samples: the delay of encoder and decoder reaches into the second frame
SHORT_TABLE = 3  # packets: the last two, and one of delay, may be shorter than a frame
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
        self._has_many_packets = stream.frames > SHORT_TABLE
        self._has_wrong_table = False
        self._failed = False
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

    def note_failure(self, packet: Packet[AudioStream]) -> None:
        """Register an undecodable packet: the next frame's timestamp shows how much is missing.

        FFmpeg's MP3 parser turns all bytes that it can't parse into one packet with the duration of one frame. The
        number of lost frames follows from the packet's size.
        """
        self._failed = True
        if (
            self._format == "mp3"
            and packet.size > LONGEST_MP3_FRAME
            and self._packets > 1
            and packet.duration
        ):
            usual_size = (self._sizes - packet.size) / (self._packets - 1)
            lost_frames = round(packet.size / usual_size) - 1
            self._offset = (self._offset or 0) + lost_frames * self._samples(
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
            if tolerance < gap and self._plausible(gap) and (self._failed or self._format not in UNTIMED):
                silence = gap
                self.missing_s += gap / self._rate
            elif abs(gap) > tolerance:
                self._offset -= gap  # the stream's clock was reset
        self._failed = False
        if self._has_many_packets and self._end is not None and self._packets <= 2:
            self._has_wrong_table = self._has_wrong_table or 2 * self._samples(*self._duration) < samples
        # Only the first frame of a packet has a time. Others show that the table of packets is damaged.
        if (
            self._end is not None
            and self._offset is not None
            and frame.pts is not None
            and not self._has_wrong_table
        ):
            samples = min(samples, self._samples(*self._end) + self._offset - self._placed - silence)
        samples = max(samples, 0)
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
        if self._claimed is None or not (
            self._untrimmed
            or self._format in (MP4, "flac")
            or (self._format == "mp3" and (self.missing_s > 0 or self._claimed < SHORT_MP3))
        ):
            return 0
        surplus = self._placed - self._claimed
        return surplus if surplus > self._tolerance else 0

    def _plausible(self, gap: int) -> bool:
        longest = 60 * self._rate if self._claimed is None else self._claimed - self._placed
        return gap <= longest

    def _change_rate(self, rate: int) -> None:
        """Count in samples of another rate from now on. The next frame follows without a gap."""
        self._placed = round(self._placed * rate / self._rate)
        if self._claimed is not None:
            self._claimed = round(self._claimed * rate / self._rate)
        self._rate = rate
        self._offset = None

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
