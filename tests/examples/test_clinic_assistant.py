"""The clinic assistant: its door, its calendar, and a conversation written and spoken."""

from __future__ import annotations

import base64
import datetime as dt
import json
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import jwt
import pytest
from aiohttp import ClientSession, web
from hypothesis import given
from hypothesis import strategies as st

from examples.clinic_assistant.accounts import ALGORITHM, TOKEN_TTL_S, Accounts, NotLoggedIn
from examples.clinic_assistant.app import make_app
from examples.clinic_assistant.appointments import AppointmentError, Appointments
from examples.clinic_assistant.conversations import Conversations, shown
from examples.serving import VoiceServer
from tests.browser.visitor import TIMEOUT_S, Visitor, needs_chromium, visiting
from tests.examples.backend import backend, needs_client, take_pictures
from tests.server_process import KEY, ServerProcess

JWT_KEY = b"a key for tests, long enough for all of the algorithms."
TODAY = dt.date.today()
EARLY = dt.datetime.combine(TODAY, dt.time(8))
AT_2_30 = dt.datetime.combine(TODAY, dt.time(14, 30))


def accounts(now_s: float = 1_000_000) -> Accounts:
    made = Accounts(JWT_KEY, lambda: now_s)
    made.add("maria", "anemone", "Maria Weber")
    made.add("tom", "bluebell", "Tom Baker")
    return made


def database() -> sqlite3.Connection:
    return sqlite3.connect(":memory:", isolation_level=None)


# The door.


def test_a_token_opens_until_it_is_old() -> None:
    token = accounts().log_in("maria", "anemone")
    assert accounts().patient(token).name == "Maria Weber"
    assert accounts(1_000_000 + TOKEN_TTL_S - 1).patient(token).id == "maria"
    with pytest.raises(NotLoggedIn, match="a while ago"):
        accounts(1_000_000 + TOKEN_TTL_S).patient(token)


@pytest.mark.parametrize(
    ("login", "password"), [("maria", "bluebell"), ("", ""), ("nobody", "anemone"), ("maria", "")]
)
def test_who_is_not_known_does_not_come_in(login: str, password: str) -> None:
    with pytest.raises(NotLoggedIn, match="no account"):
        accounts().log_in(login, password)


def unsigned(claims: dict[str, Any]) -> str:
    parts = [{"alg": "none", "typ": "JWT"}, claims]
    encoded = [base64.urlsafe_b64encode(json.dumps(p).encode()).decode().strip("=") for p in parts]
    return ".".join([*encoded, ""])


CLAIMS = {"iss": "clinic", "sub": "maria", "iat": 1_000_000, "exp": 2_000_000}


@pytest.mark.parametrize(
    "token",
    [
        "",
        "not.a.token",
        unsigned(CLAIMS),
        jwt.encode(CLAIMS, b"another key, as long as a key must be, and no longer.", ALGORITHM),
        jwt.encode(CLAIMS, JWT_KEY, "HS384"),
        jwt.encode(CLAIMS | {"sub": "nobody"}, JWT_KEY, ALGORITHM),
        jwt.encode(CLAIMS | {"iss": "elsewhere"}, JWT_KEY, ALGORITHM),
        jwt.encode({k: v for k, v in CLAIMS.items() if k != "exp"}, JWT_KEY, ALGORITHM),
    ],
)
def test_a_forged_token_opens_nothing(token: str) -> None:
    with pytest.raises(NotLoggedIn):
        accounts().patient(token)


# The calendar.


def test_what_is_booked_is_not_free_any_more() -> None:
    calendar = Appointments(database(), lambda: EARLY)
    calendar.book("maria", AT_2_30)
    assert AT_2_30.time() not in calendar.free(TODAY)
    assert calendar.of("maria") == [AT_2_30]
    assert calendar.of("tom") == []
    with pytest.raises(AppointmentError, match=r"2:30 p\.m\. is taken"):
        calendar.book("tom", AT_2_30)


