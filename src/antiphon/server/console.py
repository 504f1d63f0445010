"""`GET /`: the browser console, as it was built into `antiphon/console`.

A checkout holds its sources alone (web/console); `make run` builds them where Node is
there, and the wheel brings them built.
"""

from __future__ import annotations

from pathlib import Path

from aiohttp import web

BUILT = Path(__file__).parent.parent / "console"

NOT_BUILT = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Antiphon</title>
<meta name="viewport" content="width=device-width">
<style>body{font:1rem/1.5 system-ui;max-width:40rem;margin:4rem auto;padding:0 1rem}</style>
<h1>Antiphon is running</h1>
<p>Its console is not built here: install Node.js and start it again with <code>make run</code>,
or run <code>npm ci --prefix web &amp;&amp; npm run build --prefix web</code>.</p>
<p>Clients connect all the same: <code>antiphon talk</code>, or any Realtime client with this
server's address and <code>/v1</code>.</p>
"""

CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'self'",
        # AudioWorklets are made of text in the page.
        "script-src 'self' blob:",
        "worker-src 'self' blob:",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "media-src 'self' data: blob: mediastream:",
        # It may be pointed at another server.
        "connect-src 'self' ws: wss: http: https:",
        "frame-ancestors 'none'",
        "base-uri 'none'",
        "form-action 'none'",
    )
)
PERMISSIONS_POLICY = "microphone=(self), camera=(self), display-capture=(self)"


class Console:
    """The page and its assets.

    Args:
        built: The folder of `index.html` and `assets`; without them a page says what to do.
    """

    def __init__(self, built: Path = BUILT) -> None:
        self._page = built / "index.html"
        self._assets = built / "assets"

    @property
    def is_built(self) -> bool:
        return self._page.is_file()

    def routes(self) -> list[web.AbstractRouteDef]:
        routes: list[web.AbstractRouteDef] = [web.get("/", self.page)]
        if self._assets.is_dir():
            routes.append(web.static("/assets", self._assets))
        return routes

    async def page(self, _: web.Request) -> web.StreamResponse:
        headers = {
            "Cache-Control": "no-cache",
            "Content-Security-Policy": CONTENT_SECURITY_POLICY,
            "Permissions-Policy": PERMISSIONS_POLICY,
            "Referrer-Policy": "no-referrer",
            "X-Content-Type-Options": "nosniff",
        }
        try:
            page = self._page.read_text()  # Small, and not often asked for.
        except FileNotFoundError:
            page = NOT_BUILT
        return web.Response(text=page, content_type="text/html", headers=headers)
