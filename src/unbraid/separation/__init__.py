"""Separate songs into stems, in constant memory."""

from unbraid.separation.progress import Progress
from unbraid.separation.separator import Result, Separator
from unbraid.separation.stems import Stems

__all__ = ["Progress", "Result", "Separator", "Stems"]
