"""Acknowledged is durable: what waits for the journal, what does not, and for how long."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from antiphon.core.records import ItemChanged, ResponseEnded
from antiphon.engines.scripted import (
    Call,
    Hearing,
    Reply,
    Script,
    ScriptedEngine,
    Speak,
    Wait,
    Write,
)
from antiphon.identity.principal import Principal
from antiphon.journal.entries import Changed, Closed, ConnectionJoined, ConnectionLeft, Opened
from antiphon.journal.journal import Wanted
from antiphon.journal.memory import MemoryJournal
from antiphon.journal.recall import Recalled
from antiphon.protocol.closes import CloseCode
from antiphon.protocol.codec import decode_client_event, encode_server_event
from antiphon.protocol.server import ConversationItemDone, ResponseDone, ServerEvent
from antiphon.protocol.session import SessionPatch
from antiphon.runtime.door import SessionDoor
from antiphon.runtime.hub import Hub
from antiphon.runtime.keeping import Keeping
from antiphon.runtime.kept_conversations import ConversationInUse, ConversationNotFound
from antiphon.testing import run_in_virtual_time

TEXT_ONLY = msgspec.json.decode(
    '{"output_modalities": ["text"], "audio": {"input": {"turn_detection": null}}}',
    type=SessionPatch,
)
BY_HAND = msgspec.json.decode('{"audio": {"input": {"turn_detection": null}}}', type=SessionPatch)


class Client:
    """A connection, what it is told and when, and what it says."""

    def __init__(self, session: SessionDoor, name: str = "owner", *, owns: bool = True) -> None:
        self.id = name
        self.session = session
        self.queued_bytes = 0
        self.told: list[dict[str, Any]] = []
        self.closed: tuple[int, str] | None = None
        self.on_event: Callable[[ServerEvent], None] = lambda _: None
        self.owns = owns

    def join(self) -> Client:
        self.session.attach(self, owns=self.owns)
        return self

    def send(self, event: ServerEvent) -> None:
        assert self.closed is None, "nothing comes after the close"
        self.on_event(event)
        told = json.loads(encode_server_event(event))
        self.told.append(told | {"at_s": asyncio.get_running_loop().time()})

    def close(self, code: int, reason: str) -> None:
        self.closed = self.closed or (code, reason)

    async def flushed(self) -> None: ...

    def say(self, kind: str, **event: Any) -> None:
        data = json.dumps({"type": kind, **event})
        self.session.receive(self, decode_client_event(data))

    def says(self, text: str) -> None:
        content = [{"type": "input_text", "text": text}]
        item = {"type": "message", "role": "user", "content": content}
        self.say("conversation.item.create", item=item)

    def types(self) -> list[str]:
        return [event["type"] for event in self.told]

    def at_s(self, kind: str, which: int = 0) -> float:
        at: float = [e["at_s"] for e in self.told if e["type"] == kind][which]
        return at


def hub(journal: MemoryJournal | None, *replies: Reply, hold_ms: int = 2_000, **script: Any) -> Hub:
    engine = ScriptedEngine(Script(replies=replies, **script))
    keeping = None if journal is None else Keeping(journal=journal, hold_ms=hold_ms)
    return Hub(lambda _: engine, keeping=keeping)


def opened(h: Hub, patch: SessionPatch = TEXT_ONLY) -> Client:
    return Client(
        h.open(kind="realtime", model="m", patch=patch, principal=Principal(user="u"))
    ).join()


def run(main: Coroutine[Any, Any, None]) -> None:
    run_in_virtual_time(main)


# --- What waits --------------------------------------------------------------


def test_an_acknowledgement_waits_for_its_record() -> None:
    async def main() -> None:
        client = opened(hub(MemoryJournal(delay_s=0.3), (Write(text="hi"),)))
        client.says("Hello.")
        assert client.types() == ["session.created", "conversation.item.added"]
        await asyncio.sleep(0.29)
        assert client.types()[-1] == "conversation.item.added"
        await asyncio.sleep(0.02)
        assert client.types()[-1] == "conversation.item.done"
        client.say("response.create")
        await asyncio.sleep(0.2)
        assert "response.created" in client.types()
        assert client.types()[-1] == "response.content_part.done"
        await asyncio.sleep(0.2)
        assert client.types()[-3:-1] == ["response.output_item.done", "response.done"]

    run(main())


def test_what_follows_waits_behind_it_and_comes_in_order() -> None:
    async def main() -> None:
        journal = MemoryJournal(delay_s=0.3)
        client = opened(hub(journal, (Write(text="hi"),)))
        client.says("Hello.")
        client.say("session.update", session={"type": "realtime", "instructions": "x"})
        client.say("response.cancel")
        assert len(client.told) == 2
        await asyncio.sleep(0.31)
        assert client.types()[2:] == ["conversation.item.done", "session.updated", "error"]

    run(main())


def test_sound_that_has_begun_never_waits() -> None:
    async def main() -> None:
        journal = MemoryJournal()
        client = opened(hub(journal, (Speak(ms=2_000, delta_ms=100, paced=True),)), BY_HAND)
        client.say("response.create")
        await asyncio.sleep(0.25)
        journal.delay_s = 1.0
        client.says("While it speaks.")
        await asyncio.sleep(0.95)
        kinds = client.types()
        since = kinds[kinds.index("conversation.item.added", 5) :]
        assert since.count("response.output_audio.delta") >= 9
        assert "conversation.item.done" not in since
        await asyncio.sleep(0.1)
        assert "conversation.item.done" in client.types()

    run(main())


def test_sound_does_not_come_before_its_own_beginning() -> None:
    async def main() -> None:
        journal = MemoryJournal(delay_s=0.5)
        client = opened(hub(journal, (Speak(ms=300), Call(name="look"), Speak(ms=300))), BY_HAND)
        client.says("Hello.")
        client.say("response.create")
        await asyncio.sleep(3)
        kinds = [k for k in client.types() if k.startswith("response.")]
        assert kinds[0] == "response.created"
        assert kinds[-1] == "response.done"
        begun: set[str] = set()
        for event in client.told:
            if event["type"] == "response.output_item.added":
                begun.add(event["item"]["id"])
            elif event["type"].endswith(".delta"):
                assert event["item_id"] in begun

    run(main())


def test_one_who_joins_is_not_told_what_happened_before() -> None:
    async def main() -> None:
        client = opened(hub(MemoryJournal(delay_s=0.3), (Write(text="hi"),)))
        client.says("Hello.")
        late = Client(client.session, "late", owns=False).join()
        await asyncio.sleep(0.4)
        assert late.types() == ["session.created"]
        assert client.types()[-1] == "conversation.item.done"

    run(main())


def test_a_close_waits_for_what_was_said_before_it() -> None:
    async def main() -> None:
        h = hub(MemoryJournal(delay_s=0.3))
        client = opened(h)
        client.says("Hello.")
        client.session.close(CloseCode.NORMAL, "enough")
        assert client.closed is None
        await h.aclose()
        assert client.types()[-1] == "conversation.item.done"
        assert client.closed == (CloseCode.NORMAL, "enough")

    run(main())


# --- Trouble -----------------------------------------------------------------


def test_a_slow_disk_is_waited_for_only_so_long_and_told_once() -> None:
    async def main() -> None:
        journal = MemoryJournal(delay_s=30.0)
        client = opened(hub(journal, (Write(text="hi"),)))
        client.says("One.")
        await asyncio.sleep(1.9)
        assert "conversation.item.done" not in client.types()
        await asyncio.sleep(0.2)
        assert client.types()[-2:] == ["error", "conversation.item.done"]
        detail = client.told[-2]["error"]
        assert (detail["type"], detail["code"]) == ("server_error", "journal_unavailable")
        before_s = asyncio.get_running_loop().time()
        client.says("Two.")
        client.say("response.create")
        await asyncio.sleep(0.01)
        assert client.at_s("response.done") - before_s < 0.01
        assert client.types().count("error") == 1
        # Once the journal has caught up, it is waited for again.
        await asyncio.sleep(40)
        journal.delay_s = 1.0
        client.says("Three.")
        await asyncio.sleep(0.9)
        assert client.types()[-1] == "conversation.item.added"
        await asyncio.sleep(0.2)
        assert client.types()[-1] == "conversation.item.done"
        assert client.types().count("error") == 1

    run(main())


def test_a_record_that_is_lost_is_not_waited_for() -> None:
    async def main() -> None:
        client = opened(hub(MemoryJournal(delay_s=0.1, fails=True)))
        client.says("One.")
        await asyncio.sleep(0.11)
        assert client.types()[-2:] == ["error", "conversation.item.done"]
        client.says("Two.")
        await asyncio.sleep(0.11)
        assert client.types()[-2:] == ["conversation.item.added", "conversation.item.done"]

    run(main())


def test_what_is_held_is_bounded() -> None:
    async def main() -> None:
        client = opened(hub(MemoryJournal(delay_s=30.0), hold_ms=60_000))
        client.says("One.")
        for _ in range(10_001):
            client.say("session.update", session={"type": "realtime"})
        assert client.types().count("session.updated") >= 10_000

    run(main())


# --- What is written down ----------------------------------------------------


async def log_of(journal: MemoryJournal) -> list[Any]:
    [kept] = (await journal.listed(Wanted(), after=None, limit=9)).conversations
    return list(await journal.read(kept.id))


def test_a_session_in_which_nothing_is_said_leaves_nothing() -> None:
    async def main() -> None:
        journal = MemoryJournal()
        h = hub(journal)
        client = opened(h)
        client.say("session.update", session={"type": "realtime", "instructions": "x"})
        client.session.detach(client)
        await h.aclose()
        assert (await journal.listed(Wanted(), after=None, limit=9)).conversations == ()

    run(main())


def test_the_log_tells_who_when_and_what() -> None:
    async def main() -> None:
        journal = MemoryJournal()
        h = hub(journal, (Speak(ms=300, text="hi"),))
        client = opened(h, BY_HAND)
        client.says("Hello.")
        client.say("response.create")
        await asyncio.sleep(1)
        client.session.detach(client)
        await h.aclose()
        log = await log_of(journal)
        kinds = [type(e.change if isinstance(e, Changed) else e) for e in log]
        assert (kinds[0], kinds[1], kinds[-1]) == (Opened, ConnectionJoined, Closed)
        assert kinds.count(ItemChanged) == 3
        assert kinds.count(ResponseEnded) == 1
        assert ConnectionLeft in kinds
        assert isinstance(log[0], Opened)
        assert (log[0].model, log[0].engine, log[0].end_user_id) == ("m", "scripted", "u")
        assert b"\x00" * 1_000 not in msgspec.msgpack.encode(log), "no sound is kept"
        assert [item.id for item in Recalled(log).items]

    run(main())


# --- Coming back -------------------------------------------------------------


def test_a_conversation_goes_on_in_another_session_and_another_process() -> None:
    async def main() -> None:
        journal = MemoryJournal(delay_s=0.001)
        first_hub = hub(journal, (Write(text="One."),))
        first = opened(first_hub)
        first.says("Hello.")
        first.say("response.create")
        await asyncio.sleep(1)
        conversation_id = first.session.about.conversation_id
        with pytest.raises(ConversationInUse):
            async with first_hub.conversations.recalled(conversation_id):
                raise AssertionError
        first.session.detach(first)

        second_hub = hub(journal, (Write(text="Two."),))
        async with second_hub.conversations.recalled(conversation_id) as past:
            with (
                pytest.raises(ConversationInUse),
                second_hub.conversations.claimed(conversation_id),
            ):
                raise AssertionError
            session = second_hub.open(kind="realtime", model="m", patch=TEXT_ONLY, past=past)
        assert session.about.conversation_id == conversation_id
        assert session.id != first.session.id
        second = Client(session).join()
        kinds = ["conversation.item.added", "conversation.item.done"] * 2
        assert second.types() == ["session.created", *kinds]
        old = [e["item"] for e in first.told if e["type"] == "conversation.item.done"]
        assert [e["item"] for e in second.told[2::2]] == old
        second.say("response.create")
        await asyncio.sleep(1)
        done = second.told[second.types().index("response.done")]["response"]
        assert done["conversation_id"] == conversation_id
        session.detach(second)
        await second_hub.aclose()
        recalled = Recalled(await journal.read(conversation_id))
        assert [s.session_id for s in recalled.sessions] == [first.session.id, session.id]
        assert len(recalled.items) == 3
        assert recalled.whole

    run(main())


def test_what_is_not_there_cannot_go_on() -> None:
    async def main() -> None:
        for h, problem in [(hub(MemoryJournal()), "There is no"), (hub(None), "journal is off")]:
            with pytest.raises(ConversationNotFound, match=problem):
                async with h.conversations.recalled("conv_of_nobody"):
                    raise AssertionError
            async with h.conversations.recalled(None) as past:
                assert past is None

    run(main())


# --- Laws --------------------------------------------------------------------

STEP = st.one_of(
    st.builds(Write, text=st.just("la")),
    st.builds(Speak, ms=st.sampled_from([50, 400]), text=st.just("la"), paced=st.booleans()),
    st.builds(Wait, ms=st.sampled_from([1, 70])),
    st.builds(Call, name=st.just("look")),
)
SAYINGS = st.sampled_from(
    ["text", "text", "respond", "respond", "append", "commit", "cancel", "update", "delete"]
)
SAYS = st.lists(st.tuples(SAYINGS, st.sampled_from([0, 0, 1, 40, 300])), max_size=14)
DELAYS_S = st.lists(st.sampled_from([0.0, 0.001, 0.02, 0.5, 1.5]), min_size=1, max_size=12)
LAWFUL = settings(
    max_examples=80,
    deadline=None,
    database=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)


def speak_up(client: Client, what: str) -> None:
    match what:
        case "text":
            client.says("Hello.")
        case "respond":
            client.say("response.create")
        case "append":
            client.say("input_audio_buffer.append", audio="AAAA" * 1_600)
        case "commit":
            client.say("input_audio_buffer.commit")
        case "cancel":
            client.say("response.cancel")
        case "update":
            client.say("session.update", session={"type": "realtime", "instructions": "x"})
        case _:
            item = {"type": "message", "role": "user", "content": [], "id": "mine"}
            client.say("conversation.item.create", item=item)
            client.say("conversation.item.delete", item_id="mine")


def shape(events: list[dict[str, Any]]) -> list[str]:
    """The order, without what is random (ids) and without deltas."""
    return [
        event["type"] + str(event.get("item", {}).get("role", ""))
        for event in events
        if not event["type"].endswith(".delta")
    ]


async def played(
    journal: MemoryJournal | None, replies: list[Reply], says: list[tuple[str, int]]
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    h = hub(journal, *replies, hold_ms=60_000, hears=(Hearing(text="hello"),))
    client = Client(h.open(kind="realtime", model="m", patch=BY_HAND))
    sideband = Client(client.session, "sideband", owns=False)
    if journal is not None:
        client.on_event = lambda event: assert_durable(event, client.session, journal)
    client.join()
    for at, (what, wait_ms) in enumerate(says):
        if at == len(says) // 2:
            sideband.join()
        speak_up(client, what)
        await asyncio.sleep(wait_ms / 1000)
    await asyncio.sleep(60)
    client.session.detach(client)
    await h.aclose()
    return client.told, sideband.told


def assert_durable(event: ServerEvent, session: SessionDoor, journal: MemoryJournal) -> None:
    if not isinstance(event, ConversationItemDone | ResponseDone):
        return
    recalled = Recalled(journal.durable(session.about.conversation_id))
    if isinstance(event, ResponseDone):
        assert event.response in recalled.responses
    else:
        assert event.item in recalled.items or event.item.id == "mine"


@LAWFUL
@given(
    st.lists(st.lists(STEP, min_size=1, max_size=4).map(tuple), min_size=1, max_size=3),
    SAYS,
    DELAYS_S,
)
def test_no_done_is_seen_before_it_is_durable_and_order_stays(
    replies: list[Reply], says: list[tuple[str, int]], delays_s: list[float]
) -> None:
    def delay() -> float:
        delays_s.append(delays_s.pop(0))
        return delays_s[-1]

    async def main() -> None:
        without = await played(None, replies, says)
        kept = await played(MemoryJournal(delay_s=delay), replies, says)
        for plain, delayed in zip(without, kept, strict=True):
            assert shape(delayed) == shape(plain)
            deltas = [e["type"] for e in plain if e["type"].endswith(".delta")]
            assert [e["type"] for e in delayed if e["type"].endswith(".delta")] == deltas

    run(main())
