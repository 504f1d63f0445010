"""What happens in a session → lines; told twice, the same lines."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antiphon.core.causes import (
    Cause,
    EngineBegan,
    EngineCounted,
    EngineFinished,
    EngineMoved,
    EngineSaid,
    EngineSpoke,
    Speculated,
    Tick,
    TranscriptEnded,
)
from antiphon.core.conversation import Conversation
from antiphon.core.effects import Generate, Speculate
from antiphon.core.terms import Terms
from antiphon.metering.bill import DIMENSIONS, NOTHING, bill, bill_by
from antiphon.metering.lines import Account, Line
from antiphon.metering.meter import TIME_LINE_MS, BilledAs, BilledKind, Meter, as_asked
from antiphon.metering.prices import Price, PriceTable, known_prices
from antiphon.protocol.client import ResponseCancel, ResponseCreate, ResponseOptions
from antiphon.protocol.server import (
    CachedTokenDetails,
    InputTokenDetails,
    OutputTokenDetails,
    ResponseDone,
    TranscriptionCompleted,
    TranscriptionTokens,
    Usage,
)
from antiphon.protocol.session import Audio, AudioInput, Transcription
from antiphon.testing.virtual_call import VirtualCall, session
from tests.core.test_laws import LAWFUL, OPS, SETTINGS, TERMS, World
from tests.core.witness import LawfulCall

ACCOUNT = Account("clinic", "user-7", "front desk")
MODEL = "gpt-realtime-2.1"
PRICES = PriceTable(known_prices(), [Price(model="test", text_in=7, text_out=11, audio_out=13)])
USAGE = Usage(
    total_tokens=300,
    input_tokens=250,
    output_tokens=50,
    input_token_details=InputTokenDetails(
        text_tokens=100,
        audio_tokens=120,
        image_tokens=30,
        cached_tokens=90,
        cached_tokens_details=CachedTokenDetails(text_tokens=40, audio_tokens=40, image_tokens=10),
    ),
    output_token_details=OutputTokenDetails(text_tokens=20, audio_tokens=30),
)
NANO = (
    60 * 4_000
    + 40 * 400
    + 20 * 24_000
    + 80 * 32_000
    + 40 * 400
    + 30 * 64_000
    + 20 * 5_000
    + 10 * 500
)
"""Of that usage at gpt-realtime-2.1's prices: dollars for a million are thousands of nanos each."""


class Call:
    """A virtual call with a meter."""

    def __init__(
        self,
        *,
        prices: PriceTable = PRICES,
        model: str = MODEL,
        billed_as: BilledAs = as_asked,
        asks_words: bool = True,
        **terms: object,
    ) -> None:
        asked = Transcription(model="gpt-realtime-whisper") if asks_words else None
        audio = Audio(input=AudioInput(transcription=asked))
        settings = session(audio=audio)
        settings = type(settings)(
            id=settings.id, model=model, expires_at=1_900_000_000, audio=settings.audio
        )
        self.call = VirtualCall(settings, **terms)
        self.lines: list[Line] = []
        self.meter = Meter(
            self.call.terms, ACCOUNT, prices, conversation_id="conv_1", billed_as=billed_as
        )
        self.give = self.call.give
        self._metered = 0
        self._conversation = Conversation(self.call.terms)

    def metered(self) -> list[Line]:
        """The lines of all that happened since."""
        lines = []
        for now_ms, cause in self.call.tape[self._metered :]:
            effects = self._conversation.handle(cause, now_ms)
            lines += self.meter.saw(now_ms, cause, effects)
        self._metered = len(self.call.tape)
        self.lines += lines
        return lines


