"""Build the page and upload it to its bucket."""

from __future__ import annotations

import mimetypes
import subprocess
from pathlib import Path

from infra.account import Account
from infra.console import Stopped, say

ROOT = Path(__file__).resolve().parents[1]
BUILT = ROOT / "src/unbraid/web/static"

COMPRESSED = {".br", ".gz"}  # copies for other servers: CloudFront compresses files itself
LAST = ["index.html", "sw.js"]
FOREVER, REVALIDATE = "public, max-age=31536000, immutable", "no-cache"


def build_page() -> None:
    """Build the page. Raises Stopped if that fails."""
    subprocess.run([ROOT / "requirements/frontend.sh"], check=False)
    if not (BUILT / "index.html").is_file():
        raise Stopped(
            "The page could not be built. The output is above. The build needs Node.js 18.18 or newer with npm."
        )


def publish(account: Account, bucket: str, folder: Path = BUILT) -> None:
    """Upload the page. Assets of earlier versions stay for pages that are open."""
    say("uploading the page")
    for file in publish_order(folder):
        key = file.relative_to(folder).as_posix()
        account.client("s3").upload_file(
            str(file),
            bucket,
            key,
            ExtraArgs={
                "ContentType": mimetypes.guess_type(key)[0] or "application/octet-stream",
                # The build names these after a hash of their content.
                "CacheControl": FOREVER if key.startswith("assets/") else REVALIDATE,
            },
        )


def publish_order(folder: Path) -> list[Path]:
    """Return the files to upload: index.html after what it loads, the service worker after what it keeps."""
    files = [file for file in sorted(folder.rglob("*")) if file.is_file() and _is_published(file)]
    return sorted(files, key=lambda file: LAST.index(file.name) if file.name in LAST else -1)


def _is_published(file: Path) -> bool:
    """Whether the bucket gets the file."""
    return not file.name.startswith(".") and file.suffix not in COMPRESSED
