"""Speech recognised by sherpa-onnx, word by word, in the network's language."""

from __future__ import annotations

from pathlib import Path

from antiphon.engines.cascade.stt.one_process import OneProcessRecognizer
from antiphon.engines.cascade.stt.sherpa_wire import Begin, News


class SherpaRecognizer(OneProcessRecognizer):
    """A `Recognizer`.

    Args:
        folder: A streaming network, as of `find_sherpa_ears`.
        threads: Of the CPU.
    """

    def __init__(self, folder: Path, *, threads: int | None = None) -> None:
        super().__init__(
            "sherpa",
            "antiphon.engines.cascade.stt.sherpa_worker",
            News,
            model=folder,
            begin=lambda _language, _live: Begin(),
            threads=threads,
        )
