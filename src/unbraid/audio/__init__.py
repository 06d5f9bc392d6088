"""Sound in and out: any file FFmpeg reads as a stream of float32 (channels, samples), and back, exact to the sample."""

from unbraid.audio.decode import Decoder
from unbraid.audio.encode import Encoder
from unbraid.audio.probe import SoundInfo, probe
from unbraid.audio.resample import Resampler, resampled_length

__all__ = ["Decoder", "Encoder", "Resampler", "SoundInfo", "probe", "resampled_length"]
