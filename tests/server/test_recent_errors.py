"""What went wrong last: in words, without anybody's words, and each tenant's own."""

from __future__ import annotations

import logging
from typing import Any

from antiphon.engines.scripted import Fail, Script
from antiphon.identity.principal import Principal
from antiphon.server.recent_errors import MAX_KEPT, RecentErrors
from tests.server.place import Place, places, until

ERRORS = "/v1/antiphon/errors"
FAILS = Script(replies=((Fail(message="the secret word is mellon"),),))
SAID = "my password is swordfish"


async def listed(place: Place, **options: Any) -> list[dict[str, Any]]:
    told = await place.ask("GET", ERRORS, **options)
    assert told.status == 200, told
    data: list[dict[str, Any]] = told.body["data"]
    return data


async def test_errors_of_sessions_are_told_by_their_codes_alone() -> None:
    async with places(FAILS) as place:
        wish = {"name": "k", "tenant": "acme", "scopes": ["call", "operate"]}
        keys = {}
        for tenant in ("acme", "rival"):
            made = await place.ask("POST", "/v1/antiphon/keys", json=wish | {"tenant": tenant})
            keys[tenant] = made.body["value"]
        ws = await place.join(key=keys["acme"])
        session_id = (await until(ws, "session.created"))["session"]["id"]
        await ws.send_json({"type": SAID})
        await until(ws, "error")
        await ws.send_json({"type": "session.update", "session": {"type": "realtime", "audio": 7}})
        await until(ws, "error")
        await ws.send_json({"type": "response.create"})
        await until(ws, "response.done")

        for key in (None, keys["acme"]):
            found = await listed(place, **({} if key is None else {"key": key}))
            mine = [e for e in reversed(found) if e["session_id"] == session_id]
            told = [(e["source"], e["tenant"]) for e in mine]
            assert told[:2] == [("client", "acme")] * 2, mine
            assert ("engine", "acme") in told
            assert "at 'session.audio'" in mine[1]["message"]
            assert any(e["message"].startswith("An answer failed: ") for e in mine)
            assert "swordfish" not in str(mine)
            assert "mellon" not in str(mine)
        assert await listed(place, key=keys["rival"]) == []
        assert len(await listed(place, params={"limit": "1"})) == 1
        for limit in ("0", "201", "-1", "x"):
            told_off = await place.ask("GET", ERRORS, params={"limit": limit})
            assert (told_off.status, told_off.body["error"]["param"]) == (400, "limit")


async def test_the_log_is_followed_from_a_warning_up_while_the_server_lives() -> None:
    log = logging.getLogger("antiphon.test_recent_errors")
    async with places() as place:
        log.info("nothing to see")
        log.warning("the disk is nearly full")
        log.error("the disk is full", exc_info=OSError("/home/somebody"))
        newest, older = (await listed(place))[:2]
        assert (newest["message"], newest["level"]) == ("the disk is full (OSError)", "error")
        assert (older["message"], older["level"]) == ("the disk is nearly full", "warning")
        assert (newest["source"], newest["tenant"]) == ("server", None)
        wish = {"name": "k", "tenant": "acme"}
        acme = (await place.ask("POST", "/v1/antiphon/keys", json=wish)).body["value"]
        assert await listed(place, key=acme) == []
    assert not any("_LogHandler" in repr(h) for h in logging.getLogger("antiphon").handlers)


def test_only_so_many_are_kept() -> None:
    errors = RecentErrors(now_s=lambda: 0.0)
    for number in range(MAX_KEPT + 1):
        errors.note("server", f"{number} " + "x" * 1000)
    kept = errors.last(Principal(), MAX_KEPT + 1)
    assert len(kept) == MAX_KEPT
    assert kept[0].message.startswith(f"{MAX_KEPT} ")
    assert len(kept[0].message) == 400