@given(
    st.sampled_from(["free_times", "book_appointment", "my_appointments", "other"]),
    st.text() | st.dictionaries(st.sampled_from(["day", "time"]), st.text()).map(json.dumps),
)
def test_whatever_a_model_writes_is_answered(name: str, arguments: str) -> None:
    calendar = Appointments(database(), lambda: EARLY)
    output = calendar.run("maria", name, arguments)
    assert isinstance(output.get("spoken", output.get("error")), str)


@pytest.mark.parametrize(
    ("time", "error"), [("07:30", "is past"), ("20:00", "nine to five"), ("14:10", "half hour")]
)
def test_what_cannot_be_booked_is_told_why(time: str, error: str) -> None:
    noon = dt.datetime.combine(TODAY, dt.time(12))
    calendar = Appointments(database(), lambda: noon)
    day = TODAY.isoformat()
    if time == "07:30":
        time = "09:00"
    arguments = json.dumps({"day": day, "time": time})
    assert error in calendar.run("maria", "book_appointment", arguments)["error"]


# What is kept.


def test_a_patient_is_known_to_the_voice_server_by_an_opaque_name_that_lasts() -> None:
    kept = Conversations(database())
    maria, tom = kept.end_user_of("maria"), kept.end_user_of("tom")
    assert len({maria, tom, "maria", "tom"}) == 4
    assert kept.end_user_of("maria") == maria
    assert kept.of("maria") is None
    kept.put("maria", "conv_1")
    assert (kept.of("maria"), kept.of("tom")) == ("conv_1", None)
    assert kept.end_user_of("maria") == maria


def test_items_are_shown_as_they_were_written_or_heard() -> None:
    spoken = [{"type": "output_audio", "transcript": " For which "}]
    items: list[dict[str, Any]] = [
        {"id": "s", "type": "message", "role": "system", "content": []},
        {
            "id": "u",
            "type": "message",
            "role": "user",
            "content": [{"type": "input_text", "text": "Hi."}],
        },
        {"id": "a", "type": "message", "role": "assistant", "content": spoken},
        {"id": "c", "type": "function_call", "name": "free_times", "arguments": "{}"},
        {"id": "o", "type": "function_call_output", "call_id": "1", "output": "{}"},
    ]
    assert shown(items) == [
        {"id": "u", "type": "message", "role": "user", "text": "Hi.", "spoken": False},
        {"id": "a", "type": "message", "role": "assistant", "text": "For which", "spoken": True},
        {"id": "c", "type": "function_call", "name": "free_times"},
        {"id": "o", "type": "function_call_output", "output": "{}"},
    ]


# The application.


class Page:
    """The clinic's page, by the names that a person sees."""

    def __init__(self, visitor: Visitor) -> None:
        self.visitor = visitor
        self.page = visitor.page
        self.page.set_default_timeout(TIMEOUT_S * 1000)

    async def log_in(self, password: str = "anemone") -> None:
        await self.page.get_by_label("Name").fill("maria")
        await self.page.get_by_label("Password").fill(password)
        await self.page.get_by_role("button", name="Log in").click()

    async def write(self, text: str) -> None:
        await self.page.get_by_label("Message").fill(text)
        await self.page.keyboard.press("Enter")

    async def talk(self, question: str) -> None:
        """The line is open once the assistant has asked, aloud, what it asked before."""
        await self.page.get_by_role("button", name="Talk").click()
        asked = "document.querySelector('#thread .assistant:has(small) p')?.textContent"
        await self.visitor.until(f"(question) => {asked} === question", question)

    async def end(self) -> None:
        """The thread shows what is kept: until then it shows what was heard and what was not."""
        await self.page.get_by_role("button", name="End", exact=True).click()
        await self.page.locator("voice-dock[data-state=idle]").wait_for()

    async def end_when_heard(self, text: str) -> None:
        """At once, in the page itself: on a busy machine who asks the page from here is late."""
        hang_up = """(text) => {
            const thread = document.getElementById('thread');
            new MutationObserver((_, watch) => {
                const said = thread.querySelector('.assistant:last-child p');
                // Its first node: what follows it was not heard.
                if (!said?.firstChild?.textContent.startsWith(text)) return;
                watch.disconnect();
                document.querySelector('.dock-end').click();
            }).observe(thread, { childList: true });
        }"""
        await self.visitor.run(hang_up, text)

    async def reads(self, text: str) -> None:
        """The assistant's last words, written or heard."""
        last = "[...document.querySelectorAll('#thread .assistant p')].at(-1)?.textContent"
        await self.visitor.until(f"(text) => {last}?.includes(text)", text)

    async def says(self, clip: str, *, reads: str) -> None:
        await self.visitor.say(clip, lines="#thread", agents=".assistant", hears=reads)

    async def thread(self) -> list[str]:
        return await self.page.locator("#thread li").all_inner_texts()


