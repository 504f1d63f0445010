"""The process that runs espeak-ng: the only one that loads its code, which is GPL-3.

See docs/decisions/0004-espeak-in-its-own-process.md.  Function and constant names are
those of espeak-ng's speak_lib.h.
"""

from __future__ import annotations

import ctypes
from collections import deque
from collections.abc import Callable
from typing import Any

import espeakng_loader

from antiphon.audio.resample import Resampler
from antiphon.engines.cascade.tts.espeak_wire import (
    Cancel,
    Command,
    Failed,
    Piece,
    Pronounce,
    Pronounced,
    Speak,
    Spoken,
)
from antiphon.engines.cascade.tts.word_marks import WordMarks
from antiphon.engines.cascade.worker_wire import WorkerEnd

MEDIA_RATE_HZ = 24_000
BUFFER_MS = 60
"""Asked for less, espeak-ng 1.52 gives the same."""
FIRST_PIECES = 2
"""So many pieces of one buffer each, then larger ones."""
LATER_BUFFERS = 3
UTTERANCE_MAX_S = 180
"""Stop there: no text of the length that we get takes longer, at any speed."""

AUDIO_OUTPUT_SYNCHRONOUS = 2
INITIALIZE_PHONEME_EVENTS, INITIALIZE_DONT_EXIT = 0x0001, 0x8000
CHARS_UTF8, ENDPAUSE = 1, 0x1000
EVENT_LIST_TERMINATED, EVENT_WORD, EVENT_PHONEME = 0, 1, 7
RATE, VOLUME, PITCH, RANGE, WORDGAP = 1, 2, 3, 4, 7
PHONEMES_IPA = 0x02


class _EventId(ctypes.Union):
    _fields_ = (
        ("number", ctypes.c_int),
        ("name", ctypes.c_char_p),
        ("string", ctypes.c_char * 8),
    )


class _Event(ctypes.Structure):
    _fields_ = (
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", _EventId),
    )


_Callback = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event)
)


class Espeak:
    """The library, which has one global state: one utterance at a time."""

    def __init__(self) -> None:
        self._lib = lib = ctypes.CDLL(espeakng_loader.get_library_path())
        lib.espeak_Initialize.argtypes = [
            ctypes.c_int, ctypes.c_int, ctypes.c_char_p, ctypes.c_int,
        ]  # fmt: skip
        lib.espeak_Synth.argtypes = [
            ctypes.c_char_p, ctypes.c_size_t, ctypes.c_uint, ctypes.c_int,
            ctypes.c_uint, ctypes.c_uint, ctypes.c_void_p, ctypes.c_void_p,
        ]  # fmt: skip
        lib.espeak_TextToPhonemes.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_int]
        lib.espeak_TextToPhonemes.restype = ctypes.c_char_p
        self.rate_hz: int = lib.espeak_Initialize(
            AUDIO_OUTPUT_SYNCHRONOUS,
            BUFFER_MS,
            espeakng_loader.get_data_path().encode(),
            INITIALIZE_PHONEME_EVENTS | INITIALIZE_DONT_EXIT,
        )
        if self.rate_hz <= 0:
            raise RuntimeError("espeak-ng does not start")
        self._on_audio: Callable[[bytes, Any], bool] = lambda _pcm, _events: False
        self._callback = _Callback(self._call_back)  # The library keeps no reference.
        lib.espeak_SetSynthCallback(self._callback)

    def set_voice(self, names: tuple[str, ...]) -> bool:
        return any(self._lib.espeak_SetVoiceByName(name.encode()) == 0 for name in names)

    def set_parameter(self, parameter: int, value: int) -> None:
        self._lib.espeak_SetParameter(parameter, value, 0)

    def synthesize(self, text: str, on_audio: Callable[[bytes, Any], bool]) -> bool:
        """Speak; ``on_audio(pcm, events)`` says whether to go on.  True unless it failed."""
        self._on_audio = on_audio
        data = text.encode()
        flags = CHARS_UTF8 | ENDPAUSE
        code: int = self._lib.espeak_Synth(data, len(data) + 1, 0, 1, 0, flags, None, None)
        return code == 0

    def ipa(self, word: str) -> str:
        buffer = ctypes.create_string_buffer(word.encode())
        rest = ctypes.c_void_p(ctypes.addressof(buffer))
        found: bytes = self._lib.espeak_TextToPhonemes(ctypes.byref(rest), CHARS_UTF8, PHONEMES_IPA)
        return found.decode(errors="replace")

    def _call_back(self, wave: Any, count: int, events: Any) -> int:
        pcm = ctypes.string_at(wave, 2 * count) if wave and count > 0 else b""
        return 0 if self._on_audio(pcm, events) else 1


