"""`/v1/antiphon/users/{user}/memory`: what users agreed to have remembered (docs/guides/memory.md).

A key of scope `read` may see everybody's of its tenant, one of scope `operate` change it; a client
secret that was minted for a user, theirs.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Annotated, Any, NamedTuple, TypeVar

import msgspec
from aiohttp import web
from msgspec import Meta, Struct

from antiphon.errors import ProtocolError
from antiphon.identity.keys import MAX_USER_CHARS
from antiphon.identity.principal import Scope
from antiphon.journal.entries import JournalError
from antiphon.profiles.profile import Profile, ProfileError
from antiphon.profiles.profiles import Profiles, owner_of
from antiphon.profiles.tools import UserMemory
from antiphon.protocol.codec import decode_object, from_json
from antiphon.server.admission import Admission
from antiphon.server.api_errors import ApiError
from antiphon.server.auth import Gate
from antiphon.server.grant import Grant
from antiphon.server.secret_store import PREFIX

log = logging.getLogger(__name__)

_T = TypeVar("_T")
_Text = Annotated[str, Meta(max_length=10_000)]
_Texts = Annotated[tuple[_Text, ...], Meta(max_length=200)]
_STATUS = {"consent_missing": 409, "conflict": 409, "fact_not_found": 404, "memory_unreadable": 500}


class _Put(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    consent: bool
    facts: _Texts | None = None
    """In place of those that are there; None: they stay."""


class _Change(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    id: str
    text: _Text


class _Patch(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    add: _Texts = ()
    change: Annotated[tuple[_Change, ...], Meta(max_length=200)] = ()
    remove: Annotated[tuple[str, ...], Meta(max_length=200)] = ()


class _Whose(NamedTuple):
    tenant: str
    user: str

    @property
    def owner(self) -> str:
        return owner_of(self.tenant, self.user)


class Memory:
    """The HTTP handlers, and what sessions get.

    Args:
        profiles: None: nothing is remembered here.
        gate, admission: Who may.
        disown_lines: Takes the name of a tenant's user from the bill; how many lines had it.
    """

    def __init__(
        self,
        profiles: Profiles | None,
        *,
        gate: Gate,
        admission: Admission,
        disown_lines: Callable[[str, str], Awaitable[int]] | None = None,
    ) -> None:
        self._disown_lines = disown_lines
        self._profiles = profiles
        self._gate = gate
        self._admission = admission

    def routes(self, prefix: str = "/v1") -> list[web.RouteDef]:
        path = f"{prefix}/antiphon/users/{{user}}/memory"
        return [
            web.get(path, self.show),
            web.put(path, self.put),
            web.patch(path, self.patch),
            web.delete(path, self.erase),
        ]

    async def of_session(self, grant: Grant) -> UserMemory | None:
        """For a session that is opened; None: nothing is remembered of its user, or there is none.

        A session of which nothing is kept is shown nothing either.
        """
        profiles, user = self._profiles, grant.end_user_id
        if profiles is None or user is None or grant.retention == "none":
            return None
        if grant.kind != "realtime":
            return None
        try:
            owner = owner_of(grant.principal.tenant, user)
            return UserMemory(profiles, owner, await profiles.read(owner))
        except (JournalError, ProfileError) as error:
            log.warning("a session begins without what is remembered of its user: %s", error)
            return None

    # --- Handlers ------------------------------------------------------------

    async def show(self, request: web.Request) -> web.Response:
        profiles, whose = await self._of(request, "read")
        return self._told(whose.user, await _asked(profiles.read(whose.owner)))

    async def put(self, request: web.Request) -> web.Response:
        profiles, whose = await self._of(request, "operate")
        wish: _Put = await _body(request, _Put)
        if not wish.consent:
            if wish.facts:
                message = "Without consent nothing is remembered: leave 'facts' out."
                raise ApiError(400, "invalid_value", message, param="facts")
            with suppress(_NothingThere):
                await self._erase(profiles, whose)
            return self._told(whose.user, Profile())
        at = profiles.now

        def change(now: Profile) -> Profile:
            now = now.agreed(at, "api")
            if wish.facts is None:
                return now
            kept = msgspec.structs.replace(now, facts=())
            return kept.with_facts(wish.facts, at, "api", param="facts")

        return self._told(whose.user, await _asked(profiles.change(whose.owner, change)))

    async def patch(self, request: web.Request) -> web.Response:
        profiles, whose = await self._of(request, "operate")
        wish: _Patch = await _body(request, _Patch)
        at = profiles.now

        def change(now: Profile) -> Profile:
            now = now.without(wish.remove, param="remove")
            for index, one in enumerate(wish.change):
                now = now.changed(one.id, one.text, at, "api", param=f"change[{index}]")
            return now.with_facts(wish.add, at, "api", param="add") if wish.add else now

        return self._told(whose.user, await _asked(profiles.change(whose.owner, change)))

    async def erase(self, request: web.Request) -> web.Response:
        profiles, whose = await self._of(request, "operate")
        await self._erase(profiles, whose)
        return _json({"user": whose.user, "object": "antiphon.memory", "deleted": True})

    # --- Steps ---------------------------------------------------------------

    async def _erase(self, profiles: Profiles, whose: _Whose) -> None:
        named = 0 if self._disown_lines is None else await _asked(self._disown_lines(*whose))
        if not await _asked(profiles.erase(whose.owner)) and not named:
            raise _NothingThere
        log.info("what was remembered of a user was erased by request")

    async def _of(self, request: web.Request, scope: Scope) -> tuple[Profiles, _Whose]:
        """Whose memory is asked for, by one who may, and where it is kept."""
        user = request.match_info["user"]
        visitor = self._gate.visitor(request)
        if visitor.key.reveal().startswith(PREFIX):
            principal = (await self._admission.grant_of(visitor)).principal
            if principal.user is None:
                raise _not_allowed()
        else:
            # A key of the settings speaks for whom it names; here that is the path alone.
            principal = await self._gate.require(request, scope)
        tenant = request.query.get("tenant", principal.tenant)
        if not principal.sees(tenant, user):
            raise _not_allowed()
        if self._profiles is None:
            raise ApiError(
                404,
                "memory_off",
                "This server remembers nothing of users. (Its operator can set [memory] enabled.)",
            )
        if len(user) > MAX_USER_CHARS:
            message = f"A user's id has at most {MAX_USER_CHARS} characters."
            raise ApiError(400, "string_above_max_length", message, param="user")
        return self._profiles, _Whose(tenant, user)

    def _told(self, user: str, profile: Profile) -> web.Response:
        assert self._profiles is not None, "it was asked"
        return _json(told(user, profile) | {"bounds": self._profiles.bounds})


def told(user: str, profile: Profile) -> dict[str, Any]:
    """What is shown of a user's memory, over HTTP and on the command line."""
    consent = profile.consent
    return {
        "object": "antiphon.memory",
        "user": user,
        "consent": None if consent is None else {"at": consent.at, "by": consent.by},
        "facts": [
            {"id": fact.id, "text": fact.text, "at": fact.at, "by": fact.by}
            for fact in profile.facts
        ],
    }


