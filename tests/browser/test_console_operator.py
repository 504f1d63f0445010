"""The operator's desk in the console: who is live, and what can be done with a session."""

from __future__ import annotations

from typing import Any

from aiohttp import ClientSession, ClientWebSocketResponse, WSMsgType

from tests.browser.console_page import console, needs_console
from tests.browser.visitor import NEEDS_CHROMIUM
from tests.server.place import EVENT_TIMEOUT_S, until
from tests.server_process import KEY, ServerProcess

pytestmark = [*NEEDS_CHROMIUM, needs_console]
SUM, ITS_ANSWER = "What is seventeen times four?", "Seventeen times four is sixty eight."
TEXT = {"type": "realtime", "output_modalities": ["text"]}


class Client:
    """It types, with a key that opens sessions for one user."""

    def __init__(self, http: ClientSession, ws: ClientWebSocketResponse) -> None:
        self.http, self.ws = http, ws

    async def ask(self, text: str) -> dict[str, Any]:
        content = [{"type": "input_text", "text": text}]
        item = {"type": "message", "role": "user", "content": content}
        await self.ws.send_json({"type": "conversation.item.create", "item": item})
        await self.ws.send_json({"type": "response.create"})
        return await until(self.ws, "response.done")


async def made_key(http: ClientSession, server: ServerProcess, **wish: object) -> str:
    headers = {"Authorization": f"Bearer {KEY}"}
    body = {"name": "k", "tenant": "acme"} | wish
    async with http.post(f"{server.url}/v1/antiphon/keys", json=body, headers=headers) as response:
        value: str = (await response.json())["value"]
        return value


async def test_the_operator_sees_a_session_reads_it_instructs_it_and_ends_it(
    keyed_server: ServerProcess,
) -> None:
    async with ClientSession() as http:
        headers = {"Authorization": f"Bearer {await made_key(http, keyed_server, user='anna')}"}
        url = f"{keyed_server.url}/v1/realtime?model=gpt-realtime"
        operator = await made_key(http, keyed_server, scopes=["operate"])
        async with (
            http.ws_connect(url, headers=headers) as ws,
            console(keyed_server.url, complains=True) as shown,
        ):
            await ws.send_json({"type": "session.update", "session": TEXT})
            client = Client(http, ws)
            await client.ask(SUM)
            page = shown.page
            async with shown.settings() as settings:
                await settings.get_by_label("Key, if").fill(operator)
                await settings.get_by_label("Key, if").blur()
            await page.get_by_role("button", name="Operate", exact=True).click()
            await page.get_by_role("button", name="anna").click()
            session = page.get_by_role("region", name="anna")
            await session.get_by_text("acme", exact=True).wait_for()
            await page.get_by_role("row", name="acme").wait_for()

            await session.get_by_role("button", name="Listen").click()
            await session.get_by_text(ITS_ANSWER).first.wait_for()
            await client.ask("What is two times two?")
            await session.get_by_text("Two times two is four.").first.wait_for()

            await session.get_by_label("Instruction to the agent").fill("Offer a refund.")
            await session.get_by_role("button", name="Instruct").click()
            item = (await until(ws, "conversation.item.done"))["item"]
            assert (item["role"], item["content"][0]["text"]) == ("system", "Offer a refund.")
            await session.get_by_text("The agent answers with it now.").wait_for()
            await session.get_by_text("Offer a refund.").first.wait_for()

            await session.get_by_role("button", name="Mute the user").click()
            await session.get_by_text("The user is not heard any more.").wait_for()
            await session.get_by_role("button", name="Unmute the user").wait_for()

            await session.get_by_role("button", name="Hang up").click()
            await session.get_by_role("button", name="End it for all").click()
            while (end := await ws.receive(timeout=EVENT_TIMEOUT_S)).type is not WSMsgType.CLOSE:
                pass
            assert (end.data, end.extra) == (1000, "The session was ended by its operator.")
            await page.get_by_text("Nobody is connected.").wait_for()
            await session.get_by_text(ITS_ANSWER).first.wait_for()
            await shown.picture("operator")
            assert await page.get_by_role("alert").count() == 0


async def test_a_key_that_will_not_do_is_told_what_it_lacks(keyed_server: ServerProcess) -> None:
    async with (
        ClientSession() as http,
        console(keyed_server.url, complains=True) as shown,
    ):
        page = shown.page
        await page.get_by_role("button", name="Operate", exact=True).click()
        await page.get_by_text("to those who have its key, with the scope 'operate'.").wait_for()
        await page.get_by_role("button", name="Enter the key").click()
        await shown.visitor.until("() => document.activeElement?.type === 'password'")
        await page.keyboard.type(await made_key(http, keyed_server, scopes=["read"]))
        await page.keyboard.press("Enter")
        await page.get_by_text("This key lacks the scope 'operate'.").wait_for()
        await page.get_by_role("button", name="Enter another key").wait_for()
