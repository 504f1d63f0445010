"""HTTP to one server that speaks OpenAI's API: requests out, bytes back.

Nothing is decided here: whatever prevents an answer is raised as `Refused`.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import logging
import time
import urllib.request
from collections.abc import Callable
from typing import Any

import aiohttp
from yarl import URL

from antiphon.engines.cascade.http.refusals import Refusal, Why, read_refusal, refused
from antiphon.errors import ConfigurationError

_MAX_ERROR_BYTES = 64 * 1024

log = logging.getLogger(__name__)

MakeConnector = Callable[[], aiohttp.BaseConnector]
"""Another way than TCP: tests in virtual time have one."""


def check_address(section: str, base_url: str, api_key: str) -> None:
    """Raises:
    ConfigurationError: in ``section``, what cannot be asked for.
    """
    if not base_url.startswith(("http://", "https://")):
        raise ConfigurationError(
            f"{section}.base_url '{base_url}' must begin with http:// or https://"
            " and usually ends in /v1"
        )
    if not (api_key.isascii() and api_key.isprintable()):
        raise ConfigurationError(
            f"{section}.api_key holds characters that no HTTP header may carry"
        )


class HttpClient:
    """All connections to one server."""

    def __init__(
        self,
        base_url: str,
        *,
        api_key: str = "",
        connect_timeout_s: float = 5.0,
        make_connector: MakeConnector | None = None,
    ) -> None:
        """Call it on the event loop that will use it."""
        headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        self._base_url = base_url.rstrip("/")
        self._session = aiohttp.ClientSession(
            headers=headers,
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=connect_timeout_s),
            connector=make_connector() if make_connector else aiohttp.TCPConnector(limit=0),
            proxy=None if make_connector else proxy_of(self._base_url),
        )

    async def aclose(self) -> None:
        await self._session.close()

    async def post(
        self, path: str, data: Any, *, headers: dict[str, str], timeout_s: float
    ) -> aiohttp.ClientResponse:
        """The answer's head, for the caller to close.  Redirects are not followed: they would
        carry the key elsewhere.

        Raises:
            Refused: there is none.
        """
        try:
            async with asyncio.timeout(timeout_s):
                return await self._session.post(
                    self._base_url + path, data=data, headers=headers, allow_redirects=False
                )
        except aiohttp.ConnectionTimeoutError:
            raise refused(Why.UNREACHABLE, "no connection in time (connect_timeout_s)") from None
        except TimeoutError:
            raise refused(Why.SILENT) from None
        except aiohttp.ClientConnectorCertificateError:
            raise refused(Why.UNTRUSTED) from None
        except aiohttp.ClientConnectorError as error:
            raise refused(Why.UNREACHABLE, type(error.os_error).__name__) from None
        except aiohttp.ClientHttpProxyError as error:
            raise refused(Why.UNREACHABLE, f"the proxy says {error.status}") from None
        except (aiohttp.ServerDisconnectedError, ConnectionResetError):
            raise refused(Why.CLOSED) from None
        except (aiohttp.ClientError, OSError) as error:
            raise refused(Why.UNREACHABLE, type(error).__name__) from None


async def refusal_of(response: aiohttp.ClientResponse, *, timeout_s: float) -> Refusal:
    """What an answer says that is not 200."""
    body = b""
    with contextlib.suppress(aiohttp.ClientError, TimeoutError, OSError):
        async with asyncio.timeout(timeout_s):
            while len(body) < _MAX_ERROR_BYTES and (more := await response.content.readany()):
                body += more
    return read_refusal(
        response.status,
        body[:_MAX_ERROR_BYTES],
        content_type=response.content_type,
        retry_after=response.headers.get("Retry-After", ""),
        now_s=time.time(),
    )


async def next_bytes(response: aiohttp.ClientResponse, *, timeout_s: float) -> bytes:
    """The next bytes; none at the end.

    Raises:
        TimeoutError: nothing came in time.
        Refused: the connection broke.
    """
    try:
        async with asyncio.timeout(timeout_s):
            return await response.content.readany()
    except TimeoutError:
        raise
    except (aiohttp.ClientError, OSError):
        raise refused(Why.BROKEN_OFF) from None


def proxy_of(url: str) -> URL | None:
    """The proxy that the environment (``HTTPS_PROXY``, ``NO_PROXY``, …) names for ``url``.

    This machine's own addresses are never asked for through one.
    """
    parsed = URL(url)
    host = parsed.host or ""
    if _is_loopback(host) or urllib.request.proxy_bypass(host):
        return None
    proxies = urllib.request.getproxies()
    named = proxies.get(parsed.scheme) or proxies.get("all")
    if named is None:
        return None
    proxy = URL(named if "://" in named else f"http://{named}")
    if proxy.scheme not in ("http", "https"):
        log.warning("the environment's proxy speaks %s, not HTTP: not used", proxy.scheme)
        return None
    return proxy


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
