"""An operator beside a call that another server holds."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from tests.direct.elsewhere import THEIR_CALL, Here
from tests.direct.test_calls import talk, virtually


async def do(here: Here, deed: str, **wish: object) -> tuple[int, Any]:
    (listed,) = await here.sessions()
    path = f"/v1/antiphon/sessions/{listed['id']}/{deed}"
    async with here.http.post(path, json=wish) as told:
        return told.status, await told.json()


@virtually
async def test_its_words_are_read_before_and_after_one_comes(here: Here) -> None:
    await here.begun()
    await talk(here)
    (listed,) = await here.sessions()
    async with here.http.get(f"/v1/antiphon/sessions/{listed['id']}/captions") as captions:
        lines: list[dict[str, Any]] = []

        async def read(count: int) -> list[dict[str, Any]]:
            while len(lines) < count:
                line = await captions.content.readline()
                if line.startswith(b"data: "):
                    lines.append(json.loads(line.removeprefix(b"data: ")))
            return lines

        before = await read(2)
        assert [event["item"]["id"] for event in before] == ["item_u", "item_a"]
        await here.there.say(
            "response.output_audio_transcript.delta",
            response_id="resp_2",
            item_id="item_b",
            output_index=0,
            content_index=0,
            delta="Well,",
        )
        assert (await read(3))[2]["delta"] == "Well,"
        assert (await do(here, "hangup"))[0] == 200
        assert (await read(4))[3]["reason"] == "session_ended"
    await here.until_ended()
    while not here.there.hung_up:  # noqa: ASYNC110 -- The time is virtual.
        await asyncio.sleep(1)
    assert here.there.hung_up == [THEIR_CALL]


@virtually
async def test_an_instruction_goes_to_who_holds_it(here: Here) -> None:
    await here.begun()
    assert await do(here, "instruct", instructions="Be kind.", answer=True) == (
        200,
        {"id": (await here.sessions())[0]["id"], "object": "antiphon.session", "answers": True},
    )
    kinds = ["conversation.item.create", "response.create"]
    await here.there.until(lambda: [event["type"] for event in here.there.told][-2:] == kinds)
    item = here.there.told[-2]["item"]
    assert (item["role"], item["content"][0]["text"]) == ("system", "Be kind.")


@virtually
async def test_its_user_cannot_be_muted_here(here: Here) -> None:
    await here.begun()
    status, told = await do(here, "mute")
    assert (status, told["error"]["code"]) == (501, "not_in_direct_calls")
    status, told = await do(here, "mute", muted=False)
    assert (status, told["muted"]) == (200, False)
