"""Models on disk: the catalogue, downloads, safe readers of published weights, and model folders."""

from unbraid.models.catalog import CatalogEntry, catalog
from unbraid.models.find import find_installed, find_model
from unbraid.models.folder import Model, load_model_folder

__all__ = ["CatalogEntry", "Model", "catalog", "find_installed", "find_model", "load_model_folder"]
