"""Errors in the words of real servers, from their sources and from public bug reports."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antiphon.engines.cascade.http.refusals import Why, read_refusal
from antiphon.engines.cascade.llm.apis import APIS
from antiphon.engines.cascade.llm.negotiation import may_be_about_messages
from antiphon.engines.cascade.llm.quirks import Quirk, quirks_named


def said(message: str, **more: Any) -> bytes:
    return json.dumps({"error": {"message": message, **more}}).encode()


CONTEXT_FULL = [
    "This model's maximum context length is 4097 tokens. However, you requested 5360 tokens "
    "(1360 in the messages, 4000 in the completion). Please reduce the length of the messages.",
    "This model's maximum context length is 8192 tokens. However, your messages resulted in 8545 "
    "tokens. Please reduce the length of the messages.",
    "Your input exceeds the context window of this model. Please adjust your input and try again.",
    "Input tokens exceed the configured limit of 272000 tokens. Your messages resulted in 300000 "
    "tokens. Please reduce the length of the messages.",
    "'max_tokens' or 'max_completion_tokens' is too large: 100. This model's maximum context "
    "length is 4096 tokens and your request has 5000 input tokens (100 > 4096 - 5000).",
    "You passed 5000 input tokens and requested 100 output tokens. However, the model's context "
    "length is only 4096 tokens. Please reduce the length of the input prompt.",
    "The decoder prompt (length 5000) is longer than the maximum model length of 4096.",
    "the request exceeds the available context size (4096 tokens), try increasing it",
    "Requested tokens (5000) exceed context window of 4096",
    "Trying to keep the first 5000 tokens when context the overflows. However, the model is "
    "loaded with context length of only 4096 tokens, which is not enough.",
    "The number of tokens to keep from the initial prompt is greater than the context length",
    "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4096. Given: 5000 "
    "`inputs` tokens and 100 `max_new_tokens`",
    "Input validation error: `inputs` must have less than 4096 tokens. Given: 5000",
    "The input (5000 tokens) is longer than the model's context length (4096 tokens).",
    "Requested token count exceeds the model's maximum context length of 4096 tokens.",
    "Input length (5000 tokens) exceeds the maximum allowed length (4095 tokens).",
    "Prompt contains 40000 tokens and 0 draft tokens, too large for model with 32768 maximum "
    "context length",
    "prompt is too long: 210000 tokens > 200000 maximum",
    "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).",
    "Please reduce the length of the messages or completion.",
    "This endpoint's maximum context length is 32768 tokens. However, you requested about 40000.",
    "This model's maximum prompt length is 131072 but the request contains 537812 tokens.",
    "Input is too long for requested model.",
    "too many tokens: total number of tokens in the prompt cannot exceed 4081",
    "The prompt is too long: 5000, model maximum context length: 4095",
    "Prompt length 5000 is greater than max_seq_len 4096",
    "Invalid request: Your request exceeded model token limit: 8192",
    "InternalError.Algo.InvalidParameter: Range of input length should be [1, 30720]",
    "context window exceeds limit (2013)",
    "Prompt exceeds max length",
    "输入超长",
]


@pytest.mark.parametrize("message", CONTEXT_FULL)
@pytest.mark.parametrize("status", [200, 400, 422, 500])
def test_a_full_context_is_known_in_every_wording(message: str, status: int) -> None:
    assert read_refusal(status, said(message)).why is Why.CONTEXT_FULL


def test_a_full_context_is_known_by_its_code_and_its_status() -> None:
    assert read_refusal(400, said("x", code="context_length_exceeded")).why is Why.CONTEXT_FULL
    body = said("x", code=400, type="exceed_context_size_error", n_ctx=4096)
    assert read_refusal(400, body).why is Why.CONTEXT_FULL
    assert read_refusal(413, b"").why is Why.CONTEXT_FULL


NOT_FULL = [
    ("Too many tokens, please wait before trying again.", 429, Why.RATE_LIMITED),
    ("Rate limit reached on tokens per min (TPM): Limit 30000, Used 29000", 429, Why.RATE_LIMITED),
    ("You exceeded your current quota, please check your plan", 429, Why.QUOTA_SPENT),
    ("Insufficient credits", 402, Why.QUOTA_SPENT),
    ("The model `gpt-9` does not exist or you do not have access to it.", 404, Why.NO_MODEL),
    ("model 'llama9' not found, try pulling it first", 404, Why.NO_MODEL),
    ("model \"x\" not found", 400, Why.NO_MODEL),
    ("Loading model", 503, Why.FAILED),
    ("Overloaded", 529, Why.FAILED),
    ("The server had an error while processing your request", 500, Why.FAILED),
    ("Incorrect API key provided", 401, Why.KEY_REFUSED),
    ("Invalid value for 'temperature'", 400, Why.REFUSED),
    ("registry.ollama.ai/library/gemma:2b does not support tools", 400, Why.TOOLS_REFUSED),
    ('"auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set',
     400, Why.TOOLS_REFUSED),
    ("tools param requires --jinja flag", 500, Why.TOOLS_REFUSED),
    ("No endpoints found that support tool use. To learn more about provider routing", 404,
     Why.TOOLS_REFUSED),
    ("Function calling is not enabled for this model", 400, Why.TOOLS_REFUSED),
]  # fmt: skip


@pytest.mark.parametrize(("message", "status", "why"), NOT_FULL)
def test_other_refusals_are_told_apart(message: str, status: int, why: Why) -> None:
    assert read_refusal(status, said(message)).why is why


QUIRKS = [
    ("System message must be at the beginning.", Quirk.FRONT_SYSTEM),
    ("Unexpected role 'system' after role 'user'", Quirk.FRONT_SYSTEM),
    ("System role not supported", Quirk.NO_SYSTEM),
    ("Developer instruction is not enabled for models/gemma-3-27b-it", Quirk.NO_SYSTEM),
    ("After the optional system message, conversation roles must alternate "
     "user/assistant/user/assistant/...", Quirk.STRICT_TURNS),
    ("Conversation roles must alternate user/assistant/user/assistant/...", Quirk.STRICT_TURNS),
    ("Unexpected role 'user' after role 'tool'", Quirk.STRICT_TURNS),
    ("Expected last role User or Tool (or Assistant with prefix True) for serving but got "
     "assistant", Quirk.STRICT_TURNS),
    ("messages[2].content: invalid type: null, expected a string", Quirk.TEXT_CONTENT),
    ("Invalid value for 'content': expected a string, got null.", Quirk.TEXT_CONTENT),
    ("invalid message content type: <nil>", Quirk.TEXT_CONTENT),
    ('can only concatenate str (not "NoneType") to str', Quirk.TEXT_CONTENT),
    ("Missing 'content'", Quirk.TEXT_CONTENT),
    ("messages: text content blocks must be non-empty", Quirk.FILLED_CONTENT),
    ("Assistant message must have either content or tool_calls, but not both.",
     Quirk.CALL_WITHOUT_WORDS),
    ("Assistant message must have either content or tool_calls", Quirk.FILLED_CONTENT),
    ("Tool call id was call_1 but must be a-z, A-Z, 0-9, with a length of 9.",
     Quirk.SHORT_CALL_IDS),
    ("This model only supports single tool-calls at once!", Quirk.ONE_CALL_EACH),
    ("This model does not support image input", Quirk.NO_IMAGES),
    ("image input is not supported - hint: if this is unexpected, you may need to provide the "
     "mmproj", Quirk.NO_IMAGES),
    ("Unsupported value: 'tool_choice' does not support 'required' with this model.",
     Quirk.AUTO_CHOICE),
    ("tool_choice must be 'auto' or 'none'", Quirk.AUTO_CHOICE),
    ("unknown field: stream_options", Quirk.NO_USAGE),
    ("Unsupported parameter: 'max_tokens' is not supported with this model. Use "
     "'max_completion_tokens' instead.", Quirk.NEWER_LIMIT),
    ("Unrecognized request argument supplied: parallel_tool_calls", Quirk.NO_PARALLEL_CHOICE),
    ("Unsupported parameter: 'reasoning_effort' is not supported with this model.",
     Quirk.NO_EFFORT),
]  # fmt: skip


@pytest.mark.parametrize(("message", "quirk"), QUIRKS)
@pytest.mark.parametrize("status", [400, 422])
def test_what_a_server_wants_otherwise_is_known_by_its_words(
    message: str, quirk: Quirk, status: int
) -> None:
    refusal = read_refusal(status, said(message))
    assert refusal.why is Why.REFUSED
    assert quirks_named(refusal.text)[0] is quirk
    # Templates fail as errors of the server's own.
    assert may_be_about_messages(read_refusal(500, said(message)))


SHAPES = {
    "OpenAI": b'{"error": {"message": "Bad role.", "type": "invalid_request_error", "code": null}}',
    "Ollama": b'{"error": "Bad role."}',
    "FastAPI": b'{"detail": "Bad role."}',
    "vLLM": b'{"object": "error", "message": "Bad role.", "type": "BadRequestError", "code": 400}',
    "Mistral": b'{"object": "error", "message": {"detail": [{"msg": "Bad role."}]}}',
    "Gemini": b'[{"error": {"code": 400, "message": "Bad role.", "status": "INVALID_ARGUMENT"}}]',
    "OpenRouter": b'{"error": {"message": "Provider returned error", "metadata": '
    b'{"raw": "{\\"error\\": {\\"message\\": \\"Bad role.\\"}}"}}}',
    "plain": b"Bad role.",
}


@pytest.mark.parametrize("shape", SHAPES)
def test_the_words_are_found_in_every_shape(shape: str) -> None:
    assert "Bad role." in read_refusal(400, SHAPES[shape]).text


def test_what_an_error_quotes_of_the_request_is_not_read() -> None:
    body = json.dumps(
        {"detail": [{"type": "extra_forbidden", "loc": ["body", "stream_options"],
                     "msg": "Extra inputs are not permitted", "input": "a private word"}]}
    )  # fmt: skip
    refusal = read_refusal(422, body.encode())
    assert "private" not in refusal.text
    assert quirks_named(refusal.text) == [Quirk.NO_USAGE]


@pytest.mark.parametrize(
    ("status", "body", "content_type", "why"),
    [
        (200, b"<!doctype html><p>Open WebUI</p>", "text/html", Why.NOT_AN_API),
        (200, b"It works!", "text/plain", Why.NOT_AN_API),
        (404, b"<html>404 Not Found</html>", "text/html", Why.NOT_AN_API),
        (404, b"404 page not found", "text/plain", Why.NOT_FOUND),
        (405, b'{"detail":"Method Not Allowed"}', "application/json", Why.NOT_FOUND),
        (502, b"<html>Bad Gateway</html>", "text/html", Why.FAILED),
        (307, b"", "", Why.MOVED),
        (403, b"", "", Why.KEY_REFUSED),
        (200, b'{"error": {"message": "x", "code": 429}}', "application/json", Why.RATE_LIMITED),
    ],
)
def test_an_address_that_is_wrong_is_said_to_be(
    status: int, body: bytes, content_type: str, why: Why
) -> None:
    refusal = read_refusal(status, body, content_type=content_type)
    assert refusal.why is why
    assert "<" not in refusal.text


def test_when_to_come_back_is_a_number_or_a_date() -> None:
    assert read_refusal(429, b"", retry_after="7").retry_after_s == 7
    assert read_refusal(429, b"", retry_after="0.5").retry_after_s == 0.5
    date = "Thu, 01 Jan 1970 00:01:00 GMT"
    assert read_refusal(429, b"", retry_after=date, now_s=45).retry_after_s == 15
    assert read_refusal(429, b"", retry_after=date, now_s=90).retry_after_s == 0
    assert read_refusal(429, b"", retry_after="soon").retry_after_s is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["error", "message", "detail", "loc", "metadata", "raw", "code", "x"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=10,
)


@given(st.integers(200, 599), JSON.map(lambda v: json.dumps(v).encode()) | st.binary(max_size=40))
def test_any_answer_can_be_read(status: int, body: bytes) -> None:
    assert (
        read_refusal(status, body)
        .told(APIS["chat"].asked, "")
        .startswith("the language model's server ")
    )
