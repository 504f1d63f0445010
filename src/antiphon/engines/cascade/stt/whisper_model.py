"""Whisper on CTranslate2: from a spectrogram to text, with what it thinks of it.

Greedy, with timestamps: without them, or on windows of a few seconds, the small models
repeat themselves.  Silence is added up to eight seconds, which costs a fifth of the thirty
that the model was trained with and understands as well.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from msgspec import Struct
from msgspec.structs import replace
from numpy.typing import NDArray

from antiphon.engines.cascade.stt.log_mel import FRAMES_PER_S, Frames

WINDOW_MAX_S = 30
_WINDOW_MIN_S, _SILENCE_S = 8, 2
_END_S = 0.6
"""A timestamp so near to the end of the audio is the end of what was said; what the model
writes after it is invented."""
_TOKENS_PER_S, _TOKENS_MIN = 8, 20
"""Nobody talks faster; a model that repeats itself for ever is stopped there."""

DOUBTED_S = 1.6
"""Of what is shorter it is also told which other words it may begin with."""
_MAY_BEGIN = -8.0
"""A phrase whose first word is less likely is not looked at: each costs a twentieth of a decoding.
At -6, "stop" was left out where it was said, and "okay" taken for it."""
_HEARD_FRAMES_PER_S, _AFTER_FRAMES = FRAMES_PER_S // 2, FRAMES_PER_S // 2
"""What the encoder makes of each second; and of the silence that follows, which says as much
after one second as after seven."""

_START, _TRANSCRIBE = "<|startoftranscript|>", "<|transcribe|>"
_TIMESTAMP = re.compile(r"<\|(\d+\.\d+)\|>")
_SPECIAL = re.compile(r"<\|.*\|>")

Logprobs = NDArray[np.float32]


class Beginning(Struct, frozen=True):
    """With which word a short text begins, and may begin instead."""

    logprob: float
    """Of the word that it begins with."""
    watched: Mapping[str, float]
    """Of each watched word, however it is spelled."""


class Instead(Struct, frozen=True):
    """How likely a short text is as a whole, and what may have been said instead."""

    logprob: float
    """Of the text, its words and the mark at its end."""
    phrases: Mapping[str, float]
    """Of each phrase that was asked for and may begin so."""


class Hypothesis(Struct, frozen=True):
    """What may have been said."""

    text: str
    """With capitals and punctuation, as the model writes."""
    mean_logprob: float = 0.0
    """Of its tokens: how sure the model is."""
    no_speech: float = 0.0
    """Probability that there is no speech at all."""
    language: str = ""
    """As "de"; empty where it was named, or there is only one."""
    begins: Beginning | None = None
    """Where little was heard, and something was understood."""
    instead: Instead | None = None
    """The same, where that is doubtful and the phrases were asked for."""


class WhisperModel:
    """Any number of threads may ask at the same time; ``threads`` of them are served at once.

    The weights are in memory once.
    """

    def __init__(
        self,
        folder: Path,
        *,
        threads: int = 1,
        watched: Iterable[str] = (),
        phrases: Iterable[str] = (),
    ) -> None:
        """Load the model in ``folder``.  ``watched``: as of `Beginning`; ``phrases``: of `Instead`.

        Raises:
            RuntimeError: it holds none that CTranslate2 can read.
            ImportError: CTranslate2 is not installed.
        """
        import ctranslate2

        self._storage = ctranslate2.StorageView.from_array
        self._model = ctranslate2.models.Whisper(
            str(folder), compute_type="int8", intra_threads=1, inter_threads=threads
        )
        vocabulary = _vocabulary(folder)
        self._watched = spellings(vocabulary, watched)
        numbers = {token: number for number, token in enumerate(vocabulary)}
        self._phrases = {
            phrase: tokens for phrase in phrases if (tokens := tokens_of(phrase, numbers))
        }
        self._start = [numbers[_START]] if _START in numbers else []

    def understand(
        self,
        features: Frames,
        heard_s: float,
        language: str = "",
        *,
        compares: Callable[[Hypothesis], bool] | None = None,
    ) -> Hypothesis:
        """What was said.

        Args:
            features: `window_frames` of them.
            heard_s: So much of them is audio.
            language: As "de"; "" is found out.  An English model asks for none.
            compares: Of which short texts `Hypothesis.instead` is wanted; None: of none.
        """
        heard = self._model.encode(self._storage(features[None]))
        is_short = heard_s < DOUBTED_S and bool(self._watched)
        found = "" if language else self._language_of(heard)
        [result] = self._model.generate(
            heard,
            [self._prompt(language or found)],
            beam_size=1,
            return_scores=True,
            return_no_speech_prob=True,
            return_logits_vocab=is_short,
            max_length=_TOKENS_MIN + round(_TOKENS_PER_S * heard_s),
        )
        first = _first_word(result) if is_short else None
        logprobs = None if first is None else _logprobs(result.logits[0][first])
        found_so = Hypothesis(
            text_of(result.sequences[0], heard_s),
            result.scores[0],
            result.no_speech_prob,
            found,
            None
            if logprobs is None
            else beginning(logprobs, result.sequences_ids[0][first], self._watched),
        )
        if logprobs is None or compares is None or not compares(found_so):
            return found_so
        return replace(found_so, instead=self._instead_of(result, heard, heard_s, logprobs))

    def _instead_of(
        self, result: Any, heard: Any, heard_s: float, logprobs: Logprobs
    ) -> Instead | None:
        """Nothing is heard anew: the decoder is asked how well each phrase fits."""
        own = _words_of(result)
        if self._model.is_multilingual or not (self._phrases and self._start and own):
            return None
        may_be = {
            phrase: tokens
            for phrase, tokens in self._phrases.items()
            if logprobs[tokens[0]] >= _MAY_BEGIN
        }
        count = round(_HEARD_FRAMES_PER_S * heard_s) + _AFTER_FRAMES
        part = np.array(heard)[:, :count]
        asked = [own, *may_be.values()]
        results = self._model.align(
            self._storage(np.repeat(part, len(asked), axis=0)), self._start, asked, 2 * count
        )
        mine, *others = [
            float(np.log(np.maximum(found.text_token_probs, 1e-9)).sum()) for found in results
        ]
        return Instead(mine, dict(zip(may_be, others, strict=True)))

    def _language_of(self, heard: Any) -> str:
        if not self._model.is_multilingual:
            return ""
        [found] = self._model.detect_language(heard)
        token: str = found[0][0]
        return token[2:-2]

    def _prompt(self, language: str) -> list[str]:
        if not self._model.is_multilingual:
            return [_START]
        return [_START, f"<|{language}|>", _TRANSCRIBE]


def window_frames(frames: int) -> int:
    """How many frames the model wants for ``frames`` of audio."""
    wanted = max(_WINDOW_MIN_S * FRAMES_PER_S, frames + _SILENCE_S * FRAMES_PER_S)
    return min(wanted + wanted % 2, WINDOW_MAX_S * FRAMES_PER_S)


def spellings(vocabulary: list[str], words: Iterable[str]) -> dict[str, list[int]]:
    """Under which numbers each of ``words`` stands in ``vocabulary``: with a capital and without,
    after a space and not.
    """
    numbers = {token: number for number, token in enumerate(vocabulary)}
    found = {
        word: [
            numbers[token]
            for spelled in dict.fromkeys((word, word.capitalize()))
            for token in (spelled, f"\u0120{spelled}")
            if token in numbers
        ]
        for word in words
    }
    return {word: tokens for word, tokens in found.items() if tokens}


def tokens_of(phrase: str, numbers: Mapping[str, int]) -> list[int]:
    """Of ``phrase`` in the middle of a text: the longest that fit; empty where some letter has
    none.
    """
    rest, tokens = f" {phrase}".replace(" ", "\u0120"), []
    while rest:
        longest = next((n for n in range(len(rest), 0, -1) if rest[:n] in numbers), 0)
        if not longest:
            return []
        tokens.append(numbers[rest[:longest]])
        rest = rest[longest:]
    return tokens


def beginning(logprobs: Logprobs, chosen: int, watched: Mapping[str, list[int]]) -> Beginning:
    """Of the step in which the first word was ``chosen``."""
    return Beginning(
        float(logprobs[chosen]),
        {word: float(np.logaddexp.reduce(logprobs[ids])) for word, ids in watched.items()},
    )


def _logprobs(logits: Any) -> Logprobs:
    row = np.array(logits).ravel()
    found: Logprobs = row - np.logaddexp.reduce(row)
    return found


def _first_word(result: Any) -> int | None:
    tokens = result.sequences[0]
    return next((at for at, token in enumerate(tokens) if not _SPECIAL.fullmatch(token)), None)


def _words_of(result: Any) -> list[int]:
    return [
        number
        for number, token in zip(result.sequences_ids[0], result.sequences[0], strict=True)
        if not _SPECIAL.fullmatch(token)
    ]


def _vocabulary(folder: Path) -> list[str]:
    """One line a token, or a list; empty where the folder has neither."""
    lines, listed = folder / "vocabulary.txt", folder / "vocabulary.json"
    if lines.is_file():
        return lines.read_text(encoding="utf-8").split("\n")
    tokens: list[str] = json.loads(listed.read_text("utf-8")) if listed.is_file() else []
    return tokens


def text_of(tokens: list[str], heard_s: float) -> str:
    """What ``tokens`` say, up to the first timestamp near the end of the audio."""
    kept: list[str] = []
    for token in tokens:
        if at := _TIMESTAMP.fullmatch(token):
            if kept and float(at[1]) >= heard_s - _END_S:
                break
        elif not _SPECIAL.fullmatch(token):
            kept.append(token)
    letters = _bytes_of_letters()
    data = b"".join(letters.get(letter, letter.encode()) for letter in "".join(kept))
    return " ".join(data.decode(errors="ignore").split())


@cache
def _bytes_of_letters() -> dict[str, bytes]:
    """GPT-2's vocabulary writes each byte as a letter that can be printed."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(0x100) if byte not in printable]
    letters = {chr(byte): bytes([byte]) for byte in printable}
    return letters | {chr(0x100 + n): bytes([byte]) for n, byte in enumerate(others)}
