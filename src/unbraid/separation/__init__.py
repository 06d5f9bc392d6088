"""Separate songs into stems, in constant memory."""

from unbraid.separation.progress import Progress
from unbraid.separation.result import Result
from unbraid.separation.separator import Separator
from unbraid.separation.stems import Stems

__all__ = ["Progress", "Result", "Separator", "Stems"]
