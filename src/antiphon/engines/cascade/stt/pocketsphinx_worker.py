"""The process that runs pocketsphinx, which holds the GIL while it searches.

One process serves several turns, each with decoders of its own, in steps of 100 ms of
audio: first who has finished speaking, then who has waited longest.
"""

from __future__ import annotations

import sys
import time
from collections import OrderedDict

import numpy as np
from numpy.typing import NDArray
from pocketsphinx import Decoder

from antiphon.audio.resample import Resampler
from antiphon.engines.cascade.spare_memory import give_memory_back
from antiphon.engines.cascade.stt.agreement import StablePrefix, TimedWord, agreement
from antiphon.engines.cascade.stt.jsgf import words
from antiphon.engines.cascade.stt.pocketsphinx_wire import (
    GRAMMARS,
    Begin,
    Command,
    Pronunciations,
    Unknown,
)
from antiphon.engines.cascade.stt.priming import priming_part
from antiphon.engines.cascade.stt.wire import (
    MEDIA_RATE_HZ,
    Audio,
    Cancel,
    Finish,
    Heard,
    Trouble,
)
from antiphon.engines.cascade.worker_wire import WorkerEnd

RATE_HZ = 16_000
STEP = RATE_HZ // 10
BACKLOG_MAX_S = 30
"""More audio than that not yet decoded: the oldest is dropped."""
ACCEPT_AGREEMENT = 0.52
"""Of the phones of grammar and open model; below it the grammar was not meant.

In bench/recognition.py the best that was not meant has 0.50 (a cough), the worst right one
that is kept 0.55.
"""
STABLE_FRAMES = 100
GRAMMARS_MAX = 32
WORDS_MAX = 20_000
"""So many words may be added to a dictionary."""
NEVER_SAID = " ".join(["ZH", "OY"] * 8)
"""How to pronounce a word that nobody can: its alternatives drop out of the grammar.

JSGF's <VOID> would say so, but pocketsphinx 5.1 then drops what stands before it too.
"""


def _open_decoder() -> Decoder:
    return Decoder(
        samprate=RATE_HZ,
        loglevel="FATAL",
        # A second and a third pass at the end of an utterance, which may take seconds.
        fwdflat=False,
        bestpath=False,
        # No worse in word error rate than without, and noise, where all hypotheses are
        # equally bad, costs no more than speech: a quarter of the time.
        maxhmmpf=3000,
        maxwpf=10,
    )


