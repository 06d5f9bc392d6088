"""Helm, as a library in an environment of its own: it is too large for the environment of all tests.

As a program, run by that environment's Python: reads `{"chart", "values"}` as JSON and prints `{"lint", "files"}`, with
the rendered files by name. With `--validate`, checks YAML documents against the schemas of Kubernetes instead.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

PACKAGES = ("helm-python-sdk==0.2.2", "kubernetes-validate==1.37.0")
ENVIRONMENT = Path.home() / ".cache/unbraid-benchmarks/helm"


def helm_python() -> Path:
    """Create the environment, unless it exists, and return its Python."""
    python, stamp = ENVIRONMENT / "bin/python", ENVIRONMENT / "packages.txt"
    if not (stamp.exists() and stamp.read_text() == "\n".join(PACKAGES)):
        subprocess.run([sys.executable, "-m", "venv", "--clear", ENVIRONMENT], check=True)
        install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", *PACKAGES]
        subprocess.run([python, *install], check=True)
        stamp.write_text("\n".join(PACKAGES))
    return python


def helm(chart: Path, values: dict[str, Any]) -> dict[str, Any]:
    """Lint and render the chart. Raises CalledProcessError, whose `stderr` has Helm's message."""
    task = json.dumps({"chart": str(chart), "values": values})
    done = subprocess.run(
        [helm_python(), __file__], input=task, capture_output=True, text=True, check=True, timeout=120
    )
    return json.loads(done.stdout)  # type: ignore[no-any-return]


def problems(document: str) -> str:
    """Return how a YAML document differs from the schema of Kubernetes; empty: it doesn't."""
    done = subprocess.run(
        [helm_python(), __file__, "--validate"], input=document, capture_output=True, text=True, timeout=120
    )
    return "" if done.returncode == 0 else done.stderr


def _main() -> None:
    if sys.argv[1:] == ["--validate"]:
        import kubernetes_validate
        import yaml

        for one in yaml.safe_load_all(sys.stdin):
            kubernetes_validate.validate(one, "1.37", strict=True)
        return
    import helm_python

    task = json.load(sys.stdin)
    lint = helm_python.lint(task["chart"], task["values"])
    with helm_python.Chart.load(task["chart"]) as chart:
        files = chart.render(task["values"], name="demo", namespace="music")
    json.dump({"lint": lint, "files": files}, sys.stdout)


if __name__ == "__main__":
    _main()
