"""Models at rest: the catalogue of those we know, and the folders they are loaded from."""

from unbraid.models.catalog import CatalogEntry, catalog, find_model
from unbraid.models.folder import Model, load_model_folder

__all__ = ["CatalogEntry", "Model", "catalog", "find_model", "load_model_folder"]
