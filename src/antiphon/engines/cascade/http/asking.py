"""One question to a speech server: asked again while that helps, within the time there is."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress

import aiohttp

from antiphon.engines.cascade.http.backoff import Backoff
from antiphon.engines.cascade.http.client import HttpClient, refusal_of
from antiphon.engines.cascade.http.refusals import (
    WORTH_REPEATING,
    Asked,
    Refusal,
    Refused,
    Why,
    refused,
)

log = logging.getLogger(__name__)

Body = Callable[[], object]
"""Makes what is posted, anew for each time."""


@asynccontextmanager
async def asked(
    client: HttpClient,
    path: str,
    body: Body,
    *,
    who: Asked,
    headers: dict[str, str],
    retries: int,
    deadline_s: float,
    draw: Callable[[], float] = random.random,
) -> AsyncGenerator[aiohttp.ClientResponse, None]:
    """The answer, once its head says 200; leaving the context early closes the connection.

    Args:
        client: Of the server.
        path: After its address.
        body: What to post.
        who: For the log.
        headers: Of the request.
        retries: How often it is asked again.
        deadline_s: By the loop's clock; then the head has come, or there is no answer.
        draw: Of [0, 1), for the waits in between.

    Raises:
        Refused: there is none.
    """
    response = await _answer(client, path, body, who, headers, Backoff(retries, draw), deadline_s)
    try:
        yield response
    finally:
        if not response.content.at_eof():
            response.close()  # The server shall stop working.
        else:
            response.release()


async def _answer(
    client: HttpClient,
    path: str,
    body: Body,
    who: Asked,
    headers: dict[str, str],
    backoff: Backoff,
    deadline_s: float,
) -> aiohttp.ClientResponse:
    made_anew = False
    while True:
        refusal = await _once(client, path, body, headers, deadline_s)
        if isinstance(refusal, aiohttp.ClientResponse):
            return refusal
        if refusal.why is Why.CLOSED and not made_anew:
            made_anew = True  # A kept connection that the server had just closed.
            continue
        wait_s = None
        if refusal.why in WORTH_REPEATING:
            wait_s = backoff.next_s(refusal.retry_after_s)
        if wait_s is None or _left_s(deadline_s) <= wait_s:
            raise Refused(refusal)
        log.info("%s; asked again in %.1f s", refusal.told(who), wait_s)
        await asyncio.sleep(wait_s)


async def _once(
    client: HttpClient, path: str, body: Body, headers: dict[str, str], deadline_s: float
) -> aiohttp.ClientResponse | Refusal:
    left_s = _left_s(deadline_s)
    if left_s <= 0:
        return refused(Why.SILENT).refusal
    try:
        response = await client.post(path, body(), headers=headers, timeout_s=left_s)
    except Refused as error:
        return error.refusal
    if response.status == 200:
        return response
    with suppress(aiohttp.ClientError):
        try:
            return await refusal_of(response, timeout_s=max(0.1, _left_s(deadline_s)))
        finally:
            response.close()
    return refused(Why.BROKEN_OFF).refusal


def _left_s(deadline_s: float) -> float:
    return deadline_s - asyncio.get_running_loop().time()