class Decoders:
    """What one turn needs: a search for grammars, and an open one if anything may be said."""

    def __init__(self, *, grammars_only: bool) -> None:
        self.open = None if grammars_only else _open_decoder()
        self.grammar = Decoder(samprate=RATE_HZ, loglevel="FATAL", lm=None, bestpath=False)
        self._first_mean: str = self.grammar.get_cmn(False)
        self._grammars: OrderedDict[str, None] = OrderedDict()
        self._added: set[str] = set()
        self.load_grammar(Begin("any", "#JSGF V1.0;\ngrammar any;\npublic <any> = yes;\n", {}), {})

    def has_grammar(self, key: str) -> bool:
        return key in self._grammars

    def unknown(self, begin: Begin) -> tuple[str, ...]:
        return tuple(w for w in words(begin.jsgf) if self.grammar.lookup_word(w) is None)

    def load_grammar(self, begin: Begin, arpabet: dict[str, str]) -> int:
        """Compile; says how many words cannot be pronounced.

        Raises:
            ValueError: it is no JSGF grammar.
        """
        lost = 0
        for word in self.unknown(begin):
            phones = begin.pronunciations.get(word) or arpabet.get(word)
            lost += not self._add_word(word, phones)
        self.grammar.add_jsgf_string(begin.grammar_key, begin.jsgf)
        self._grammars[begin.grammar_key] = None
        if len(self._grammars) > GRAMMARS_MAX:
            old, _ = self._grammars.popitem(last=False)
            self.grammar.remove_search(old)
        return lost

    def _add_word(self, word: str, phones: str | None) -> bool:
        if phones and len(self._added) < WORDS_MAX:
            try:
                self.grammar.add_word(word, phones, False)
            except RuntimeError:  # No such phone.
                pass
            else:
                self._added.add(word)
                return True
        self.grammar.add_word(word, NEVER_SAID, False)
        return False

    def start(self, head: NDArray[np.int16], grammar_key: str | None) -> None:
        """Begin an utterance.  ``head``: speech that tells the channel's mean cepstrum."""
        if grammar_key is not None:
            self._grammars.move_to_end(grammar_key)
        self.grammar.activate_search(grammar_key or "any")
        mean = self._mean(head)
        for decoder in self.searching(grammar_key):
            # Else the noise tracker still hears the turn before, maybe someone else's.
            decoder.reinit_feat()
            decoder.set_cmn(mean)
            decoder.start_utt()

    def searching(self, grammar_key: str | None) -> list[Decoder]:
        grammar = [self.grammar] if grammar_key is not None else []
        return grammar if self.open is None else [*grammar, self.open]

    def _mean(self, head: NDArray[np.int16]) -> str:
        decoder = self.grammar
        decoder.reinit_feat()
        decoder.set_cmn(self._first_mean)
        if len(head):
            decoder.start_utt()
            # "full_utt": the mean over all of it.
            decoder.process_raw(head.tobytes(), True, True)
            decoder.end_utt()
        mean: str = decoder.get_cmn(False)
        return mean

    def phones(self, decoder: Decoder) -> list[str]:
        """What was heard as ``decoder`` says it was pronounced: "to(3)" is not "to"."""
        found: list[str] = []
        for word in _spoken(decoder):
            known: str | None = decoder.lookup_word(word.word)
            found += known.split() if known else list(word.word)
        return found


class Turn:
    """One turn of one user."""

    def __init__(self, begin: Begin) -> None:
        self.begin = begin
        self.grammar_key: str | None = None
        """Set once the grammar is compiled."""
        self.waits_for_words = False
        self.decoders: Decoders | None = None
        self.finished_s: float | None = None
        self.stepped = 0
        self.dropped_samples = 0
        self._resampler = Resampler(MEDIA_RATE_HZ, RATE_HZ)
        self._audio: NDArray[np.int16] = np.zeros(0, np.int16)
        self._started = False
        self._frames = 0
        self._stable = StablePrefix(STABLE_FRAMES)
        self._said: Heard | None = None

    def add(self, pcm: bytes) -> None:
        new = np.frombuffer(pcm, "<i2")
        self._audio = np.concatenate((self._audio, new))
        if (excess := len(self._audio) - BACKLOG_MAX_S * RATE_HZ) > 0:
            self._audio = self._audio[excess:]
            self.dropped_samples += excess

    def hear(self, pcm: bytes) -> None:
        self.add(self._resampler.process(pcm))

    def finish(self, now_s: float) -> None:
        if self.finished_s is None:
            self.add(self._resampler.flush())
            self.finished_s = now_s

    @property
    def has_work(self) -> bool:
        if self.decoders is None or self.waits_for_words:
            return False
        return self.finished_s is not None or (len(self._audio) >= STEP and self._can_start())

    def _can_start(self) -> bool:
        return self._started or priming_part(self._audio, ended=False) is not None

    def step(self) -> Heard | None:
        """Decode 100 ms; says what is new.  The last step says a final `Heard`."""
        assert self.decoders
        ended = self.finished_s is not None
        if not self._started:
            part = priming_part(self._audio, ended=ended)
            assert part is not None
            self.decoders.start(self._audio[part], self.grammar_key)
            self._started = True
        data = self._audio[:STEP]
        self._audio = self._audio[STEP:]
        self._frames += len(data) // 160
        self._process(data)
        if ended and not len(self._audio):
            return self._final()
        heard = self._partial()
        if heard == self._said:
            return None
        self._said = heard
        return heard

    def _process(self, data: NDArray[np.int16]) -> None:
        assert self.decoders
        if len(data):
            for decoder in self.decoders.searching(self.grammar_key):
                decoder.process_raw(data.tobytes(), False, False)

    def _partial(self) -> Heard:
        assert self.decoders
        if (sentence := self._sentence()) is not None:
            return Heard(sentence, final=False, in_grammar=True)
        if self.decoders.open is None:
            return Heard("", final=False)
        text, stable_chars = self._stable.update(_timed_words(self.decoders.open), self._frames)
        # With a grammar, the end may still turn all of it into one of its sentences.
        return Heard(text, False, 0 if self.grammar_key is not None else stable_chars)

    def _final(self) -> Heard:
        assert self.decoders
        for decoder in self.decoders.searching(self.grammar_key):
            decoder.end_utt()
        if (sentence := self._sentence()) is not None:
            return Heard(sentence, True, len(sentence), in_grammar=True)
        if self.decoders.open is None:
            text = ""
        elif self.grammar_key is not None:
            text = _text(self.decoders.open)
        else:
            text = self._stable.final(_timed_words(self.decoders.open))
        return Heard(text, True, len(text))

    def stop(self) -> None:
        """Leave the decoders as another turn needs them."""
        if self.decoders and self._started and not (self._said and self._said.final):
            for decoder in self.decoders.searching(self.grammar_key):
                decoder.end_utt()

    def _sentence(self) -> str | None:
        """The whole sentence of the grammar that was said, if one was."""
        decoders = self.decoders
        assert decoders
        if self.grammar_key is None or not (text := _text(decoders.grammar)):
            return None
        if not decoders.grammar.get_fsg(self.grammar_key).accept(text):
            return None
        if decoders.open is None:
            return text  # Whether it was meant is for others to judge.
        agreed = agreement(decoders.phones(decoders.grammar), decoders.phones(decoders.open))
        return text if agreed >= ACCEPT_AGREEMENT else None


