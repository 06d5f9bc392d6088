"""The page into its bucket, where the stack has one."""

from __future__ import annotations

import mimetypes
import subprocess
from pathlib import Path

from infra.account import Account
from infra.console import Stopped, say

ROOT = Path(__file__).resolve().parents[1]
BUILT = ROOT / "src/unbraid/web/static"

FOR_EVER, ASK_EACH_TIME = "public, max-age=31536000, immutable", "no-cache"


def build_page() -> None:
    """Raises Stopped where it can't be built."""
    subprocess.run([ROOT / "requirements/frontend.sh"], check=False)
    if not (BUILT / "index.html").is_file():
        raise Stopped(
            "The page could not be built: see the words above. It takes Node.js 18.18 or newer with npm."
        )


def publish(account: Account, bucket: str, folder: Path = BUILT) -> None:
    """Upload it: what it refers to before itself. Files of earlier pages stay for those who have one open."""
    say("uploading the page")
    files = [file for file in sorted(folder.rglob("*")) if file.is_file() and not file.name.startswith(".")]
    for file in sorted(files, key=lambda file: file.name == "index.html"):
        key = file.relative_to(folder).as_posix()
        account.client("s3").upload_file(
            str(file),
            bucket,
            key,
            ExtraArgs={
                "ContentType": mimetypes.guess_type(key)[0] or "application/octet-stream",
                # The build names these after what is in them.
                "CacheControl": FOR_EVER if key.startswith("assets/") else ASK_EACH_TIME,
            },
        )