def clinic(server: ServerProcess, db: sqlite3.Connection) -> web.Application:
    voice_server = VoiceServer(f"{server.url}/v1", KEY)
    return make_app(accounts(), db, voice_server, now=lambda: EARLY)


@asynccontextmanager
async def opened(
    server: ServerProcess, db: sqlite3.Connection, *, complains: bool = False
) -> AsyncIterator[Page]:
    async with (
        backend(clinic(server, db)) as url,
        visiting(f"{url}/", complains=complains) as visitor,
    ):
        yield Page(visitor)


@needs_client
@needs_chromium
async def test_what_was_begun_in_writing_goes_on_by_voice_and_is_kept(
    keyed_server: ServerProcess,
) -> None:
    db = database()
    async with opened(keyed_server, db) as clinic_page:
        await take_pictures(clinic_page.page, "clinic-door")
        await clinic_page.log_in()
        await take_pictures(clinic_page.page, "clinic-welcome")
        await clinic_page.page.get_by_role("button", name="I need an appointment").click()
        await clinic_page.reads("For which day?")
        assert not await clinic_page.page.locator("#welcome").is_visible()

        await clinic_page.talk("For which day?")
        times = "We have times from 9 a.m. to 4:30 p.m. Which time suits you?"
        await clinic_page.says("cmd_today", reads=times)
        confirmation = "So today, at two thirty p.m. Shall I book it?"
        await clinic_page.says("cmd_two_thirty_pm", reads=confirmation)
        # In writing, in the same conversation.
        await clinic_page.write("yes")
        await clinic_page.reads(f"We expect you on {AT_2_30:%A}")
        await clinic_page.page.locator("#appointments").get_by_text("2:30 PM").wait_for()
        await take_pictures(clinic_page.page, "clinic")
        await clinic_page.end()
        thread = await clinic_page.thread()

    # In another browser, another day.
    async with opened(keyed_server, db) as clinic_page:
        await clinic_page.log_in()
        await clinic_page.page.locator("#thread li").first.wait_for()
        assert await clinic_page.thread() == thread
        await clinic_page.write("when is my next appointment")
        await clinic_page.reads("You have an appointment on")
        spoken = [line.split("\n")[0] for line in await clinic_page.thread() if "by voice" in line]
    assert "today" in spoken
    assert "two thirty pm" in spoken


@needs_client
@needs_chromium
async def test_what_was_not_heard_is_not_kept(keyed_server: ServerProcess) -> None:
    async with opened(keyed_server, database()) as clinic_page:
        await clinic_page.log_in()
        await clinic_page.write("I need an appointment")
        await clinic_page.reads("For which day?")
        await clinic_page.talk("For which day?")
        await clinic_page.end_when_heard("We have times")
        await clinic_page.visitor.speak("cmd_today")
        await clinic_page.page.locator("voice-dock[data-state=idle]").wait_for()
        lines = await clinic_page.thread()
        # One who hangs up before the first word is played has heard nothing of it.
        cut = next((line for line in lines if line.startswith("We have")), "")
        assert any(line.startswith("today") for line in lines)
        assert "Which time suits you?" not in cut
        # The conversation stands where it stood.
        await clinic_page.write("two thirty p.m.")
        await clinic_page.reads("So today, at two thirty p.m.")


