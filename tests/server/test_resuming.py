"""The same session: a client that lost its connection comes back to it."""

from __future__ import annotations

import asyncio
from base64 import b64decode
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import ClientSession, WSServerHandshakeError
from aiohttp.test_utils import make_mocked_request
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from antiphon.engines.scripted import Reply, Script, ScriptedEngine, Speak, Write
from antiphon.journal.memory import MemoryJournal
from antiphon.runtime.seat import MAX_AUDIO_BYTES
from antiphon.server.api_errors import ApiError
from antiphon.server.returning import last_played
from antiphon.server.settings import Config, JournalSettings
from antiphon.server.wiring import Parts
from antiphon.testing import run_in_virtual_time, serving
from antiphon.testing.served import Served
from tests.server.returns import KEY, QUIET, Phone, minted

LONG = (Speak(ms=3_000, delta_ms=100, paced=True, text="One two three four five six."),)
Story = Callable[[Served, ClientSession], Awaitable[None]]


@asynccontextmanager
async def server_of(
    *replies: Reply,
    delay_s: Any = 0.0,
    linger_s: float = 30,
    journal: MemoryJournal | None = None,
) -> AsyncIterator[tuple[Served, ClientSession]]:
    engine = ScriptedEngine(Script(replies=replies or (LONG,)))
    parts = Parts(journal=journal or MemoryJournal(delay_s=delay_s))
    config = Config(models={"test": "scripted"}, journal=JournalSettings(linger_s=linger_s))
    async with (
        serving(engine, keys=[KEY], config=config, parts=parts) as server,
        server.client() as http,
    ):
        yield server, http


def told(story: Story, *replies: Reply, **options: Any) -> None:
    async def main() -> None:
        async with server_of(*replies, **options) as (server, http):
            await story(server, http)

    run_in_virtual_time(main())


async def talking(http: ClientSession, **options: Any) -> Phone:
    """A phone to which an answer is being spoken."""
    phone = await Phone(http, **options).dial()
    await phone.say("session.update", session=QUIET)
    await phone.says("Count, please.")
    await phone.say("response.create")
    return phone


# --- Back in time ------------------------------------------------------------


def test_what_was_missed_is_told_and_the_answer_goes_on() -> None:
    async def story(server: Served, http: ClientSession) -> None:
        phone = await talking(http)
        await asyncio.sleep(1)
        before = phone.created["id"]
        phone.drop()
        await asyncio.sleep(1)
        [session] = server.hub.sessions
        assert (session.state, session.connection_roles) == ("responding", {})
        await phone.return_()
        assert phone.created["id"] == before
        assert phone.resume["continues"] == "session"
        assert "gap" not in phone.resume
        assert phone.since_created().count("response.output_audio.delta") >= 9
        await asyncio.sleep(2)
        assert phone.types().count("response.output_audio.delta") == 30
        assert phone.types().count("response.done") == 1
        done = next(e for e in phone.told if e["type"] == "response.done")["response"]
        assert done["status"] == "completed"
        assert len(set(phone.ids())) == len(phone.ids()), "nothing comes twice"
        numbers = [int(event_id[-8:]) for event_id in phone.ids()]
        assert numbers == sorted(numbers)

    told(story)


def test_a_stock_client_is_told_of_it_where_it_does_not_disturb() -> None:
    async def story(_: Served, http: ClientSession) -> None:
        phone = await talking(http)
        assert set(phone.resume) == {"conversation_id", "token", "linger_s"}
        assert phone.resume["linger_s"] == 30
        updated = next(e for e in phone.told if e["type"] == "session.updated")
        assert "resume" not in updated["session"]["antiphon"]
        created = next(e for e in phone.told if e["type"] == "response.created")
        assert created["response"]["conversation_id"] == phone.resume["conversation_id"]

    told(story)


