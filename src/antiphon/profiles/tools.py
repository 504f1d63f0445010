"""How an assistant remembers, forgets and tells what it knows, in one session of a user's.

Three functions that the server carries out itself.  Without the user's consent nothing is kept:
`remember` asks for it, and believes in it only once the user has had a turn since.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta, Struct

from antiphon.core.effects import RunTool
from antiphon.profiles.profile import Profile, ProfileError, shown
from antiphon.profiles.profiles import JournalError, Profiles
from antiphon.protocol.session import FunctionTool

log = logging.getLogger(__name__)

REMEMBER: Final = "remember"
FORGET: Final = "forget"
RECALL: Final = "recall"
MAX_SPOKEN_FACTS: Final = 8

TOOLS: Final = (
    FunctionTool(
        REMEMBER,
        "Keep a fact about the user for later conversations, when the user asks for it. Never "
        "keep what the user did not ask you to keep. The result says whether their consent is "
        "needed first.",
        {
            "type": "object",
            "properties": {
                "fact": {
                    "type": "string",
                    "description": "One short sentence about the user, as 'Likes tea.'",
                },
                "user_agreed": {
                    "type": "boolean",
                    "description": "True only if you asked whether you may keep facts about them, "
                    "and they said yes.",
                },
            },
            "required": ["fact"],
        },
    ),
    FunctionTool(
        FORGET,
        "Forget a fact about the user, or everything, when the user asks for it.",
        {
            "type": "object",
            "properties": {
                "fact": {"type": "string", "description": "Which fact, in words."},
                "everything": {"type": "boolean", "description": "True: all that is kept."},
            },
        },
    ),
    FunctionTool(
        RECALL,
        "Tell what is kept about the user from earlier conversations, when the user asks.",
        {"type": "object", "properties": {}},
    ),
)


class _Remember(Struct, frozen=True):
    fact: Annotated[str, Meta(max_length=10_000)]
    user_agreed: bool = False


class _Forget(Struct, frozen=True):
    fact: str = ""
    everything: bool = False


class UserMemory:
    """One session's `ServerTools`, of one user.

    Args:
        profiles: Everybody's.
        owner: Of the profile: whose session it is.
        profile: As it is when the session opens.
    """

    offered = TOOLS

    def __init__(self, profiles: Profiles, owner: str, profile: Profile) -> None:
        self._profiles = profiles
        self._owner = owner
        self._profile = profile
        self._asked_in_turn: int | None = None
        """When `remember` asked for the consent; None: it has not."""
        self._leave: Callable[[], None] = lambda: None

    @property
    def memory(self) -> str:
        return shown(self._profile.facts)

    def begin(self, on_change: Callable[[], None]) -> None:
        def changed(profile: Profile) -> None:
            self._profile = profile
            on_change()

        self._leave = self._profiles.follow(self._owner, changed)

    def close(self) -> None:
        leave, self._leave = self._leave, lambda: None
        leave()

    async def run(self, call: RunTool) -> str:
        try:
            result = await self._run(call)
        except msgspec.ValidationError as error:
            result = {"error": f"The arguments do not fit: {error}."}
        except msgspec.DecodeError:
            result = {"error": "The arguments are no JSON."}
        except ProfileError as error:
            result = {"error": str(error)}
        except JournalError as error:
            log.warning("what is remembered of a user: %s", error)
            result = {"error": "It could not be written down; nothing was changed."}
        return msgspec.json.encode(result).decode()

    async def _run(self, call: RunTool) -> dict[str, Any]:
        match call.name:
            case "remember":
                wish = msgspec.json.decode(call.arguments, type=_Remember)
                return await self._remember(wish, call.turn)
            case "forget":
                return await self._forget(msgspec.json.decode(call.arguments, type=_Forget))
            case "recall":
                self._profile = await self._profiles.read(self._owner)
                return self._recall()
        return {"error": f"There is no function '{call.name}'."}

    async def _remember(self, wish: _Remember, turn: int) -> dict[str, Any]:
        profile = await self._profiles.read(self._owner)
        asked, agreed = self._asked_in_turn, profile.consent is not None
        if not agreed and not (wish.user_agreed and asked is not None and turn > asked):
            self._asked_in_turn = turn if asked is None else asked
            return {
                "status": "consent_needed",
                "spoken": "I may keep what you tell me for later conversations only if you agree. "
                "Shall I? Say: yes, keep it.",
                "next": "Ask the user. If they say yes, call this again with user_agreed true.",
            }
        at, fact = self._profiles.now, wish.fact[:1].upper() + wish.fact[1:]
        await self._profiles.change(
            self._owner,
            lambda now: now.agreed(at, "conversation").with_facts([fact], at, "conversation"),
        )
        return {"status": "kept", "spoken": "All right, I will remember that."}

    async def _forget(self, wish: _Forget) -> dict[str, Any]:
        gone: list[str] = []

        def forget(profile: Profile) -> Profile:
            found = list(profile.facts) if wish.everything else profile.meant(wish.fact)
            gone[:] = [fact.text for fact in found]
            return profile.without(fact.id for fact in found)

        await self._profiles.change(self._owner, forget)
        if not gone:
            return {"status": "not_found", "spoken": "I keep nothing like that."}
        return {"status": "forgotten", "forgotten": gone, "spoken": "All right, it is forgotten."}

    def _recall(self) -> dict[str, Any]:
        texts = [fact.text for fact in self._profile.facts]
        if not texts:
            return {"facts": [], "spoken": "I keep nothing about you from earlier conversations."}
        said = ". ".join(text.rstrip(".") for text in texts[-MAX_SPOKEN_FACTS:])
        return {"facts": texts, "spoken": f"This is what I keep about you. {said}."}
