"""`antiphon check` asks the language model, and says in the server's own words what is wrong."""

from __future__ import annotations

import json
from pathlib import Path

from antiphon.testing.openai_server import Answer, OpenAIServer, events, text_chunks
from tests.cli.test_cli import Done, run

FINE = Answer(body=events(text_chunks("Yes.")))


def refusing(status: int, message: str) -> Answer:
    body = json.dumps({"error": {"message": message}}).encode()
    return Answer(status=status, body=body, content_type="application/json")


async def checked(tmp_path: Path, *answers: Answer) -> Done:
    async with OpenAIServer(*answers) as server:
        return await run(
            "check",
            cwd=tmp_path,
            ANTIPHON_LLM_BASE_URL=server.base_url,
            ANTIPHON_LLM_MODEL="m",
            ANTIPHON_LLM_API_KEY="sesame",
            ANTIPHON_LLM_EXTRA_BODY='{"secret_field": "sesame"}',
        )


async def test_a_model_that_answers(tmp_path: Path) -> None:
    done = await checked(tmp_path, FINE)
    assert done.code == 0, done.err
    assert "Language model: m at http://127.0.0.1:" in done.out
    assert "answers: first token after" in done.out
    assert "function calls: taken" in done.out
    assert "secret_field" in done.out
    assert "sesame" not in done.out + done.err


async def test_a_model_without_function_calls_is_no_fault(tmp_path: Path) -> None:
    done = await checked(tmp_path, FINE, refusing(400, "m does not support tools"))
    assert done.code == 0, done.err
    assert "m does not support tools" in done.out


async def test_a_server_that_refuses_is_quoted_and_the_exit_code_says_so(tmp_path: Path) -> None:
    done = await checked(tmp_path, refusing(401, "Incorrect key: sesame. See the handbook."))
    assert done.code == 1
    assert "refused our key" in done.out
    assert "Incorrect key: …. See the handbook." in done.out
    assert "sesame" not in done.out + done.err
