"""Models at rest: the catalogue of those we know, how they get here, and the folders they are loaded from."""

from unbraid.models.catalog import CatalogEntry, catalog, find_installed, find_model
from unbraid.models.folder import Model, load_model_folder

__all__ = ["CatalogEntry", "Model", "catalog", "find_installed", "find_model", "load_model_folder"]
