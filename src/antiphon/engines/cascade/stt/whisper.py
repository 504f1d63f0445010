"""Free speech by Whisper on CTranslate2."""

from __future__ import annotations

from pathlib import Path

from antiphon.engines.cascade.stt.one_process import OneProcessRecognizer
from antiphon.engines.cascade.stt.whisper_wire import Begin, News


class WhisperRecognizer(OneProcessRecognizer):
    """A `Recognizer`.

    Args:
        model: The folder with a Whisper model for CTranslate2.
        languages: As of `OneProcessRecognizer`.
        threads: So many turns are decoded at the same time.
    """

    def __init__(
        self, model: Path, *, languages: tuple[str, ...] = ("en",), threads: int | None = None
    ) -> None:
        super().__init__(
            "whisper",
            "antiphon.engines.cascade.stt.whisper_worker",
            News,
            model=model,
            begin=Begin,
            languages=languages,
            threads=threads,
        )