def _text(decoder: Decoder) -> str:
    hypothesis = decoder.hyp()
    return hypothesis.hypstr if hypothesis else ""


def _spoken(decoder: Decoder) -> list[TimedWord]:
    """With the number of the pronunciation, as "to(3)", where it is not the first."""
    return [
        TimedWord(segment.word, segment.start_frame, segment.end_frame)
        for segment in decoder.seg() or ()
        if segment.word[0] not in "<[("  # Silence and noises.
    ]


def _timed_words(decoder: Decoder) -> list[TimedWord]:
    return [
        TimedWord(heard.word.split("(")[0], heard.begin_frame, heard.end_frame)
        for heard in _spoken(decoder)
    ]


class Worker:
    def __init__(self, decoders_max: int, wait_s: float, *, grammars_only: bool) -> None:
        """``wait_s``: so long may a turn that is over wait for decoders or words; then
        nothing was understood.
        """
        self._grammars_only = grammars_only
        self._decoders_max = decoders_max
        self._wait_s = wait_s
        self._wire: WorkerEnd[Command] = WorkerEnd(Command)
        self._free = [Decoders(grammars_only=grammars_only)]
        self._may_make = decoders_max - 1
        self._turns: dict[int, Turn] = {}
        self._steps = 0

    def run(self) -> None:
        self._wire.ready()
        while True:
            if (job := self._next()) is None:
                self._wait()
            for number, command in self._wire.arrived():
                self._note(number, command)
            self._lend_decoders()
            if job in self._turns:
                self._step(job)

    def _wait(self) -> None:
        """For the next command; while a finished turn lacks decoders, not for ever."""
        waiting = [
            turn.finished_s + self._wait_s
            for turn in self._turns.values()
            if turn.finished_s is not None and not turn.has_work
        ]
        timeout_s = max(0.0, min(waiting) - time.monotonic()) if waiting else None
        if arrived := self._wire.receive(timeout_s):
            self._note(*arrived)
        now_s = time.monotonic()
        for job, turn in list(self._turns.items()):
            late = turn.finished_s is not None and now_s >= turn.finished_s + self._wait_s
            if late and not turn.has_work:
                lacked = "pronunciations" if turn.waits_for_words else "free decoders"
                self._wire.send(job, Trouble(f"a turn waited for {lacked} too long"))
                self._end(job, Heard("", final=True))

    def _next(self) -> int | None:
        ready = [(job, turn) for job, turn in self._turns.items() if turn.has_work]
        if not ready:
            return None
        return min(ready, key=lambda jt: (jt[1].finished_s is None, jt[1].stepped))[0]

    def _step(self, job: int) -> None:
        turn = self._turns[job]
        if not turn.has_work:
            return
        self._steps += 1
        turn.stepped = self._steps
        heard = turn.step()
        if heard and heard.final:
            self._end(job, heard)
        elif heard:
            self._wire.send(job, heard)

    def _end(self, job: int, heard: Heard | None) -> None:
        turn = self._turns.pop(job)
        if heard is None:
            turn.stop()
        elif turn.dropped_samples:
            lost_s = turn.dropped_samples / RATE_HZ
            what = f"{lost_s:.1f} s of audio were dropped: too slow"
            self._wire.send(job, Trouble(what, lost_s))
        if turn.decoders:
            self._free.append(turn.decoders)
        if heard is not None:
            self._wire.send(job, heard)
        if not self._turns:
            give_memory_back()  # What the search of a long turn took: 20 MB.

    def _note(self, job: int, command: Command) -> None:
        if isinstance(command, Begin):
            self._turns[job] = Turn(command)
            self._lend_decoders()
        elif turn := self._turns.get(job):
            match command:
                case Audio(pcm):
                    turn.hear(pcm)
                case Finish():
                    turn.finish(time.monotonic())
                case Cancel():
                    self._end(job, None)
                case Pronunciations(arpabet):
                    turn.waits_for_words = False
                    self._load_grammar(job, turn, arpabet)

    def _lend_decoders(self) -> None:
        for job, turn in sorted(self._turns.items(), key=lambda jt: jt[1].finished_s is None):
            if turn.decoders is not None:
                continue
            spare = len(self._free) + self._may_make
            # A grammar takes a fortieth of the time of speech: who has finished is served by
            # the last decoders at once, while those who speak would hold them for seconds.
            if self._grammars_only and self._decoders_max > 1 and turn.finished_s is None:
                spare -= 1
            if spare <= 0:
                return
            if not self._free:
                self._may_make -= 1
                self._free.append(Decoders(grammars_only=self._grammars_only))
            turn.decoders = self._free.pop()
            self._prepare_grammar(job, turn)

    def _prepare_grammar(self, job: int, turn: Turn) -> None:
        begin, decoders = turn.begin, turn.decoders
        assert decoders
        if not begin.grammar_key:
            return
        if decoders.has_grammar(begin.grammar_key):
            turn.grammar_key = begin.grammar_key
            return
        unknown = [w for w in decoders.unknown(begin) if w not in begin.pronunciations]
        if unknown:
            turn.waits_for_words = True
            self._wire.send(job, Unknown(tuple(unknown)))
        else:
            self._load_grammar(job, turn, {})

    def _load_grammar(self, job: int, turn: Turn, arpabet: dict[str, str]) -> None:
        assert turn.decoders
        try:
            lost = turn.decoders.load_grammar(turn.begin, arpabet)
        except ValueError:
            self._wire.send(job, Trouble("the grammar is no JSGF that pocketsphinx can read"))
            return
        turn.grammar_key = turn.begin.grammar_key
        if lost:
            self._wire.send(job, Trouble(f"{lost} words of the grammar cannot be pronounced"))


if __name__ == "__main__":
    Worker(int(sys.argv[1]), float(sys.argv[2]), grammars_only=sys.argv[3] == GRAMMARS).run()
