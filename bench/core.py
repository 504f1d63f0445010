"""What a cause costs: ``python bench/core.py``.

Microseconds of processor time of `Conversation.handle`, and memory of a conversation.
"""

from __future__ import annotations

import gc
import statistics
import time
import tracemalloc
from collections.abc import Callable, Iterable, Sequence

from antiphon.core.causes import Cause, ClientSent, EngineFinished, EngineSpoke, VoiceScored, Word
from antiphon.core.conversation import Conversation
from antiphon.core.turns import WINDOW_SAMPLES
from antiphon.protocol import client
from antiphon.protocol import session as wire
from antiphon.protocol.items import InputText, Message
from antiphon.testing import VirtualCall
from antiphon.testing.virtual_call import CLIENT, session

RUNS = 2_000
QUIET = session(audio=wire.Audio(input=wire.AudioInput(turn_detection=None)))


def pcm(ms: int) -> bytes:
    return bytes(2 * 24 * ms)


def sent(event: client.ClientEvent) -> Cause:
    return ClientSent(CLIENT, event)


def measure(name: str, conversation: Conversation, rounds: Iterable[Sequence[Cause]]) -> None:
    """Times the first cause of each round; the others put things as they were."""
    took = []
    gc.collect()
    gc.disable()
    for now_ms, (timed, *rest) in enumerate(rounds):
        start = time.thread_time_ns()
        conversation.handle(timed, now_ms)
        took.append((time.thread_time_ns() - start) / 1_000)
        for cause in rest:
            conversation.handle(cause, now_ms)
    gc.enable()
    took.sort()
    p99 = took[int(len(took) * 0.99)]
    print(f"{name:<44} {statistics.median(took):9.1f} {p99:9.1f}")


def repeated(*causes: Cause, runs: int = RUNS) -> Iterable[list[Cause]]:
    return ([*causes] for _ in range(runs))


def appends() -> None:
    for label, settings in (("by hand", QUIET), ("server_vad", session())):
        for ms in (20, 100):
            call = VirtualCall(settings)
            append = sent(client.InputAudioBufferAppend(audio=pcm(ms)))
            measure(f"append {ms} ms, {label}", call.conversation, repeated(append))
    call = VirtualCall(
        session(audio=wire.Audio(input=wire.AudioInput(wire.PcmuFormat(), turn_detection=None)))
    )
    append = sent(client.InputAudioBufferAppend(audio=b"\xff" * 160))
    measure("append 20 ms, G.711", call.conversation, repeated(append))


def scores() -> None:
    call = VirtualCall()
    rounds = ([VoiceScored(n * WINDOW_SAMPLES, 0.1)] for n in range(RUNS))
    measure("VoiceScored, quiet", call.conversation, rounds)
    call = VirtualCall()
    call.user_speaks(400)
    rounds = ([VoiceScored(n * WINDOW_SAMPLES, 0.9)] for n in range(20, 20 + RUNS))
    measure("VoiceScored, in a turn", call.conversation, rounds)


def speech() -> None:
    for ms in (20, 100, 200):
        call = VirtualCall(QUIET)
        call.client(client.ResponseCreate())
        spoke = EngineSpoke(call.response_id, pcm(ms), (Word(1, 100),))
        measure(f"EngineSpoke {ms} ms", call.conversation, repeated(spoke))
    output = client.ResponseAudioOutput(format=wire.PcmuFormat())
    call = VirtualCall(QUIET)
    options = client.ResponseOptions(audio=client.ResponseAudio(output))
    call.client(client.ResponseCreate(response=options))
    measure(
        "EngineSpoke 100 ms, to G.711",
        call.conversation,
        repeated(EngineSpoke(call.response_id, pcm(100))),
    )
    call = VirtualCall(QUIET, playout="server")
    call.client(client.ResponseCreate())
    spoke = EngineSpoke(call.response_id, pcm(100))
    measure("EngineSpoke 100 ms, server plays", call.conversation, repeated(spoke))


def requests() -> None:
    item = Message(role="user", content=(InputText("Forty characters of text for one message."),))
    create = client.ConversationItemCreate(item=item)
    cancel = sent(client.ResponseCancel())
    for items in (10, 1_000):
        call = VirtualCall(QUIET)
        call.client(*[create] * items)
        respond = sent(client.ResponseCreate())
        rounds = repeated(respond, cancel, runs=300)
        measure(f"response.create on {items} items", call.conversation, rounds)
        last = str(call.conversation.items[-1].id)
        measure(
            f"item.create on {items} items",
            call.conversation,
            ([sent(create)] for _ in range(200)),
        )
        retrieve = sent(client.ConversationItemRetrieve(item_id=last))
        measure(f"item.retrieve on {items} items", call.conversation, repeated(retrieve))
    call = VirtualCall(QUIET)
    update = sent(client.SessionUpdate(session=wire.SessionPatch(instructions="Sing.")))
    measure("session.update", call.conversation, repeated(update))
    append = sent(client.InputAudioBufferAppend(audio=pcm(100)))
    commit = sent(client.InputAudioBufferCommit())
    conversation = VirtualCall(QUIET).conversation
    conversation.handle(append, 0)
    measure("commit of 100 ms", conversation, repeated(commit, append, runs=1_000))
    conversation = VirtualCall(QUIET).conversation
    three_seconds = [append] * 30
    for cause in three_seconds:
        conversation.handle(cause, 0)
    measure("commit of 3 s", conversation, repeated(commit, *three_seconds, runs=300))


def memory_of(make: Callable[[], VirtualCall]) -> float:
    """In KiB, once the call's own records are gone."""
    gc.collect()
    tracemalloc.start()
    call = make()
    conversation = call.conversation
    del call
    gc.collect()
    size = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert conversation.items is not None
    return size / 1_024


def ten_minutes() -> VirtualCall:
    """75 turns of 2 s, each answered with 4 s and 12 words."""
    call = VirtualCall()
    for _ in range(75):
        call.user_speaks(2_000).user_is_quiet(640)
        call.engine_heard("A question of about forty characters here")
        words = [Word(n * 5, n * 8_000) for n in range(1, 13)]
        for at in range(4):
            call.engine_speaks(1_000, "Fifteen letters", words=words[at * 3 : at * 3 + 3])
        call.give(EngineFinished(call.response_id))
        call.user_is_quiet(5_000)
        call.effects.clear()
        call.tape.clear()
    return call


def main() -> None:
    print(f"{'cause':<44} {'median µs':>9} {'p99 µs':>9}")
    appends()
    scores()
    speech()
    requests()
    print(f"\nmemory of an idle conversation: {memory_of(VirtualCall):.0f} KiB")
    print(f"after ten minutes: {memory_of(ten_minutes):.0f} KiB")


if __name__ == "__main__":
    main()