@needs_client
@needs_chromium
async def test_a_wrong_password_is_told(keyed_server: ServerProcess) -> None:
    async with opened(keyed_server, database(), complains=True) as clinic_page:
        await clinic_page.log_in("bluebell")
        await clinic_page.page.get_by_text("There is no account").wait_for()


@needs_client
async def test_nobody_reads_or_joins_what_is_anothers(keyed_server: ServerProcess) -> None:
    async with backend(clinic(keyed_server, database())) as url, ClientSession(url) as client:

        def as_patient(login: str, password: str) -> dict[str, str]:
            return {"Authorization": f"Bearer {accounts().log_in(login, password)}"}

        maria, tom = as_patient("maria", "anemone"), as_patient("tom", "bluebell")
        for method, path in [
            ("GET", "/conversation"),
            ("POST", "/conversation"),
            ("POST", "/voice"),
            ("POST", "/voice/x/join"),
        ]:
            async with client.request(method, path) as answer:
                assert answer.status == 401
        said = json.dumps({"text": "It is private."})
        async with client.post("/conversation", headers=maria, data=said) as answer:
            assert "private" in await answer.text()
        async with client.get("/conversation", headers=maria) as answer:
            assert "private" in await answer.text()
        async with client.get("/conversation", headers=tom) as answer:
            assert "private" not in await answer.text()
        async with client.post("/voice", headers=maria) as answer:
            visit = (await answer.json())["id"]
        async with client.post(f"/voice/{visit}/join", headers=tom) as answer:
            assert answer.status == 404
        async with client.post(f"/voice/{visit}/join", headers=maria) as answer:
            assert answer.status == 409  # Not before she has connected.
        for body in ("{}", '{"text": 5}', '{"text": " "}', json.dumps({"text": "a" * 2001})):
            async with client.post("/conversation", headers=maria, data=body) as answer:
                assert answer.status == 400
                assert "Traceback" not in await answer.text()


@needs_client
async def test_where_the_voice_server_is_away_it_is_said_and_nothing_lost() -> None:
    db = database()
    Conversations(db).put("maria", "conv_before")
    app = make_app(accounts(), db, VoiceServer("http://127.0.0.1:9/v1", KEY))
    headers = {"Authorization": f"Bearer {accounts().log_in('maria', 'anemone')}"}
    async with (
        backend(app) as url,
        ClientSession(url, headers=headers) as client,
        client.post("/conversation", data='{"text": "hello"}') as answer,
    ):
        assert answer.status == 502
        assert "voice server is away" in await answer.text()
    assert Conversations(db).of("maria") == "conv_before"


@needs_client
async def test_what_the_voice_server_has_erased_is_begun_anew(
    keyed_server: ServerProcess,
) -> None:
    db = database()
    headers = {"Authorization": f"Bearer {accounts().log_in('maria', 'anemone')}"}
    async with (
        backend(clinic(keyed_server, db)) as url,
        ClientSession(url, headers=headers) as client,
    ):
        Conversations(db).put("maria", "conv_long_ago")
        async with client.get("/conversation") as answer:
            assert (await answer.json())["items"] == []
        said = json.dumps({"text": "I need an appointment"})
        async with client.post("/conversation", data=said) as answer:
            assert answer.status == 200
            items = (await answer.json())["items"]
    assert [item["text"] for item in items] == ["I need an appointment", "For which day?"]
    assert Conversations(db).of("maria") not in (None, "conv_long_ago")
