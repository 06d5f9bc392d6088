"""Serve the front end, whose build writes its files into the folder `static`."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from anyio import to_thread
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Receive, Scope, Send

from unbraid.api.headers import page_policy
from unbraid.api.signin import SignIn
from unbraid.web.precompressed import EXTENSIONS, accepted_codings

BUILT = Path(__file__).parent / "static"
LINK_PAGE = "listen"
"""Another address of the page, for share links. It needs no password (see `web.gate`)."""
NOT_BUILT = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Unbraid</title>
<h1>The page is not built yet</h1>
<p>The API works, but its front end is missing. With Node.js 18.18 or newer, run in the clone:</p>
<pre>requirements/frontend.sh</pre>
</html>
"""


class FrontEnd(StaticFiles):
    """The files of the front end, with cache headers and the Content-Security-Policy of pages."""

    def __init__(self, folder: Path = BUILT, sign_in: SignIn | None = None) -> None:
        super().__init__(directory=folder, html=True, check_dir=False)
        self.folder, self.sign_in = folder, sign_in

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer requests that match no route; refuse WebSockets."""
        if scope["type"] != "http":
            raise HTTPException(404)
        await super().__call__(scope, receive, send)

    async def check_config(self) -> None:
        """Accept a missing folder: the page isn't built."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        """The file at `path`; for the root and LINK_PAGE, the page."""
        path = "index.html" if path == LINK_PAGE else path
        if path in (".", "", "index.html") and not (self.folder / "index.html").is_file():
            response: Response = HTMLResponse(NOT_BUILT)
        else:
            response = await self._best_copy(path, scope)
        # Asset names contain a hash of their content.
        lasting = path.startswith("assets/") and response.status_code in (200, 206, 304)
        response.headers["Cache-Control"] = "public, max-age=31536000, immutable" if lasting else "no-cache"
        # Also with 304: browsers update the headers of their cached copy.
        origins = await to_thread.run_sync(self.sign_in.origins) if self.sign_in is not None else ()
        response.headers["Content-Security-Policy"] = page_policy(origins)
        return response

    async def _best_copy(self, path: str, scope: Scope) -> Response:
        """The file, or its precompressed copy if there is one that the browser accepts."""
        copies = {coding: path + extension for coding, extension in EXTENSIONS.items()}
        exist = await to_thread.run_sync(self._exist, list(copies.values()))
        for coding in accepted_codings(Headers(scope=scope).get("accept-encoding", "")):
            if copies[coding] in exist:
                response = await super().get_response(copies[coding], scope)
                # Also with 304, so that a cache updates the right copy.
                response.headers["Content-Encoding"] = coding
                break
        else:
            response = await super().get_response(path, scope)
        if exist:
            response.headers["Vary"] = "Accept-Encoding"
        return response

    def _exist(self, paths: list[str]) -> set[str]:
        """Those of the paths that are files below the folder; none of invalid paths, with a NUL or a too long name."""
        with suppress(OSError, ValueError):
            return {path for path in paths if self.lookup_path(path)[1] is not None}
        return set()
