"""Faults of the user's turns, and of the responses to them."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import msgspec
from msgspec.structs import replace

from antiphon.mock.filters import (
    after,
    altered,
    before,
    delayed,
    doubled,
    dropped,
    each,
    once,
    swapped,
    with_fields,
)
from antiphon.mock.kinds import FOR_EVER_MS, fault
from antiphon.mock.outcomes import Again, Altered, Filter, Outcome, Pause, StopResponse, Tear, Text
from antiphon.mock.refusals import QUOTA, RATE_LIMITED, SERVER_ERROR
from antiphon.protocol.server import (
    ResponseContentPartAdded,
    ResponseCreated,
    ResponseDone,
    ResponseError,
    ResponseFunctionCallArgumentsDelta,
    ResponseFunctionCallArgumentsDone,
    ResponseOutputAudioDelta,
    ResponseOutputAudioDone,
    ResponseOutputAudioTranscriptDelta,
    ResponseOutputItemAdded,
    ResponseOutputItemDone,
    ResponseOutputTextDelta,
    ResponseOutputTextDone,
    ServerEvent,
    StatusDetails,
    TranscriptionCompleted,
    TranscriptionDelta,
    TranscriptionError,
    TranscriptionFailed,
)

TEXT_DELTA = (ResponseOutputAudioTranscriptDelta, ResponseOutputTextDelta)
DELTA = (*TEXT_DELTA, ResponseOutputAudioDelta, ResponseFunctionCallArgumentsDelta)
TRANSCRIPT_END = (TranscriptionCompleted, TranscriptionFailed)
GIANT_BYTES = 3 * 1024 * 1024
"""More than Pipecat and the `websockets` library take by default (1 MiB)."""

# --- Turns of the user: from their commit to their transcript -------------------------------------


@fault("turn", ms=4_000)
def transcript_late(ms: int) -> Filter:
    """The transcript of a turn is completed `ms` later, after the answer to it."""
    return delayed(TRANSCRIPT_END, ms)


@fault("turn")
def transcript_dropped(_: int) -> Filter:
    """The transcript of a turn never comes."""
    return dropped((TranscriptionDelta, *TRANSCRIPT_END))


@fault("turn")
def transcript_doubled(_: int) -> Filter:
    """The transcript of a turn is completed twice."""
    return doubled(TRANSCRIPT_END)


@fault("turn")
def transcript_fails(_: int) -> Filter:
    """The turn is not understood: `…transcription.failed`."""

    def failed(event: ServerEvent) -> Iterable[Outcome]:
        if isinstance(event, TranscriptionDelta):
            return ()
        if not isinstance(event, TranscriptionCompleted):
            return (event,)
        error = TranscriptionError("server_error", "audio_unintelligible", "It was not understood.")
        return (TranscriptionFailed(event_id=event.event_id, item_id=event.item_id, error=error),)

    return failed


# --- A response that fails ------------------------------------------------------------------------


def _failing(error: ResponseError) -> Filter:
    return _ending(StatusDetails(type="failed", error=error))


def _ending(details: StatusDetails) -> Filter:
    """After the first delta the response is stopped, and is done with these details."""
    stopped = False

    def ended(event: ServerEvent) -> Iterable[Outcome]:
        nonlocal stopped
        if isinstance(event, ResponseDone):
            changes = {"status": details.type, "status_details": details}
            return (replace(event, response=replace(event.response, **changes)),)
        if isinstance(event, DELTA):
            if stopped:
                return ()
            stopped = True
            return (event, StopResponse(event.response_id))
        return (event,)

    return ended


@fault("response")
def rate_limited(_: int) -> Filter:
    """In mid-response: `response.done`, failed, `rate_limit_exceeded`."""
    error = ResponseError(type="rate_limit_error", code="rate_limit_exceeded", message=RATE_LIMITED)
    return _failing(error)


@fault("response")
def quota_exhausted(_: int) -> Filter:
    """In mid-response: `response.done`, failed, `insufficient_quota`."""
    error = ResponseError(type="insufficient_quota", code="insufficient_quota", message=QUOTA)
    return _failing(error)


@fault("response")
def server_error(_: int) -> Filter:
    """In mid-response: `response.done`, failed, a `server_error` without a code."""
    return _failing(ResponseError(message=SERVER_ERROR))


@fault("response")
def content_filtered(_: int) -> Filter:
    """In mid-response: `response.done`, incomplete, `content_filter`."""
    return _ending(StatusDetails(type="incomplete", reason="content_filter"))


@fault("response")
def reset_in_response(_: int) -> Filter:
    """The connection is reset (TCP RST) after the first delta."""
    return after(DELTA, Tear(reset=True))


# --- A response that does not go on, or not end ---------------------------------------------------


@fault("response", ms=10_000)
def stall_before_first_delta(ms: int) -> Filter:
    """Nothing comes for `ms` after `response.created`."""
    return after(ResponseCreated, Pause(ms))


@fault("response", ms=10_000)
def stall_in_audio(ms: int) -> Filter:
    """Nothing comes for `ms` between two deltas."""
    return before(DELTA, Pause(ms), number=2)


@fault("response", ms=FOR_EVER_MS)
def silent_for_ever(ms: int) -> Filter:
    """After `response.created` the connection stays open, and nothing comes any more."""
    return after(ResponseCreated, Pause(ms))


@fault("response")
def never_created(_: int) -> Filter:
    """Nothing at all comes of the response, not even `response.created`."""
    return lambda _: ()


@fault("response")
def created_dropped(_: int) -> Filter:
    """`response.created` does not come; the rest does."""
    return dropped(ResponseCreated)


@fault("response")
def done_dropped(_: int) -> Filter:
    """`response.done` never comes."""
    return dropped(ResponseDone)


@fault("response")
def item_done_dropped(_: int) -> Filter:
    """`response.output_item.done` never comes; `response.done` does."""
    return dropped(ResponseOutputItemDone)


@fault("response", ms=200)
def never_ends(ms: int) -> Filter:
    """The sound goes on, a delta each `ms`, until the client cancels it."""
    last: list[ResponseOutputAudioDelta] = []
    rest: list[ServerEvent] = []

    def endless(event: ServerEvent) -> Iterable[Outcome]:
        if isinstance(event, ResponseOutputAudioDelta):
            last[:] = [event]
        if not rest and not (isinstance(event, ResponseOutputAudioDone) and last):
            return (event,)
        rest.append(event if not isinstance(event, ResponseDone) else _as_cancelled(event))
        return (Again(last[0], ms, rest),) if len(rest) == 1 else ()

    return endless


def _as_cancelled(event: ResponseDone) -> ResponseDone:
    details = StatusDetails(type="cancelled", reason="client_cancelled")
    response = replace(event.response, status="cancelled", status_details=details)
    return replace(event, response=response)


# --- Events too many, or in another order ---------------------------------------------------------


@fault("response")
def done_doubled(_: int) -> Filter:
    """`response.done` comes twice."""
    return doubled(ResponseDone)


@fault("response")
def deltas_doubled(_: int) -> Filter:
    """Each piece of text comes twice, under the same id."""
    return doubled(TEXT_DELTA)


@fault("response")
def created_late(_: int) -> Filter:
    """`response.created` comes after the event behind it."""
    return swapped(ResponseCreated)


@fault("response")
def delta_before_its_part(_: int) -> Filter:
    """The first delta comes before the `response.content_part.added` of its part."""
    return swapped(ResponseContentPartAdded)


@fault("response")
def item_after_its_part(_: int) -> Filter:
    """`response.output_item.added` comes after the event behind it."""
    return swapped(ResponseOutputItemAdded)


@fault("response")
def item_done_late(_: int) -> Filter:
    """`response.output_item.done` comes after the event behind it."""
    return swapped(ResponseOutputItemDone)


# --- Messages that are no events, or strange ones -------------------------------------------------


@fault("response")
def half_event(_: int) -> Filter:
    """The JSON of one delta ends in the middle."""
    return altered(DELTA, lambda message: message[: len(message) // 2])


@fault("response")
def nonsense(_: int) -> Filter:
    """A message that is no JSON comes between the deltas."""
    return before(DELTA, Text(b"]]] upstream reset {"))


@fault("response")
def not_an_object(_: int) -> Filter:
    """A message that is JSON, and no object, comes between the deltas."""
    return before(DELTA, Text(b"[1,2,3]"))


@fault("response")
def unknown_event(_: int) -> Filter:
    """An event of a type that nobody knows comes between the deltas."""
    message = b'{"type":"response.mood.updated","event_id":"event_mock_mood","mood":"sunny"}'
    return before(DELTA, Text(message))


@fault("response")
def unknown_fields(_: int) -> Filter:
    """Each delta has fields that nobody knows."""
    alter = with_fields(obfuscation="f3kQ", weather={"sky": "blue"})
    return _each_altered(DELTA, alter)


@fault("response")
def fields_missing(_: int) -> Filter:
    """The deltas name no response and no item."""
    return _each_altered(DELTA, with_fields(response_id=None, item_id=None))


@fault("response")
def fields_mistyped(_: int) -> Filter:
    """A delta has numbers where texts belong."""
    return altered(DELTA, with_fields(delta=17, item_id=4))


@fault("response")
def delta_of_another_response(_: int) -> Filter:
    """The first delta comes a second time, for a response that nobody knows."""

    def strange(event: ResponseOutputTextDelta) -> Iterable[Outcome]:
        return (event, replace(event, response_id="resp_nobody_knows", item_id="item_nobody_knows"))

    return once(DELTA, strange)


@fault("response", needs="websocket")
def giant_event(_: int) -> Filter:
    """An unknown event of 3 MiB comes between the deltas."""
    message = {"type": "response.giant", "event_id": "event_mock_giant", "x": "x" * GIANT_BYTES}
    return before(DELTA, Text(msgspec.json.encode(message)))


# --- Strange contents -----------------------------------------------------------------------------


@fault("response")
def audio_empty(_: int) -> Filter:
    """Each piece of sound is preceded by an empty one."""
    return each(ResponseOutputAudioDelta, lambda event: (replace(event, delta=b""), event))


@fault("response")
def audio_odd(_: int) -> Filter:
    """Each piece of sound lacks its last byte: half a sample."""
    return each(ResponseOutputAudioDelta, lambda event: (replace(event, delta=event.delta[:-1]),))


@fault("response")
def audio_not_base64(_: int) -> Filter:
    """A piece of sound is no base64."""
    return altered(ResponseOutputAudioDelta, with_fields(delta="not base64!"))


@fault("response")
def audio_missing(_: int) -> Filter:
    """The words come, and no sound."""
    return dropped(ResponseOutputAudioDelta)


@fault("response")
def arguments_not_json(_: int) -> Filter:
    """The arguments of a function call are no JSON."""
    wrong = '{"city": "Par'

    def spoilt(event: ServerEvent) -> Iterable[Outcome]:
        if isinstance(event, ResponseFunctionCallArgumentsDelta):
            return (replace(event, delta=wrong),)
        if isinstance(event, ResponseFunctionCallArgumentsDone):
            return (replace(event, arguments=wrong),)
        return (event,)

    return spoilt


@fault("response")
def text_done_differs(_: int) -> Filter:
    """`response.output_text.done` has another text than its deltas."""
    return each(ResponseOutputTextDone, lambda event: (replace(event, text="Another text."),))


def _each_altered(kind: type | tuple[type, ...], alter: Callable[[bytes], bytes]) -> Filter:
    return each(kind, lambda event: (Altered(event, alter),))