def test_it_waits_only_so_long_and_ends_truthfully() -> None:
    async def story(server: Served, http: ClientSession) -> None:
        phone = await talking(http)
        phone.drop()
        await asyncio.sleep(4.9)
        assert len(server.hub.sessions) == 1
        await asyncio.sleep(0.2)
        assert len(server.hub.sessions) == 0
        old = phone.created["id"]
        await phone.return_()  # The session is gone; its conversation is there.
        assert phone.created["id"] != old
        assert phone.resume["continues"] == "conversation"
        items = [e["item"] for e in phone.told if e["type"] == "conversation.item.done"][-2:]
        assert [item["role"] for item in items] == ["user", "assistant"]

    told(story, linger_s=5)


@pytest.mark.parametrize("code", [1000, None])
def test_who_says_goodbye_is_not_waited_for(code: int | None) -> None:
    async def story(server: Served, http: ClientSession) -> None:
        phone = await talking(http)
        if code is None:  # As a browser's `socket.close()`: a close frame without a code.
            assert phone._ws is not None
            await phone.hush()
            phone._ws._writer.transport.write(b"\x88\x80abcd")
        else:
            await phone.close(code)
        await asyncio.sleep(0.01)
        assert len(server.hub.sessions) == 0

    told(story)


def test_a_page_that_is_loaded_anew_is_waited_for() -> None:
    async def story(server: Served, http: ClientSession) -> None:
        phone = await talking(http)
        await phone.close(1001)
        await asyncio.sleep(5)
        await phone.return_()
        assert phone.resume["continues"] == "session"
        assert phone.types()[-1] == "rate_limits.updated"
        assert len(server.hub.sessions) == 1

    told(story)


def test_nobody_is_waited_for_without_a_journal() -> None:
    async def main() -> None:
        engine = ScriptedEngine(Script(replies=(LONG,)))
        async with serving(engine, keys=[KEY]) as server, server.client() as http:
            phone = await talking(http)
            assert phone.resume == {}
            phone.drop()
            await asyncio.sleep(0.01)
            assert len(server.hub.sessions) == 0

    run_in_virtual_time(main())


def test_a_page_that_forgot_the_items_is_shown_them_after_what_it_missed() -> None:
    async def story(_: Served, http: ClientSession) -> None:
        phone = await talking(http)
        await asyncio.sleep(1)
        await phone.close(1001)
        await asyncio.sleep(0.5)
        headers = {"Antiphon-Resume": phone.token}
        await phone.dial(f"after={phone.cursor}&show_items=true", headers)
        kinds = phone.since_created()
        shown = ["conversation.item.added", "conversation.item.done"] * 2
        assert kinds[-4:] == shown
        assert kinds.count("response.output_audio.delta") == 5
        item = phone.told[-1]["item"]
        assert (item["role"], item["status"]) == ("assistant", "in_progress")
        await asyncio.sleep(3)
        assert phone.types().count("response.output_audio.delta") == 30

    told(story)


def test_one_may_want_another_session_for_the_same_conversation() -> None:
    async def story(server: Served, http: ClientSession) -> None:
        phone = await talking(http)
        before = phone.created
        headers = {"Antiphon-Resume": phone.token}
        await phone.dial(f"model=test&after={phone.cursor}&session=new", headers)
        assert phone.created["id"] != before["id"]
        assert phone.resume["continues"] == "conversation"
        assert phone.resume["conversation_id"] == before["antiphon"]["resume"]["conversation_id"]
        [session] = server.hub.sessions
        assert session.id == phone.created["id"]
        answer = phone.told[-1]["item"]
        assert (answer["role"], answer["status"]) == ("assistant", "incomplete")

    told(story)


# --- Two at once -------------------------------------------------------------


def test_one_that_drops_silently_is_taken_over_at_once() -> None:
    async def story(server: Served, http: ClientSession) -> None:
        phone = await talking(http)
        await asyncio.sleep(1)
        late = Phone(http)
        late.told, late.token = list(phone.told), phone.token
        at_s = asyncio.get_running_loop().time()
        await late.return_()
        assert asyncio.get_running_loop().time() - at_s < 0.1
        await asyncio.sleep(0.1)
        assert phone.close_code == 4001
        [session] = server.hub.sessions
        assert list(session.connection_roles.values()) == ["owner"]
        await asyncio.sleep(3)
        assert late.types().count("response.output_audio.delta") == 30

    told(story)


