"""What the microphone brings: decoded, cleaned, kept with its place, given to be scored."""

from __future__ import annotations

from antiphon.audio.noise import NoiseReducer
from antiphon.core.effects import DetectVoice, Effect, ScoreVoice
from antiphon.core.faults import Fault
from antiphon.core.formats import decoded_samples, decoder
from antiphon.core.input_buffer import MAX_SAMPLES, InputBuffer
from antiphon.core.items import ms_to_samples, samples_to_ms
from antiphon.protocol.session import AudioFormat, AudioInput, NoiseReduction

MAX_APPEND_BYTES = 15 * 1024 * 1024
UNSCORED_SAMPLES = ms_to_samples(10_000)
"""What the voice detector may have before it; a recording that is sent at once waits here."""


class Microphone:
    def __init__(self, audio_format: AudioFormat) -> None:
        self.buffer = InputBuffer()
        self.given_to = self.scored_to = 0
        """How far the voice detector was given what was heard, and how far it has scored it."""
        self._format = audio_format
        self._decoder = decoder(audio_format)
        self._reduction: NoiseReduction | None = None
        self._reducer: NoiseReducer | None = None

    def configure(self, settings: AudioInput) -> None:
        if settings.format != self._format:
            self._format = settings.format
            self._decoder = decoder(self._format)
        if settings.noise_reduction != self._reduction:
            self._reduction = settings.noise_reduction
            self._reducer = _reducer(self._reduction)

    def check_append(self, data: bytes, *, is_scored: bool) -> None:
        """Raises:
        Fault: too much at once, or more than can be scored in time.
        """
        if len(data) > MAX_APPEND_BYTES:
            raise Fault(
                "invalid_value",
                f"Invalid value: {len(data)} bytes of audio in one append. "
                f"Append at most {MAX_APPEND_BYTES} bytes at a time.",
                param="audio",
            )
        waiting = self.buffer.end - self.scored_to if is_scored else 0
        if waiting + decoded_samples(self._format, data) > MAX_SAMPLES:
            raise Fault(
                "input_audio_buffer_full",
                f"The input audio buffer takes {samples_to_ms(MAX_SAMPLES) // 1000} s of audio "
                f"that was not listened to yet, and has {samples_to_ms(waiting) // 1000} s: "
                "append this later, or less at a time.",
                param="audio",
            )

    def decode(self, data: bytes) -> bytes:
        """Audio in the session's format, as 16-bit mono at 24 kHz."""
        return self._decoder.decode(data)

    def flush(self) -> bytes:
        """The end of what was decoded."""
        return self._decoder.flush()

    @property
    def pending_samples(self) -> int:
        """What `flush` would bring."""
        return self._decoder.pending_samples

    def clean(self, pcm: bytes) -> bytes:
        return pcm if self._reducer is None else self._reducer.process(pcm)

    def clear(self) -> None:
        self.buffer.clear()
        self._decoder = decoder(self._format)

    # --- Scores --------------------------------------------------------------

    def give(self, out: list[Effect]) -> None:
        """To the voice detector: what it was not given yet, as fast as it scores."""
        end = min(self.buffer.end, self.scored_to + UNSCORED_SAMPLES)
        if end > self.given_to:
            out.append(ScoreVoice(self.buffer.peek(self.given_to, end), self.given_to))
            self.given_to = end

    def scored(self, at_sample: int) -> None:
        self.scored_to = max(self.scored_to, min(at_sample, self.buffer.end))

    def score_afresh(self, out: list[Effect]) -> None:
        """From what comes next on."""
        self.given_to = self.scored_to = self.buffer.end
        out.append(DetectVoice(on=True))


def _reducer(settings: NoiseReduction | None) -> NoiseReducer | None:
    if settings is None:
        return None
    return NoiseReducer(settings.type, 1.0 if settings.strength is None else settings.strength)