def test_a_response_is_a_line_with_each_kind_of_token_at_its_price() -> None:
    call = Call()
    call.call.client(ResponseCreate())
    call.give(EngineFinished(call.call.response_id, usage=USAGE))
    [line] = call.metered()
    assert {charge.kind: charge.quantity for charge in line.charges} == {
        "text_in": 60,
        "text_cached": 40,
        "text_out": 20,
        "audio_in": 80,
        "audio_cached": 40,
        "audio_out": 30,
        "image_in": 20,
        "image_cached": 10,
    }
    assert line.nano == NANO
    assert not line.is_unpriced
    assert not line.is_estimated
    assert (line.account, line.billed_as, line.kind) == (ACCOUNT, MODEL, "response")
    assert line.source_id == call.call.response_id
    assert line.day == "2030-03-17"


def test_a_model_without_a_price_is_unpriced_and_not_free() -> None:
    call = Call(model="gpt-next")
    call.call.client(ResponseCreate())
    call.give(EngineFinished(call.call.response_id, usage=USAGE))
    [line] = call.metered()
    assert line.is_unpriced
    assert all(charge.nano is None for charge in line.charges)
    total = bill([line])
    assert (total.nano, total.unpriced_lines, total.input_tokens) == (0, 1, 250)


def test_a_kind_of_token_without_a_price_leaves_the_others_priced() -> None:
    call = Call(model="test")
    call.call.client(ResponseCreate())
    call.give(EngineFinished(call.call.response_id, usage=USAGE))
    [line] = call.metered()
    assert line.is_unpriced
    assert [c.kind for c in line.charges if c.nano is None] == [
        "audio_in",
        "audio_cached",
        "image_in",
        "image_cached",
    ]


def test_out_of_band_and_cancelled_responses_are_lines_too() -> None:
    call = Call()
    call.call.client(ResponseCreate(response=ResponseOptions(conversation="none")))
    beside = call.call.response_id
    call.call.client(ResponseCreate())
    call.call.engine_speaks(1_000, "I think that")
    call.call.client(ResponseCancel())
    call.give(EngineFinished(beside, usage=USAGE))
    cancelled, out_of_band = call.metered()
    assert (cancelled.status, cancelled.is_estimated) == ("cancelled", True)
    assert cancelled.quantity("audio_out") == 20
    assert cancelled.quantity("text_in") > 0, "the instructions were read"
    assert not out_of_band.in_conversation
    assert out_of_band.nano == NANO


def test_an_answer_that_was_begun_early_and_thrown_away_has_its_price_too() -> None:
    call = Call()
    foreseen = Speculate(Generate(response_id="", items=()), input_tokens=1_000)
    meter = call.meter
    assert meter.saw(0, Tick(), [foreseen]) == []
    [guessed] = meter.saw(10, Speculated(used=False, output_tokens=10), [])
    assert (guessed.kind, guessed.status, guessed.is_estimated) == (
        "speculation",
        "thrown_away",
        True,
    )
    assert guessed.nano == 1_000 * 4_000 + 10 * 24_000
    [counted] = meter.saw(20, Speculated(used=False, input_tokens=5, output_tokens=1), [])
    assert (counted.nano, counted.is_estimated) == (5 * 4_000 + 24_000, False)
    assert counted.id != guessed.id
    assert meter.saw(30, Speculated(used=True), []) == [], "the answer's usage has it"


def test_the_bill_of_a_stopped_answer_corrects_the_estimate_to_the_nano() -> None:
    call = Call()
    call.call.client(ResponseCreate())
    stopped = call.call.response_id
    call.give(EngineSaid(stopped, "I think that"))
    call.call.client(ResponseCancel())
    call.give(EngineCounted(stopped, USAGE))
    estimate, correction = call.metered()
    assert correction.is_correction
    assert estimate.nano + correction.nano == NANO
    total = bill([estimate, correction])
    assert (total.lines, total.input_tokens, total.output_tokens) == (1, 250, 50)
    call.give(EngineCounted(stopped, USAGE))
    assert call.metered() == [], "it is corrected once"


def test_an_answer_that_the_engine_began_is_corrected_by_its_own_name() -> None:
    call = Call(engine_finds_turns=True, engine_begins=True)
    call.give(EngineBegan("theirs"))
    call.give(EngineSaid("theirs", "Well"))
    call.call.client(ResponseCancel())
    call.give(EngineCounted("theirs", USAGE))
    assert bill(call.metered()).nano == NANO


