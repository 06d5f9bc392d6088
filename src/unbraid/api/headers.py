"""Response headers that tell browsers what a page may do: `page_headers.json`, read here and by `frontend/site.ts`.

The web app and the CloudFront distribution send them. `referrer-policy` matters because a URL may hold a session's id.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

_TABLE: Mapping[str, Any] = json.loads(Path(__file__).with_name("page_headers.json").read_text("utf-8"))

ALWAYS: Mapping[str, str] = _TABLE["headers"]
HSTS: str = _TABLE["strict-transport-security"]


def page_policy(connect: Sequence[str] = ()) -> str:
    """Return the Content-Security-Policy of the app's page. `connect`: other origins that its script may call.

    The page may also play videos from those that are called by HTTPS: files may be on another host.
    """
    policy: dict[str, str] = dict(_TABLE["content-security-policy"])
    policy["connect-src"] = " ".join((policy["connect-src"], *connect))
    media = (origin for origin in connect if origin.startswith("https:"))
    policy["media-src"] = " ".join((policy["media-src"], *media))
    return "; ".join(f"{directive} {sources}" for directive, sources in policy.items())
