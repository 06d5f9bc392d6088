"""The output formats: what each can store, and its names in FFmpeg. Loads without FFmpeg."""

from __future__ import annotations

from dataclasses import dataclass

from unbraid.errors import SettingError

AAC_FRAME = 1024  # samples
MPEG_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)


@dataclass(frozen=True)
class OutputFormat:
    """An output format."""

    name: str
    """Name of the format, and ending of its files."""
    container: str
    codec: str
    sample_format: str
    rates: tuple[int, ...] = ()
    """Supported sample rates in Hz, ascending; empty: all."""
    bitrates: tuple[int, int, int] | None = None
    """Lowest, default and highest bit rate in bit/s, of all channels together; None: lossless."""

    def container_options(self, sample_rate: int) -> dict[str, str]:
        """Return options for FFmpeg's muxer."""
        if self.name == "wav":
            return {"rf64": "auto"}  # RIFF's 32-bit sizes end at 4 GiB (EBU Tech 3306)
        if self.name in ("m4a", STEM):
            # The unit of edit lists; FFmpeg's default is the millisecond.
            return {"brand": "M4A ", "movie_timescale": str(sample_rate)}
        return {}

    def codec_options(self, bitrate: int | None, subtype: str) -> dict[str, str]:
        """Return options for FFmpeg's encoder."""
        if self.codec in ("flac", "alac") and subtype == "24":
            return {"bits_per_raw_sample": "24"}
        if self.name == "mp3" and bitrate is not None and bitrate >= 256_000:
            # LAME's -q 7 instead of 5 takes a quarter less time. It does less noise shaping, which these rates don't
            # need: the error isn't larger in any band.
            return {"compression_level": "7"}
        return {}

    def rate_for(self, sample_rate: int) -> int:
        """Return the lowest supported rate that is at least `sample_rate`, or else the highest."""
        if not self.rates or sample_rate in self.rates:
            return sample_rate
        return next((rate for rate in self.rates if rate > sample_rate), self.rates[-1])

    def bitrate_for(self, bitrate: int | None, sample_rate: int) -> int | None:
        """Return `bitrate`, or the default for None. Raises SettingError outside the format's range."""
        if self.bitrates is None:
            if bitrate is not None:
                raise SettingError(
                    f"{self.name} is lossless and takes no bit rate. Leave it out, or choose {', '.join(_LOSSY)}."
                )
            return None
        lowest, default, highest = self.bitrates
        if self.name == "mp3" and sample_rate < 32000:  # MPEG-2 layer III has lower limits
            highest, default = 160_000, 160_000
            if sample_rate < 16000:  # MPEG-2.5 has even lower ones
                highest, default = 64_000, 64_000
        bitrate = default if bitrate is None else bitrate
        if not lowest <= bitrate <= highest:
            raise SettingError(
                f"{self.name} takes {lowest // 1000} to {highest // 1000} kbit/s at {sample_rate} Hz,"
                f" not {bitrate / 1000:g}. Choose a bit rate in that range."
            )
        return bitrate


_WAV = {"16": ("pcm_s16le", "s16"), "24": ("pcm_s24le", "s32"), "float": ("pcm_f32le", "flt")}
_FLAC = {"16": ("flac", "s16"), "24": ("flac", "s32")}
_LOSSY = {
    "mp3": OutputFormat("mp3", "mp3", "libmp3lame", "fltp", MPEG_RATES, (8_000, 320_000, 320_000)),
    "m4a": OutputFormat(
        "m4a", "mp4", "aac", "fltp", (7350, *MPEG_RATES, 64000, 88200, 96000), (16_000, 256_000, 512_000)
    ),
    "opus": OutputFormat("opus", "opus", "libopus", "flt", (48000,), (6_000, 192_000, 512_000)),
}
FORMATS = ("wav", "flac", *_LOSSY)

STEM = "stem"
"""Name of the format whose only file has all stems of a song (`unbraid.audio.stem_file`)."""
SONG_FORMATS = (*FORMATS, STEM)
"""The formats of a separation."""
# DJ programs and hardware expect one of these rates.
_STEM_RATES = (44100, 48000)
_STEM_CODECS = {
    None: OutputFormat(STEM, "mp4", "aac", "fltp", _STEM_RATES, (64_000, 256_000, 512_000)),
    "16": OutputFormat(STEM, "mp4", "alac", "s16p", _STEM_RATES),
    "24": OutputFormat(STEM, "mp4", "alac", "s32p", _STEM_RATES),
}


def stem_format(subtype: str | None) -> OutputFormat:
    """Return the format of stem files: AAC for None, ALAC for "16" and "24". Raises SettingError."""
    if subtype not in _STEM_CODECS:
        raise SettingError("A stem file has no float samples. Choose 16 or 24 bit, or leave that option out.")
    return _STEM_CODECS[subtype]


def song_format(name: str, subtype: str | None) -> OutputFormat:
    """Return the format of a separation: one of `output_format`, or the stem file. Raises SettingError."""
    if name == STEM:
        return stem_format(subtype)
    if name not in FORMATS:
        raise SettingError(f"There is no output format {name}. Choose one of {', '.join(SONG_FORMATS)}.")
    return output_format(name, subtype or "16")


def subtypes(name: str) -> tuple[str, ...]:
    """Return the sample types of the format `name`."""
    return tuple({"wav": _WAV, "flac": _FLAC}.get(name, ("16",)))


def deepest_subtype(name: str, depth: str) -> str:
    """Return the sample type of the format `name` that stores samples of `depth` ("16", "24" or "float") best."""
    choices = subtypes(name)
    return depth if depth in choices else choices[-1]


def output_format(name: str, subtype: str) -> OutputFormat:
    """Return the format `name` with samples of type `subtype`. Raises SettingError.

    WAV takes "16", "24" and "float", FLAC "16" and "24". MP3, M4A and Opus have no sample types and ignore "16", the
    default.
    """
    if name not in FORMATS:
        raise SettingError(f"There is no output format {name}. Choose one of {', '.join(FORMATS)}.")
    if name in _LOSSY:
        if subtype != "16":
            kind = {"24": "24 bit", "float": "float"}.get(subtype, subtype)
            others = "wav" if subtype == "float" else "wav or flac"
            raise SettingError(f"{name} has no {kind} samples. Leave that option out, or choose {others}.")
        return _LOSSY[name]
    choices = _WAV if name == "wav" else _FLAC
    if subtype not in choices:
        raise SettingError(f"{name} has no {subtype} samples. Choose one of {', '.join(choices)}.")
    codec, sample_format = choices[subtype]
    return OutputFormat(name, name, codec, sample_format)
