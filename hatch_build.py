"""Builds the page of the web app into the wheel, where the sources of the page are at hand: in a checkout."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class FrontEnd(BuildHookInterface[Any]):
    """Runs requirements/frontend.sh; a source distribution has the page already."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Before anything is packed."""
        root = Path(self.root)
        script = root / "requirements" / "frontend.sh"
        if script.is_file():
            subprocess.run([script], check=True)
        if not (root / "src/unbraid/web/static/index.html").is_file():
            self.app.display_warning(
                "This build has no page: `unbraid serve` will answer as an API alone. It takes Node.js."
            )
