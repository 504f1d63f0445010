"""A relay in the configuration: who answers what, how it is reached, and what is shown of it."""

from __future__ import annotations

from antiphon.engines.relay.upstreams import Upstream, url_for
from antiphon.protocol.session import AnySession, Session, TranscriptionSession
from antiphon.server.relays import make_relay, may_give_way, with_relayed
from antiphon.server.secret import Secret
from antiphon.server.settings import Config, RelaySettings
from antiphon.server.wiring import listed_models, wire
from antiphon.upstream.websocket import WebSocketConnector

KEY = Secret("sk-secret")
SESSION = Session(id="s", model="gpt-realtime", expires_at=0)


def connector_of(settings: RelaySettings, session: AnySession = SESSION) -> WebSocketConnector:
    relay = make_relay(settings)
    return relay.connector_for(session, relay.upstreams[0])


def test_the_relays_models_are_answered_by_it_and_listed_and_others_are_not() -> None:
    wired = wire(Config(relay=RelaySettings(api_key=KEY)))
    assert wired.registry.find("gpt-realtime-9").name == "relay"
    assert wired.registry.find("anything").name == "offline"
    listed = {model.id: model.description for model in listed_models(wired.registry)}
    assert "api.openai.com" in listed["gpt-realtime"]
    assert "api.openai.com" not in listed["offline"]


def test_what_the_operator_says_of_a_name_goes_before() -> None:
    models = with_relayed({"gpt-realtime": "offline"}, RelaySettings())
    assert models["gpt-realtime"] == "offline"
    assert models["gpt-realtime*"] == "relay"


def test_without_one_nothing_is_relayed() -> None:
    assert [engine.name for engine in wire(Config()).registry.engines] == ["offline"]


def test_openai_is_sent_a_bearer() -> None:
    connector = connector_of(RelaySettings(api_key=KEY))
    assert connector.url == "wss://api.openai.com/v1/realtime?model=gpt-realtime"
    assert connector.key == "sk-secret"
    assert connector.headers == {}
    assert "sk-secret" not in repr(connector)


def test_azure_is_sent_its_own_header_and_the_name_of_a_deployment() -> None:
    settings = RelaySettings(
        url="wss://mine.openai.azure.com/openai/v1/realtime",
        api_key=KEY,
        key_header="api-key",
        model="my-deployment",
    )
    connector = connector_of(settings)
    assert connector.url == "wss://mine.openai.azure.com/openai/v1/realtime?model=my-deployment"
    assert connector.key is None
    assert connector.headers == {"api-key": "sk-secret"}


def test_the_model_stands_where_the_url_has_a_place_for_it() -> None:
    preview = "wss://host/openai/realtime?api-version=2025-04-01-preview&deployment={model}"
    assert url_for(preview, "a b").endswith("&deployment=a%20b")
    assert url_for("wss://host/x?model=fixed", "m") == "wss://host/x?model=fixed"
    assert url_for("wss://host/x?a=b", "m") == "wss://host/x?a=b&model=m"


def test_calls_have_addresses_beside_the_sessions() -> None:
    openai = Upstream(url="wss://api.openai.com/v1/realtime", key="k")
    assert openai.calls_url("m") == "https://api.openai.com/v1/realtime/calls"
    assert openai.hangup_url("m", "a/b").endswith("/v1/realtime/calls/a%2Fb/hangup")
    assert openai.sideband_url("m", "c") == "wss://api.openai.com/v1/realtime?call_id=c"
    assert (openai.bearer, openai.headers) == ("k", {})
    azure = Upstream(url="ws://h/x/?api-version=1&deployment={model}", key="k", key_header="a")
    assert azure.calls_url("m") == "http://h/x/calls?api-version=1"
    assert azure.sideband_url("m", "c") == "ws://h/x?api-version=1&call_id=c"
    assert (azure.bearer, azure.headers) == (None, {"a": "k"})


def test_a_transcription_session_names_no_model() -> None:
    session = TranscriptionSession(id="s", expires_at=0)
    connector = connector_of(RelaySettings(api_key=KEY), session)
    assert connector.url == "wss://api.openai.com/v1/realtime?intent=transcription"


def test_other_engines_go_on_for_the_relays_models_alone() -> None:
    relay = RelaySettings(api_key=KEY, fallback=("offline",))
    registry = wire(Config(relay=relay, models={"gpt-realtime-9": "relay"})).registry
    assert [engine.name for engine in registry.fallbacks("gpt-realtime")] == ["offline"]
    assert registry.fallbacks("gpt-realtime-9") == registry.fallbacks("anything") == ()


def test_a_chain_of_one_model_goes_before() -> None:
    config = Config(
        relay=RelaySettings(api_key=KEY),
        models={"gpt-realtime": "relay"},
        fallbacks={"gpt-realtime": ("offline",)},
    )
    registry = wire(config).registry
    assert [engine.name for engine in registry.fallbacks("gpt-realtime")] == ["offline"]
    assert registry.fallbacks("gpt-realtime-9") == ()
    assert may_give_way(config)
    assert not may_give_way(Config(relay=RelaySettings(api_key=KEY)))


def test_a_chain_may_end_in_an_engine_that_writes() -> None:
    relay = RelaySettings(api_key=KEY, fallback=("offline", "text"))
    registry = wire(Config(relay=relay)).registry
    assert [engine.name for engine in registry.fallbacks("gpt-realtime")] == ["offline", "text"]
    assert not registry.fallbacks("gpt-realtime")[1].abilities.speaks
