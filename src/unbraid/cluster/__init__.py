"""Separate catalogues of songs on many machines: songs and stems in a shared storage, work on a Ray cluster."""
