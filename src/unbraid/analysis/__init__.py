"""Tempo, beats and key of a song, from its stems."""

from unbraid.analysis.music import Music as Music
from unbraid.analysis.music import MusicAnalyser as MusicAnalyser
from unbraid.analysis.music import analyse_stems as analyse_stems
