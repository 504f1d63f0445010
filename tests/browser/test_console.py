"""The console at `/`, in a real browser with a real server: as a person uses it.

Its pictures are kept in out/browser, to be looked at.
"""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from playwright.async_api import FilePayload

from tests.browser.console_page import console, content, needs_console
from tests.browser.visitor import NEEDS_CHROMIUM
from tests.server_process import ServerProcess

pytestmark = [*NEEDS_CHROMIUM, needs_console]
DENIED = """
    navigator.mediaDevices.getUserMedia = async () => {
      throw new DOMException('no', '%s');
    };
"""


async def test_one_talks_interrupts_and_sees_what_happened(offline_server: ServerProcess) -> None:
    async with console(offline_server.url) as shown:
        await shown.picture("start")
        await shown.give_desk()
        await shown.start()
        await shown.is_state("listening")
        await (await shown.open("Recording")).get_by_role("button", name="Record").click()
        await shown.visitor.speak("cmd_two_people")
        await shown.hears("The old mill is yours.")
        await shown.is_state("listening")

        await shown.type("Tell me a story.")
        await shown.is_state("speaking")
        words = "[...document.querySelectorAll('[data-role=assistant] .antiphon-words')]"
        await shown.visitor.until(f"() => {words}.at(-1).textContent.length > 30")
        await shown.picture("speaking")
        await shown.visitor.speak("cmd_today")
        await shown.hears("Today it is.")
        struck = shown.page.locator("[data-role=assistant] s")
        assert "forgot to sail on" in await struck.inner_text()
        await shown.is_state("listening")

        turns = await shown.open("Turns")
        assert await turns.locator(".turns > li").count() == 4
        await turns.get_by_text("answered without words").wait_for()
        await turns.get_by_text("interrupted").wait_for()
        await shown.picture("turns")
        calls = await shown.open("Tools")
        assert await calls.locator(".output").inner_text() == "The old mill is yours."
        usage = await shown.open("Usage")
        cells = usage.locator("tbody tr").first.locator("td")
        assert await cells.first.inner_text() == "–", "the offline engine costs nothing"
        assert int(await cells.nth(1).inner_text()) > 0
        connection = await shown.open("Connection")
        await connection.get_by_text("The connection is good.").wait_for()

        events = await shown.open("Events")
        await events.get_by_label("Filter").fill("transcription.completed")
        assert await events.locator("summary").count() == 2
        await events.locator("summary").first.click()
        transcribed = await events.locator("pre").inner_text()
        assert '"transcript": "today' in transcribed.lower()
        async with shown.page.expect_download() as downloading:
            await events.get_by_role("button", name="Export").click()
        assert b"session.created" in (await content(await downloading.value)).splitlines()[0]
        await shown.picture("events")

        await shown.end()
        recordings = await shown.open("Recording")
        await recordings.get_by_role("img", name="Who spoke when").wait_for()
        await shown.picture("recording")
        async with shown.page.expect_download() as downloading:
            await recordings.get_by_role("button", name="Download").click()
        assert len(await content(await downloading.value)) > 10_000


async def test_it_fits_a_telephone(offline_server: ServerProcess) -> None:
    async with console(offline_server.url) as shown:
        await shown.page.set_viewport_size({"width": 390, "height": 844})
        await shown.type("Hello.")
        await shown.is_state("text-only")
        await shown.page.locator("[data-role=assistant]").first.wait_for()
        wide = "() => document.documentElement.scrollWidth > innerWidth"
        for scheme in ("light", "dark"):
            await shown.page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
            assert not await shown.visitor.run(wide), scheme
            await shown.picture(f"telephone-{scheme}")
            async with shown.settings():
                assert not await shown.visitor.run(wide), "Settings"
                await shown.picture(f"telephone-settings-{scheme}")
        await shown.page.get_by_role("button", name="Details", exact=True).click()
        for tab in ("Turns", "Events", "Usage"):
            await shown.open(tab)
            assert not await shown.visitor.run(wide), tab


async def test_space_is_held_to_talk(offline_server: ServerProcess) -> None:
    async with console(offline_server.url) as shown:
        await shown.give_desk()
        async with shown.settings() as settings:
            await settings.get_by_label("When the agent answers").select_option("push_to_talk")
        await shown.page.locator("h1").click()  # Off the button, which Space would press.
        await shown.page.keyboard.press("t")
        await shown.is_state("listening")
        await shown.page.get_by_text("Hold to talk").wait_for()
        await shown.page.keyboard.down("Space")
        await shown.page.get_by_text("Let go to send").wait_for()
        await shown.visitor.speak("cmd_today")
        await shown.page.keyboard.up("Space")
        await shown.hears("Today it is.")
        await shown.page.keyboard.press("t")
        await shown.is_state("closed")


