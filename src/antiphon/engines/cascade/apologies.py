"""What the voice says where a part has failed: nobody is left in silence, wondering.

The error of the response tells the client why; this tells the person what to do.
"""

from __future__ import annotations

from typing import Literal

Failure = Literal["not_heard", "no_answer"]
"""What the user said is not known; or it is, and nothing can be answered."""

_APOLOGIES: dict[str, dict[Failure, str]] = {
    "en": {
        "not_heard": "I'm sorry, I couldn't hear you just now. Please say that again.",
        "no_answer": "I'm sorry, I can't answer just now. Please try again in a moment.",
    },
    "de": {
        "not_heard": "Entschuldigung, ich konnte Sie gerade nicht hören. "
        "Bitte sagen Sie das noch einmal.",
        "no_answer": "Entschuldigung, ich kann gerade nicht antworten. "
        "Bitte versuchen Sie es gleich noch einmal.",
    },
    "es": {
        "not_heard": "Perdón, no he podido oírle. Por favor, repítalo.",
        "no_answer": "Perdón, ahora mismo no puedo responder. Inténtelo de nuevo en un momento.",
    },
    "fr": {
        "not_heard": "Pardon, je n'ai pas pu vous entendre. Pouvez-vous répéter ?",
        "no_answer": "Pardon, je ne peux pas répondre pour le moment. Réessayez dans un instant.",
    },
    "it": {
        "not_heard": "Scusi, non sono riuscito a sentirla. Può ripetere, per favore?",
        "no_answer": "Scusi, in questo momento non posso rispondere. Riprovi tra poco.",
    },
    "pt": {
        "not_heard": "Desculpe, não consegui ouvir. Por favor, repita.",
        "no_answer": "Desculpe, não posso responder agora. Tente de novo daqui a pouco.",
    },
}
LANGUAGES = tuple(_APOLOGIES)


def apology(failure: Failure, language: str | None) -> tuple[str, str]:
    """The sentence, and the language it is in: that of the session, or English.

    ``language`` is a tag such as "pt-BR".
    """
    base = (language or "en").lower().replace("_", "-").split("-")[0]
    spoken = base if base in _APOLOGIES else "en"
    return _APOLOGIES[spoken][failure], spoken