class Utterance:
    """Turns espeak-ng's buffers and events into pieces at 24 kHz."""

    def __init__(self, text: str, rate_hz: int, send: Callable[[Piece], None]) -> None:
        self._text = text
        self._rate_hz = rate_hz
        self._send = send
        self._resampler = Resampler(rate_hz, MEDIA_RATE_HZ)
        self._words = WordMarks(text)
        self._held: deque[tuple[int, int]] = deque()
        self._pcm: list[bytes] = []
        self._buffers = 0
        self._pieces = 0
        self._samples = 0
        """Taken from espeak-ng."""
        self._made = 0
        """Made at 24 kHz."""

    def take(self, pcm: bytes, events: Any) -> None:
        for event in _until_terminated(events):
            if event.type == EVENT_WORD:
                # "text_position: the number of characters from the start of the text",
                # counted from 1.
                if mark := self._words.word(event.text_position - 1, event.sample):
                    self._held.append((mark[0], self._at_media_rate(mark[1])))
            elif event.type == EVENT_PHONEME:
                silent = event.id.string.startswith(b"_")
                self._words.phoneme(event.sample, silent=silent)
        self._samples += len(pcm) // 2
        self._add(self._resampler.process(pcm))
        self._buffers += bool(pcm)
        enough = 1 if self._pieces < FIRST_PIECES else LATER_BUFFERS
        # A pause waits for its end, so that the word before it goes with its own piece.
        if self._buffers >= enough and not self._words.in_pause:
            self._release()

    @property
    def too_long(self) -> bool:
        return self._samples > UTTERANCE_MAX_S * self._rate_hz

    def finish(self) -> None:
        self._add(self._resampler.flush())
        # The last word ends with the speech, its pause included.
        while self._held and self._held[-1][0] >= len(self._text):
            self._held.pop()
        self._held.append((len(self._text), self._made))
        self._release()

    def _add(self, pcm: bytes) -> None:
        if pcm:
            self._pcm.append(pcm)
            self._made += len(pcm) // 2

    def _release(self) -> None:
        marks = []
        while self._held and self._held[0][1] <= self._made:
            marks.append(self._held.popleft())
        if self._pcm:
            self._send(Piece(b"".join(self._pcm), tuple(marks)))
            self._pieces += 1
        self._pcm.clear()
        self._buffers = 0

    def _at_media_rate(self, sample: int) -> int:
        return round(sample * MEDIA_RATE_HZ / self._rate_hz)


def _until_terminated(events: Any) -> Any:
    index = 0
    while events[index].type != EVENT_LIST_TERMINATED:
        yield events[index]
        index += 1


class Worker:
    """Does the jobs one after the other: who waits for first audio goes before who has
    some already, else who came first.
    """

    def __init__(self) -> None:
        self._wire: WorkerEnd[Command] = WorkerEnd(Command)
        self._espeak = Espeak()
        self._waiting: dict[int, Speak | Pronounce] = {}
        self._current = 0

    def run(self) -> None:
        # The first utterance would load the data that all share.
        self._espeak.set_voice(("en-us",))
        self._espeak.synthesize("a", lambda _pcm, _events: True)
        self._wire.ready()
        while True:
            if not self._waiting and (arrived := self._wire.receive()):
                self._note(*arrived)
            self._note_arrived()
            if self._waiting:
                self._current = self._next()
                self._do(self._waiting.pop(self._current))
                self._current = 0

    def _next(self) -> int:
        for job, command in self._waiting.items():
            if isinstance(command, Pronounce) or command.waits_for_first:
                return job
        return next(iter(self._waiting))

    def _note_arrived(self) -> None:
        for job, command in self._wire.arrived():
            self._note(job, command)

    def _note(self, job: int, command: Command) -> None:
        if not isinstance(command, Cancel):
            self._waiting[job] = command
        elif job == self._current:
            self._current = 0
        else:
            self._waiting.pop(job, None)

    def _do(self, command: Speak | Pronounce) -> None:
        if isinstance(command, Speak):
            self._speak(self._current, command)
        else:
            self._espeak.set_voice(("en-us",))
            ipa = tuple(self._espeak.ipa(word) for word in command.words)
            self._wire.send(self._current, Pronounced(ipa))

    def _speak(self, job: int, command: Speak) -> None:
        espeak = self._espeak
        if not espeak.set_voice(command.names):
            self._wire.send(job, Failed("espeak-ng lacks the voice"))
            return
        espeak.set_parameter(RATE, command.wpm)
        espeak.set_parameter(VOLUME, command.volume)
        espeak.set_parameter(WORDGAP, command.word_gap)
        espeak.set_parameter(PITCH, command.pitch)
        espeak.set_parameter(RANGE, command.pitch_range)
        utterance = Utterance(
            command.text, espeak.rate_hz, lambda piece: self._wire.send(job, piece)
        )

        def on_audio(pcm: bytes, events: Any) -> bool:
            self._note_arrived()
            if self._current != job or utterance.too_long:
                return False
            utterance.take(pcm, events)
            return True

        spoken = espeak.synthesize(command.text, on_audio)
        if self._current != job:
            return  # Cancelled.
        utterance.finish()
        self._wire.send(job, Spoken() if spoken else Failed("espeak-ng cannot speak the text"))


if __name__ == "__main__":
    Worker().run()