async def test_codec_transport_and_voice_change_in_mid_conversation(
    offline_server: ServerProcess,
) -> None:
    async with console(offline_server.url) as shown:
        await shown.give_desk()
        await shown.start()
        for label, value in (("Codec", "pcmu"), ("Transport", "websocket"), ("Voice", "cedar")):
            before = await shown.page.locator("[data-role=assistant]").count()
            await shown.visitor.until("() => document.querySelector('[data-state=listening]')")
            async with shown.settings() as settings:
                await settings.get_by_label(label, exact=True).select_option(value)
            await shown.is_state("listening")
            await shown.visitor.speak("cmd_today")
            answers = "document.querySelectorAll('[data-role=assistant]').length"
            await shown.visitor.until(f"(before) => {answers} > before", before)
            await shown.hears("Today it is.")
        assert await shown.page.locator("[data-role=user]").count() == 3
        events = await shown.open("Events")
        await events.get_by_label("Filter").fill('"voice":"cedar"')
        await events.get_by_text("session.updated").first.wait_for()
        await shown.end()


async def test_a_voice_is_previewed(offline_server: ServerProcess) -> None:
    async with console(offline_server.url) as shown:
        async with shown.settings() as settings:
            await settings.get_by_label("Voice", exact=True).select_option("ash")
            await settings.get_by_role("button", name="Preview").click()
            await settings.get_by_text("Playing…").wait_for()
            await settings.get_by_role("button", name="Preview").wait_for()
        assert await shown.page.get_by_role("alert").count() == 0


async def test_without_a_microphone_one_types_and_comes_back(offline_server: ServerProcess) -> None:
    async with console(offline_server.url) as shown:
        await shown.visitor.run("() => { window.hearing = navigator.mediaDevices.getUserMedia; }")
        await shown.visitor.run(f"() => {{ {DENIED % 'NotAllowedError'} }}")
        await shown.give_desk()
        await shown.start()
        await shown.is_state("text-only")
        await shown.notice("microphone-denied").wait_for()
        await shown.picture("microphone-denied")
        await shown.type("today")
        await shown.hears("Today it is.")

        await shown.visitor.run(f"() => {{ {DENIED % 'NotFoundError'} }}")
        await shown.page.get_by_role("button", name="Use voice").click()
        await shown.notice("no-device").wait_for()
        await shown.picture("no-device")
        await shown.is_state("text-only")

        await shown.visitor.run("() => { navigator.mediaDevices.getUserMedia = window.hearing; }")
        await shown.page.get_by_role("button", name="Use voice").click()
        await shown.is_state("listening")
        assert await shown.notice("no-device").count() == 0
        await shown.visitor.speak("cmd_two_people")
        await shown.hears("The old mill is yours.")
        assert await shown.page.locator("[data-role=user]").count() == 2, "one conversation"
        await shown.end()


async def test_a_server_that_comes_back_goes_on_with_the_conversation(tmp_path: Path) -> None:
    server = ServerProcess(tmp_path, ANTIPHON_DRAIN_SECONDS="0")
    try:
        async with console(server.url, complains=True) as shown:
            await shown.give_desk()
            await shown.start()
            await shown.is_state("listening")
            await shown.visitor.speak("cmd_today")
            await shown.hears("Today it is.")
            await shown.is_state("listening")
            server.stop()
            await shown.is_state("reconnecting")
            await shown.notice("server-away").wait_for()
            await shown.picture("server-away")
            server = ServerProcess(tmp_path, port=server.port)
            await shown.is_state("listening")
            assert await shown.notice("server-away").count() == 0
            await shown.visitor.speak("cmd_two_people")
            await shown.hears("The old mill is yours.")
            events = await shown.open("Events")
            await events.get_by_label("Direction").select_option("sent")
            await events.get_by_label("Filter").fill("Today it is.")
            told = events.get_by_text("conversation.item.create")
            assert await told.count() == 0, "the server has kept it"
            await shown.end()
    finally:
        server.stop()


