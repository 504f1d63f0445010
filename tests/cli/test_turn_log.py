from __future__ import annotations

from antiphon.cli.turn_log import TurnLog
from antiphon.core.causes import Tick
from antiphon.core.effects import Close, RunTool, SendTo
from antiphon.core.terms import Terms
from antiphon.protocol import server
from antiphon.protocol.items import Message
from antiphon.protocol.server import Response
from antiphon.protocol.session import PcmFormat
from antiphon.testing.virtual_call import SEED, session


def response(status: server.ResponseStatus) -> Response:
    return Response(
        id="r",
        status=status,
        conversation_id="c",
        output_modalities=("text",),
        max_output_tokens="inf",
        audio=server.ResponseAudioOut(server.ResponseVoice(PcmFormat(), "marin")),
    )


def created() -> server.ResponseCreated:
    return server.ResponseCreated(event_id="e", response=response("in_progress"))


TERMS = Terms(session=session(), seed=SEED)


def shown(log: TurnLog) -> list[str]:
    return [str(line) for line in log.lines]


def test_a_response_that_nobody_asked_for_and_that_never_ended_is_told_as_such() -> None:
    log = TurnLog(TERMS)
    log.saw(61_500, Tick(), [created()])
    assert shown(log) == ["  1:01.500  unasked      never ended"]


def test_a_typed_answer_counts_to_its_first_word() -> None:
    log = TurnLog(TERMS)
    item = Message(id="u", role="user", content=())
    log.saw(
        0, Tick(), [server.ConversationItemAdded(event_id="e", item=item, previous_item_id=None)]
    )
    log.saw(10, Tick(), [created()])
    delta = server.ResponseOutputTextDelta(
        event_id="e", response_id="r", item_id="a", output_index=0, content_index=0, delta="Hi"
    )
    log.saw(250, Tick(), [delta])
    log.saw(900, Tick(), [delta])
    log.saw(950, Tick(), [server.ResponseDone(event_id="e", response=response("completed"))])
    assert shown(log) == ["  0:00.000  typed        first word after 0.25 s · completed"]


def test_what_the_server_carried_out_is_told_with_its_turn() -> None:
    log = TurnLog(TERMS)
    log.saw(0, Tick(), [RunTool("call_1", "early", "{}", 0)])  # Of no turn that is known.
    log.saw(0, Tick(), [created()])
    log.saw(10, Tick(), [RunTool("call_2", "remember", '{"fact": "x"}', 1)])
    log.saw(950, Tick(), [server.ResponseDone(event_id="e", response=response("completed"))])
    assert shown(log) == ["  0:00.000  unasked      called remember (by the server) · completed"]


def test_errors_and_the_end_have_lines_of_their_own() -> None:
    log = TurnLog(TERMS)
    detail = server.ErrorDetail(type="invalid_request_error", message="secret words")
    log.saw(5, Tick(), [SendTo("client", server.Error(event_id="e", error=detail))])
    log.saw(9, Tick(), [Close(1001, "going away")])
    assert shown(log) == [
        "  0:00.005  error        invalid_request_error",
        "  0:00.009  closed with 1001: going away",
    ]
    assert log.turns == 0
