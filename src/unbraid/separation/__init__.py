"""Separate songs into stems, in constant memory."""

from unbraid.separation.find_songs import FoundSong, FoundSongs, find_songs
from unbraid.separation.progress import Progress
from unbraid.separation.result import Result
from unbraid.separation.separator import Separator
from unbraid.separation.stems import Stems

__all__ = ["FoundSong", "FoundSongs", "Progress", "Result", "Separator", "Stems", "find_songs"]