def test_a_token_is_good_once_but_for_a_network_that_fails_again_at_once() -> None:
    async def story(_: Served, http: ClientSession) -> None:
        phone = await talking(http)
        first = phone.token
        phone.drop()
        await phone.return_(token=first)
        phone.drop()  # The new token may not have arrived.
        await phone.return_(token=first)
        assert phone.resume["continues"] == "session"
        assert phone.token != first
        await phone.says("I am here.")
        await phone.return_(token=first)
        assert phone.types()[-1] == "error"
        assert phone.told[-1]["error"]["code"] == "resume_token_unknown"
        assert phone.close_code == 1008

    told(story)


def test_after_a_restart_the_conversation_is_found_by_its_name_beside_the_token() -> None:
    async def story(server: Served, http: ClientSession) -> None:
        phone = await talking(http)
        name = phone.resume["conversation_id"]
        old = phone.created["id"]
        await phone.close()
        headers = {"Antiphon-Resume": "rt_of_the_server_before"}
        await phone.dial(f"after={phone.cursor}&conversation_id={name}", headers)
        assert phone.created["id"] != old
        assert phone.resume["conversation_id"] == name
        assert phone.resume["continues"] == "conversation"
        await phone.close()
        secret = await minted(server, http)  # Not for that conversation.
        for key, asked in ((KEY, "conv_nobody_knows"), (secret, name)):
            lost = Phone(http, key=key)
            await lost.dial(f"model=test&conversation_id={asked}", headers)
            assert lost.told[-1]["error"]["code"] == "resume_token_unknown"
            assert lost.close_code == 1008

    told(story)


def test_after_a_restart_a_token_leads_a_new_secret_of_the_same_user_to_the_conversation() -> None:
    async def main() -> None:
        journal = MemoryJournal()
        async with server_of(journal=journal) as (server, http):
            phone = await talking(http, key=await minted(server, http, end_user_id="anna"))
            used = phone.token
            phone.drop()
            await phone.return_()  # From now on another token counts,
            await phone.says("Are you there?")  # once it has shown that it is alive.
            name = phone.resume["conversation_id"]
            phone.drop()
        async with server_of(journal=journal) as (server, http):
            anna = await minted(server, http, end_user_id="anna")
            for user, token in (
                ("bob", phone.token),
                ("anna", used),
                ("anna", "rt_made_up"),
                (None, phone.token),
            ):
                secret = await minted(server, http, **({"end_user_id": user} if user else {}))
                refused = await came_back(http, secret, token, name)
                assert refused.told[-1]["error"]["code"] == "resume_token_unknown", (user, token)
            back = await came_back(http, anna, phone.token, name)
            assert back.resume["continues"] == "conversation"
            assert back.resume["conversation_id"] == name
            assert "conversation.item.done" in back.types()
            # It was good once.
            await back.says("Here I am again.")
            await back.close()
            again = await came_back(http, anna, phone.token, name)
            assert again.told[-1]["error"]["code"] == "resume_token_unknown"

    run_in_virtual_time(main())


async def came_back(http: ClientSession, key: str, token: str, conversation_id: str) -> Phone:
    """By what a client knows of a server that has restarted."""
    headers = {"Antiphon-Resume": token}
    query = f"after=event_before&conversation_id={conversation_id}"
    return await Phone(http, key=key).dial(query, headers)


# --- A gap is told -----------------------------------------------------------


def test_what_is_too_long_ago_is_a_gap_and_the_items_are_shown() -> None:
    async def story(_: Served, http: ClientSession) -> None:
        phone = await talking(http)
        phone.drop()
        await asyncio.sleep(5)
        await phone.return_(after="event_of_another_epoch")
        assert phone.resume["gap"] is True
        kinds = ["conversation.item.added", "conversation.item.done"] * 2
        assert phone.since_created() == kinds

    told(story)


