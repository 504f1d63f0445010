"""Speech recognised by faster-whisper, a turn at a time: for the larger Whispers, and GPUs."""

from __future__ import annotations

from pathlib import Path

from antiphon.engines.cascade.stt.faster_whisper_wire import Begin, News
from antiphon.engines.cascade.stt.model_files import check_folder
from antiphon.engines.cascade.stt.one_process import OneProcessRecognizer
from antiphon.errors import ConfigurationError

TOKENIZER = "tokenizer.json"


class FasterWhisperRecognizer(OneProcessRecognizer):
    """A `Recognizer`; there are no words before the end of a turn.

    Args:
        folder: A Whisper model for CTranslate2, with its ``tokenizer.json``.
        languages: As of `OneProcessRecognizer`.
        threads: So many turns are decoded at the same time.
    """

    def __init__(
        self, folder: Path, *, languages: tuple[str, ...] = ("en",), threads: int | None = None
    ) -> None:
        super().__init__(
            "faster-whisper",
            "antiphon.engines.cascade.stt.faster_whisper_worker",
            News,
            model=folder,
            begin=lambda language, _: Begin(language),
            languages=languages,
            threads=threads,
        )


def check_faster_whisper(folder: Path) -> Path:
    """``folder``, if faster-whisper finds all that it needs there.

    Raises:
        ConfigurationError: a file is missing; faster-whisper would look for it in the network.
    """
    check_folder(folder)
    if not (folder / TOKENIZER).is_file():
        raise ConfigurationError(f"{folder} has no {TOKENIZER}.")
    return folder