async def test_a_server_that_wants_a_key_says_so(keyed_server: ServerProcess) -> None:
    async with console(keyed_server.url, complains=True) as shown:
        await shown.start()
        await shown.notice("key-refused").get_by_text("API key").wait_for()
        field = shown.page.get_by_label("Key, if the server wants one")
        await shown.visitor.until("() => document.activeElement?.type === 'password'")
        await shown.picture("key-refused")
        await shown.page.keyboard.type("server-key")
        await shown.page.keyboard.press("Enter")
        assert await field.input_value() == "server-key"
        await shown.page.keyboard.press("Escape")
        await shown.page.get_by_role("dialog").wait_for(state="hidden")
        await shown.start()
        await shown.is_state("listening")
        kept = "() => JSON.stringify(localStorage).includes('server-key')"
        assert not await shown.visitor.run(kept), "only for as long as the tab is open"
        await shown.end()


async def test_media_that_find_no_way_go_over_websocket(offline_server: ServerProcess) -> None:
    relay_only = """
        const Plain = RTCPeerConnection;
        window.RTCPeerConnection = class extends Plain {
          constructor(configuration) {
            super({ ...configuration, iceTransportPolicy: 'relay' });
          }
        };
    """
    async with console(offline_server.url, before=relay_only, complains=True) as shown:
        await shown.give_desk()
        await shown.start()
        await shown.notice("ice-failed").wait_for()
        await shown.picture("ice-failed")
        await shown.is_state("listening")
        await shown.page.get_by_text("WebSocket").first.wait_for()
        await shown.visitor.speak("cmd_today")
        await shown.hears("Today it is.")
        await shown.end()


async def test_sound_that_is_held_back_waits_for_a_click(offline_server: ServerProcess) -> None:
    held_back = """
        const play = HTMLMediaElement.prototype.play;
        HTMLMediaElement.prototype.play = function () {
          const touched = navigator.userActivation.isActive && window.mayPlay;
          return touched ? play.call(this)
            : Promise.reject(new DOMException('no gesture', 'NotAllowedError'));
        };
    """
    async with console(offline_server.url, before=held_back) as shown:
        await shown.give_desk()
        await shown.start()
        await shown.notice("autoplay-blocked").wait_for()
        await shown.picture("autoplay-blocked")
        await shown.visitor.run("() => { window.mayPlay = true; }")
        await shown.page.get_by_role("button", name="Turn the sound on").click()
        await shown.visitor.until("() => !document.querySelector('.antiphon-notice')")
        await shown.end()


LENSES = """
    const asked = navigator.mediaDevices.getUserMedia;
    const seen = async () => {
      const canvas = document.createElement('canvas');
      const drawing = canvas.getContext('2d');
      setInterval(() => {
        drawing.fillStyle = 'seagreen';
        drawing.fillRect(0, 0, canvas.width, canvas.height);
      }, 50);
      window.seen = canvas.captureStream(20);
      return window.seen;
    };
    navigator.mediaDevices.getUserMedia = (wanted) => (wanted.video ? seen() : asked(wanted));
    navigator.mediaDevices.getDisplayMedia = seen;
"""
"""A camera and a screen, all green."""


@pytest.mark.parametrize("lens", ["Picture", "Camera", "Screen"])
async def test_a_picture_is_shown_to_the_agent(offline_server: ServerProcess, lens: str) -> None:
    async with console(offline_server.url, before=LENSES) as shown:
        await shown.start()
        await shown.is_state("listening")
        await shown.page.get_by_role("button", name="Show the agent").click()
        if lens == "Picture":
            picture = await shown.page.screenshot()
            await shown.page.locator("input[type=file]").set_input_files(
                FilePayload(name="desk.png", mimeType="image/png", buffer=picture)
            )
        else:
            await shown.page.get_by_role("button", name=lens).click()
        if lens == "Camera":
            await shown.visitor.until("() => document.querySelector('video')?.videoWidth > 0")
            await shown.picture("camera")
            await shown.page.get_by_role("button", name="Show this").click()
        shown_image = shown.page.get_by_alt_text("What was shown to the agent")
        await shown_image.wait_for()
        await shown.page.locator("[data-role=assistant]").first.wait_for()
        if lens != "Picture":
            await shown.visitor.until(
                "() => seen.getTracks().every((t) => t.readyState === 'ended')"
            )
            green = """(image) => {
              const drawing = document.createElement('canvas').getContext('2d');
              drawing.drawImage(image, 0, 0);
              return [...drawing.getImageData(5, 5, 1, 1).data];
            }"""
            red, seen_green, blue, _ = await shown_image.evaluate(green)
            assert red < 80 < 110 < seen_green, (red, seen_green, blue)
        await shown.end()