def test_an_engine_that_is_faster_than_speech_waits_for_the_one_who_is_away() -> None:
    seconds = 4 * MAX_AUDIO_BYTES // 48_000
    fast = (Speak(ms=seconds * 1_000, delta_ms=500),)

    async def story(_: Served, http: ClientSession) -> None:
        phone = await Phone(http).dial()
        witness = await Phone(http).dial(f"call_id={phone.created['id']}")
        await phone.say("session.update", session=QUIET)
        phone.drop()
        await witness.say("response.create")
        await asyncio.sleep(5)
        assert "response.done" not in witness.types()
        await phone.return_()
        await asyncio.sleep(1)
        assert "gap" not in phone.resume
        deltas = [e for e in phone.told if e["type"] == "response.output_audio.delta"]
        assert sum(len(b64decode(e["delta"])) for e in deltas) == 48_000 * seconds
        assert len({e["event_id"] for e in deltas}) == len(deltas)

    told(story, fast)


# --- Whose it is -------------------------------------------------------------


def test_it_is_bound_to_the_principal() -> None:
    async def story(server: Served, http: ClientSession) -> None:
        anna = await minted(server, http, end_user_id="anna", max_sessions=1)
        phone = await talking(http, key=anna)
        phone.drop()
        await phone.return_()  # The secret is spent: what it opened goes on all the same.
        assert phone.resume["continues"] == "session"
        phone.drop()
        for key, status in [
            ("nobody's", 101),
            (await minted(server, http, end_user_id="bob"), 403),
        ]:
            thief = Phone(http, key=key)
            thief.told, thief.token = list(phone.told), phone.token
            if status == 101:  # A refused key is told on the socket.
                await thief.return_()
                assert (thief.types()[-1], thief.close_code) == ("error", 3000)
            else:
                with pytest.raises(WSServerHandshakeError) as refused:
                    await thief.return_()
                assert refused.value.status == status
        # A page that was loaded anew comes with a new secret for the same user.
        again = Phone(http, key=await minted(server, http, end_user_id="anna"))
        again.told, again.token = list(phone.told), phone.token
        await again.return_()
        assert again.resume["continues"] == "session"

    told(story)


@pytest.mark.parametrize("told", ["", "-1", "1.5", "two", "\u0663", str(1 << 32)])
def test_who_comes_back_to_a_call_tells_a_packet_by_its_timestamp(told: str) -> None:
    asked = make_mocked_request("POST", f"/v1/realtime/calls?played={told}")
    with pytest.raises(ApiError, match="'played' is the RTP timestamp"):
        last_played(asked)
    assert last_played(make_mocked_request("POST", "/v1/realtime/calls?played=0")) == 0
    assert last_played(make_mocked_request("POST", "/v1/realtime/calls")) is None


# --- Sidebands ---------------------------------------------------------------


def test_a_sideband_that_comes_late_reads_what_it_missed() -> None:
    async def story(_: Served, http: ClientSession) -> None:
        phone = await Phone(http).dial()
        call = f"call_id={phone.created['id']}"
        early = await Phone(http).dial(call)
        await phone.say("conversation.item.retrieve", item_id="item_nobodys")
        await phone.say("session.update", session=QUIET)
        await phone.says("Count, please.")
        await phone.say("response.create")
        await asyncio.sleep(1)
        cursor = early.cursor
        late = await Phone(http).dial(f"{call}&after=")
        assert late.ids() == early.ids(), "and nothing that was for the owner alone"
        await asyncio.sleep(1)
        again = await Phone(http).dial(f"{call}&after={cursor}")
        assert early.ids() == [*early.ids()[: early.ids().index(str(cursor)) + 1], *again.ids()]
        assert "token" not in again.resume
        lost = await Phone(http).dial(f"{call}&after=event_nobodys")
        assert lost.resume["gap"] is True
        shown = ["conversation.item.added", "conversation.item.done"] * 2
        assert lost.since_created()[:4] == shown

    told(story)


def test_a_sideband_is_told_of_a_gap_where_nothing_is_kept_too() -> None:
    async def main() -> None:
        engine = ScriptedEngine(Script(replies=(LONG,)))
        async with serving(engine, keys=[KEY]) as server, server.client() as http:
            phone = await talking(http)
            late = await Phone(http).dial(f"call_id={phone.created['id']}&after=")
            assert late.resume["gap"] is True
            assert late.since_created()[0] == "conversation.item.added"

    run_in_virtual_time(main())