def _not_allowed() -> ApiError:
    return ApiError(
        403,
        "memory_not_allowed",
        "This key is not for that user. Mint a client secret with 'antiphon': "
        "{'end_user_id': …}, or ask with a server key.",
    )


class _NothingThere(ApiError):
    def __init__(self) -> None:
        message = "Nothing is remembered of this user."
        super().__init__(404, "memory_not_found", message, param="user")


async def _asked(answer: Awaitable[_T]) -> _T:
    """Raises:
    ApiError: it could not be done.
    """
    try:
        return await answer
    except ProfileError as error:
        status = _STATUS.get(error.code, 400)
        raise ApiError(status, error.code, str(error), param=error.param) from None
    except JournalError as error:
        log.warning("%s", error)
        raise ApiError(
            500,
            "memory_unavailable",
            "What is remembered could not be read or written in full; the server's log tells why.",
            type="server_error",
        ) from None


async def _body(request: web.Request, kind: type[_T]) -> _T:
    try:
        wish: _T = from_json(decode_object(await request.read()), kind)
    except ProtocolError as error:
        raise ApiError(400, error.code, error.message, param=error.param) from None
    return wish


def _json(body: Any) -> web.Response:
    return web.Response(
        body=msgspec.json.encode(body),
        content_type="application/json",
        headers={"Cache-Control": "no-store"},
    )