CAPTIONS = """
    window.captions = [];
    setInterval(() => {
      const words = [...document.querySelectorAll('[data-role=assistant] .antiphon-words')].at(-1);
      if (!words) return;
      const heard = words.firstChild?.nodeType === Node.TEXT_NODE ? words.firstChild.data : '';
      const notice = document.querySelector('.antiphon-notice')?.dataset.kind ?? null;
      const struck = words.querySelector('s')?.textContent ?? '';
      window.captions.push({ atMs: Date.now(), heard: heard.length, struck, notice });
    }, 20);
"""
"""What the page shows of the agent's last words, fifty times a second."""
LOOKS_MS = 20
TOLD_MS = 4_000
"""The strict bounds are lost-connection.test.ts's, in virtual time.  Here a machine may stall;
a browser alone tells of a dead call after five seconds and more, and of a dead WebSocket never.
"""


@pytest.mark.parametrize("transport", ["webrtc", "websocket"])
async def test_captions_stop_where_the_sound_does(tmp_path: Path, transport: str) -> None:
    server = ServerProcess(tmp_path, hears=False)
    try:
        async with console(server.url, before=CAPTIONS, complains=True) as shown:
            async with shown.settings() as settings:
                await settings.get_by_label("Transport", exact=True).select_option(transport)
            await shown.give_desk()
            await shown.start()
            await shown.is_state("listening")
            await shown.type("Tell me a story.")
            await shown.visitor.until("() => window.captions.at(-1)?.heard > 25")
            server.kill()
            killed_at_ms = time.time() * 1000
            await shown.visitor.until(
                "(since) => Date.now() - since > 5000 && window.captions.at(-1).struck",
                killed_at_ms,
            )
            await shown.picture(f"killed-{transport}")
            after = [
                seen
                for seen in await shown.visitor.run("() => window.captions")
                if seen["atMs"] >= killed_at_ms
            ]
            # By the page's own looks: while a busy machine keeps it waiting, it shows nothing new.
            heard = after[-1]["heard"]
            stopped = next(at for at, seen in enumerate(after) if seen["heard"] == heard)
            assert stopped < 1_000 / LOOKS_MS, "words ran on without sound"
            told = next(at for at, seen in enumerate(after) if seen["notice"] and seen["struck"])
            assert told < TOLD_MS / LOOKS_MS, "nobody said that the sound was gone"
            assert after[-1]["struck"].strip(), "what was not heard is struck through"
    finally:
        server.kill()


PROBED = """
    window.probes = 0;
    window.WebSocket = class extends WebSocket {
      constructor(...how) {
        super(...how);
        this.addEventListener('message', ({ data }) => {
          if (data.includes?.('"conversation.item.retrieved"')) window.probes += 1;
        });
      }
    };
"""
"""How often the server has answered whether it lives: the page suspects none that never has."""


@pytest.mark.parametrize("transport", ["webrtc", "websocket"])
async def test_a_connection_that_dies_without_a_word_is_told(
    tmp_path: Path, transport: str
) -> None:
    server = ServerProcess(tmp_path, hears=False)
    try:
        async with console(server.url, before=CAPTIONS + PROBED, complains=True) as shown:
            async with shown.settings() as settings:
                await settings.get_by_label("Transport", exact=True).select_option(transport)
            await shown.start()
            await shown.is_state("listening")
            await shown.type("Tell me a story.")
            await shown.visitor.until("() => window.captions.at(-1)?.heard > 60")
            if transport == "websocket":  # Asked once nothing comes: on a busy machine, late.
                await shown.visitor.until("() => window.probes > 0")
            server.freeze()
            frozen_at_ms = time.time() * 1000
            told = await shown.visitor.until(
                "(since) => window.captions.find(({ atMs, notice }) => atMs >= since && notice)",
                frozen_at_ms,
            )
            assert told["notice"] == "connection-unsure"
            looks = [seen["atMs"] for seen in await shown.visitor.run("() => window.captions")]
            until_told = [at for at in looks if frozen_at_ms <= at <= told["atMs"]]
            assert 0 < len(until_told) < TOLD_MS / LOOKS_MS
            await shown.picture(f"unsure-{transport}")
            server.thaw()
            await shown.notice("connection-unsure").wait_for(state="detached")
            await shown.end()
        server.stop()
    finally:
        server.kill()
