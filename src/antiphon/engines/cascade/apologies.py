"""What the voice says where a part is slow or has failed: nobody is left in silence, wondering.

The error of the response tells the client why; this tells the person what to do.
"""

from __future__ import annotations

from typing import Literal

Failure = Literal["not_heard", "no_answer"]
"""What the user said is not known; or it is, and nothing can be answered."""
Wait = Literal["one_moment", "still_waiting"]
"""The answer is awaited; and it is awaited for long."""

_PHRASES: dict[str, dict[Failure | Wait, str]] = {
    "en": {
        "not_heard": "I'm sorry, I couldn't hear you just now. Please say that again.",
        "no_answer": "I'm sorry, I can't answer just now. Please try again in a moment.",
        "one_moment": "One moment, please.",
        "still_waiting": "Sorry, this is taking a little longer.",
    },
    "de": {
        "not_heard": "Entschuldigung, ich konnte Sie gerade nicht hören. "
        "Bitte sagen Sie das noch einmal.",
        "no_answer": "Entschuldigung, ich kann gerade nicht antworten. "
        "Bitte versuchen Sie es gleich noch einmal.",
        "one_moment": "Einen Moment, bitte.",
        "still_waiting": "Entschuldigung, es dauert noch etwas.",
    },
    "es": {
        "not_heard": "Perdón, no he podido oírle. Por favor, repítalo.",
        "no_answer": "Perdón, ahora mismo no puedo responder. Inténtelo de nuevo en un momento.",
        "one_moment": "Un momento, por favor.",
        "still_waiting": "Perdón, está tardando un poco más.",
    },
    "fr": {
        "not_heard": "Pardon, je n'ai pas pu vous entendre. Pouvez-vous répéter ?",
        "no_answer": "Pardon, je ne peux pas répondre pour le moment. Réessayez dans un instant.",
        "one_moment": "Un instant, s'il vous plaît.",
        "still_waiting": "Pardon, cela prend un peu plus de temps.",
    },
    "it": {
        "not_heard": "Scusi, non sono riuscito a sentirla. Può ripetere, per favore?",
        "no_answer": "Scusi, in questo momento non posso rispondere. Riprovi tra poco.",
        "one_moment": "Un momento, per favore.",
        "still_waiting": "Scusi, ci vuole ancora un po'.",
    },
    "pt": {
        "not_heard": "Desculpe, não consegui ouvir. Por favor, repita.",
        "no_answer": "Desculpe, não posso responder agora. Tente de novo daqui a pouco.",
        "one_moment": "Um momento, por favor.",
        "still_waiting": "Desculpe, está a demorar um pouco mais.",
    },
}
LANGUAGES = tuple(_PHRASES)

HOLDING_AFTER_S = 1.8
"""So that a person hears something within two seconds."""
_WAITS: tuple[tuple[float, Wait], ...] = ((1, "one_moment"), (5, "still_waiting"))


def phrase(kind: Failure | Wait, language: str | None) -> tuple[str, str]:
    """The sentence, and the language it is in: that of the session, or English.

    ``language`` is a tag such as "pt-BR".
    """
    base = (language or "en").lower().replace("_", "-").split("-")[0]
    spoken = base if base in _PHRASES else "en"
    return _PHRASES[spoken][kind], spoken


def waits(after_s: float) -> list[tuple[float, Wait]]:
    """What is said while an answer is awaited, each so many seconds after it was asked for.

    ``after_s``: the first one; 0: nothing is said.
    """
    return [(after_s * times, wait) for times, wait in _WAITS] if after_s else []