def test_the_words_of_a_turn_are_a_line_of_their_own_by_the_minute() -> None:
    call = Call()
    call.call.user_speaks(3_000).user_is_quiet(1_000)
    call.call.engine_heard("Hello.")
    [line] = call.metered()
    assert (line.kind, line.billed_as) == ("transcription", "gpt-realtime-whisper")
    [charge] = line.charges
    assert charge.kind == "ms"
    assert 3_000 <= charge.quantity <= 4_000
    assert line.nano == round(charge.quantity * 17_000_000 / 60_000)


def test_or_by_the_token_where_the_engine_counted() -> None:
    call = Call()
    call.call.user_speaks(3_000).user_is_quiet(1_000)
    counted = TranscriptionTokens(total_tokens=40, input_tokens=30, output_tokens=10)
    call.give(TranscriptEnded(call.call.turn_id, "Hello.", usage=counted))
    told = call.call.one(TranscriptionCompleted)
    assert told.usage == counted
    [line] = call.metered()
    assert [(c.kind, c.quantity) for c in line.charges] == [("audio_in", 30), ("text_out", 10)]


def test_an_engine_may_be_paid_by_the_minute_of_the_session() -> None:
    prices = PriceTable([Price(model=MODEL, minute=60_000_000)])
    call = Call(prices=prices)
    call.call.user_speaks(1_000)
    assert call.metered() == []
    call.call.wait(TIME_LINE_MS).client(ResponseCreate())
    [while_idle] = call.metered()
    assert (while_idle.kind, while_idle.nano) == ("time", (1_000 + TIME_LINE_MS) * 1_000)
    call.call.wait(500)
    call.give(EngineFinished(call.call.response_id, usage=USAGE))
    response, answering = call.metered()
    assert (response.kind, response.nano, response.is_unpriced) == ("response", 0, False)
    assert (answering.kind, answering.nano) == ("time", 500_000)
    call.call.wait(250).client(ResponseCreate())
    assert (call.metered(), [line.nano for line in call.meter.ended()]) == ([], [250_000])


def test_what_happens_after_a_move_is_another_models() -> None:
    call = Call()
    call.call.client(ResponseCreate())
    call.give(EngineSaid(call.call.response_id, "I"))
    call.give(EngineMoved(name="relay", model="gpt-realtime-2.1-mini", message="cheaper"))
    call.give(EngineFinished(call.call.response_id, usage=USAGE))
    failed, done = call.metered()
    assert (failed.billed_as, failed.status) == (MODEL, "failed")
    assert (done.billed_as, done.status) == ("gpt-realtime-2.1-mini", "completed")
    assert done.nano < NANO


def elsewhere(voice: str, ears: str = "whisper-1") -> BilledAs:
    """Another server speaks, and one hears."""

    def name(kind: BilledKind, engine: str, model: str | None) -> str:
        if kind == "speech":
            return voice
        return ears if kind == "recognition" else as_asked(kind, engine, model)

    return name


@pytest.mark.parametrize(
    ("voice", "charge"),
    [
        ("tts-1", ("characters", 12, 12 * 15_000)),
        ("gpt-4o-mini-tts", ("ms", 600, 150_000)),
        ("a-voice-of-tomorrow", ("characters", 12, None)),
    ],
)
def test_what_another_server_speaks_is_a_line_of_its_own(
    voice: str, charge: tuple[str, int, int | None]
) -> None:
    call = Call(billed_as=elsewhere(voice))
    call.call.client(ResponseCreate())
    response_id = call.call.response_id
    call.give(EngineSaid(response_id, "Good "))
    call.give(EngineSaid("round_2", "morning"))
    call.give(EngineSpoke(response_id, bytes(600 * 48)))
    assert call.metered() == []
    call.give(EngineFinished(response_id, usage=USAGE))
    spoken, answer = call.metered()
    assert (spoken.kind, spoken.billed_as, spoken.source_id) == ("speech", voice, response_id)
    [said] = spoken.charges
    assert (said.kind, said.quantity, said.nano) == charge
    assert spoken.is_unpriced == (charge[2] is None)
    assert spoken.is_estimated, "it was counted here"
    assert (answer.kind, answer.nano) == ("response", NANO)


