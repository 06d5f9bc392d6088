"""Decode audio files to float32 (channels, samples) and encode them, exact to the sample."""
