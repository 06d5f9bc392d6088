"""Response headers that tell browsers what a page may do. The web app and the CloudFront distribution send them.

`frontend/site.ts` writes the same headers for a static host; `tests/infra/test_netlify.py` compares them.
"""

from __future__ import annotations

from collections.abc import Sequence

ALWAYS = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",  # a URL may hold a session's id
    "cross-origin-opener-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
}
HSTS = "max-age=31536000"


def page_policy(connect: Sequence[str] = ()) -> str:
    """Content-Security-Policy of the app's page. `connect`: other origins that its script may call."""
    return "; ".join(
        (
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "img-src 'self' data: blob:",
            "font-src 'self'",
            "media-src 'self' blob:",
            "manifest-src 'self'",
            "worker-src 'self'",
            " ".join(("connect-src 'self'", *connect)),
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        )
    )