def test_speech_is_paid_for_also_where_it_was_cut_short_or_moved_away_from() -> None:
    call = Call(billed_as=elsewhere("tts-1"))
    call.call.client(ResponseCreate())
    call.give(EngineSaid(call.call.response_id, "Good morning"))
    call.give(EngineMoved(name="relay", model="gpt-realtime-2.1-mini", message="cheaper"))
    spoken, failed = call.metered()
    assert (spoken.kind, spoken.nano, failed.status) == ("speech", 180_000, "failed")
    call.give(EngineSaid(call.call.response_id, "Good"))
    call.call.client(ResponseCancel())
    spoken, cancelled = call.metered()
    assert (spoken.nano, cancelled.status) == (60_000, "cancelled")


@pytest.mark.parametrize("asks_words", [True, False])
def test_a_turn_is_recognised_once_whether_the_client_wants_its_words_or_not(
    asks_words: bool,
) -> None:
    call = Call(billed_as=elsewhere(""), asks_words=asks_words)
    call.call.user_speaks(1_000).user_is_quiet(1_000)
    turn_id = call.call.turn_id
    call.give(TranscriptEnded(turn_id, "Hello."))
    [heard] = [line for line in call.metered() if line.kind == "transcription"]
    assert heard.billed_as == ("gpt-realtime-whisper" if asks_words else "whisper-1")
    assert heard.source_id == f"{turn_id}.0"
    assert 900 <= heard.quantity("ms") <= 2_000
    assert heard.nano > 0


def _replayed(terms: Terms, tape: list[tuple[int, Cause]], billed_as: BilledAs) -> list[Line]:
    conversation = Conversation(terms)
    meter = Meter(terms, ACCOUNT, PRICES, conversation_id="conv_1", billed_as=billed_as)
    lines: list[Line] = []
    for now_ms, cause in tape:
        lines += meter.saw(now_ms, cause, conversation.handle(cause, now_ms))
    return lines + meter.ended()


@given(script=st.lists(OPS, min_size=25, max_size=60), terms=TERMS, settings=SETTINGS)
@LAWFUL
def test_the_bill_is_the_sum_of_its_lines_and_a_tape_has_the_same_bill(
    script: list[tuple[str, object]], terms: dict[str, object], settings: object
) -> None:
    call = LawfulCall(settings, **terms)  # type: ignore[arg-type]
    World(call).run(script)
    paid = elsewhere("tts-1")
    lines = _replayed(call.terms, call.tape, paid)
    assert lines == _replayed(call.terms, list(call.tape), paid)

    total = bill(lines)
    assert total.nano == sum(charge.nano or 0 for line in lines for charge in line.charges)
    for by in DIMENSIONS:
        assert sum(bill_by(lines, by).values(), NOTHING) == total
    done = [e.response for e in call.everything if isinstance(e, ResponseDone)]
    responses = [line for line in lines if line.kind == "response"]
    assert [line.source_id for line in responses] == [response.id for response in done]
    assert bill(responses).input_tokens == sum(r.usage.input_tokens for r in done if r.usage)
    assert bill(responses).output_tokens == sum(r.usage.output_tokens for r in done if r.usage)
    heard = [cause for _, cause in call.tape if isinstance(cause, TranscriptEnded)]
    assert sum(line.kind == "transcription" for line in lines) <= len(heard)
    said = sum(len(cause.text) for _, cause in call.tape if isinstance(cause, EngineSaid))
    assert sum(line.quantity("characters") for line in lines) <= said
    assert len({line.id for line in lines}) == len(lines)