@pytest.mark.parametrize(
    ("comes_s", "speaks", "begins_s"), [(2, True, 2), (2, False, 2.5), (None, False, 5)]
)
def test_the_first_answer_waits_for_the_sideband_but_not_for_ever(
    comes_s: float | None, speaks: bool, begins_s: float
) -> None:
    async def story(server: Served, http: ClientSession) -> None:
        secret = await minted(server, http, wait_for_sideband_s=5)
        loop = asyncio.get_running_loop()
        began = loop.time()
        phone = await talking(http, key=secret)
        assert phone.types() == ["session.created"]
        if comes_s is not None:
            await asyncio.sleep(began + comes_s - loop.time())
            sideband = await Phone(http).dial(f"call_id={phone.created['id']}")
            if speaks:
                settings = {"type": "realtime", "instructions": "Be kind."}
                await sideband.say("session.update", session=settings)
        await asyncio.sleep(max(0, began + begins_s - 0.01 - loop.time()))
        if not speaks:
            assert "response.created" not in phone.types()
        await asyncio.sleep(0.05)
        kinds = phone.types()
        assert "response.created" in kinds
        if speaks:
            updated = next(e for e in phone.told if e["type"] == "session.updated")
            assert updated["session"]["instructions"] == "Be kind."
            assert kinds.index("session.updated") < kinds.index("conversation.item.added")

    told(story)


# --- The law -----------------------------------------------------------------

MOVES = st.lists(
    st.tuples(
        st.sampled_from(["drop", "drop", "fence", "sideband", "text", "answer", "cancel", "look"]),
        st.sampled_from([0, 1, 30, 170, 900, 4_000]),
    ),
    max_size=14,
)
DELAYS_S = st.lists(st.sampled_from([0.0, 0.001, 0.02, 0.5]), min_size=1, max_size=6)
REPLIES = st.lists(
    st.sampled_from([LONG, (Write(text="la"),), (Speak(ms=400, text="la"), Write(text="lo"))]),
    min_size=1,
    max_size=3,
)


@settings(
    max_examples=60,
    deadline=None,
    database=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
@given(MOVES, DELAYS_S, REPLIES)
def test_no_event_is_lost_or_doubled_whenever_it_drops(
    moves: list[tuple[str, int]], delays_s: list[float], replies: list[Any]
) -> None:
    """Whatever a sideband saw, that nothing ever happened to, the owner saw, in that order."""

    def delay() -> float:
        delays_s.append(delays_s.pop(0))
        return delays_s[-1]

    async def story(_: Served, http: ClientSession) -> None:
        phone = await Phone(http).dial()
        witness = await Phone(http).dial(f"call_id={phone.created['id']}")
        await phone.say("session.update", session=QUIET)
        late: list[Phone] = []
        for move, wait_ms in moves:
            match move:
                case "drop":
                    phone.drop()
                    await asyncio.sleep(wait_ms / 1000)
                    await phone.return_()
                case "fence":
                    await phone.hush()
                    await asyncio.sleep(wait_ms / 1000)
                    await phone.return_()
                case "sideband":
                    call = f"call_id={phone.created['id']}&after="
                    late.append(await Phone(http).dial(call))
                case "text":
                    await phone.says("Hello.")
                case "answer":
                    await phone.say("response.create")
                case "cancel":
                    await phone.say("response.cancel")
                case _:
                    await phone.say("conversation.item.retrieve", item_id="item_nobodys")
            await asyncio.sleep(wait_ms / 1000)
            assert "gap" not in phone.resume
        await asyncio.sleep(10)
        shared = [event_id for event_id in phone.ids() if event_id in set(witness.ids())]
        assert shared == witness.ids()
        assert len(set(phone.ids())) == len(phone.ids())
        for sideband in late:
            assert sideband.ids() == witness.ids()
        alone = [e["type"] for e in phone.told if e["event_id"] not in set(witness.ids())]
        assert set(alone) <= {"session.created", "error"}
        looks = sum(move == "look" for move, _ in moves)
        codes = [e["error"]["code"] for e in phone.told if e["type"] == "error"]
        assert codes.count("item_retrieve_invalid_item_id") == looks

    told(story, *replies, delay_s=delay)
