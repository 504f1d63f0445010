"""The task assistant: the laws of its list, its tools, and a person who talks and clicks."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import ClientSession
from hypothesis import given
from hypothesis import strategies as st

from examples.serving import VoiceServer
from examples.task_assistant import tools
from examples.task_assistant.app import make_app
from examples.task_assistant.tasks import MAX_TITLE_LENGTH, TaskError, TaskList
from tests.browser.visitor import TIMEOUT_S, Visitor, needs_chromium, visiting
from tests.examples.backend import backend, needs_client, take_pictures
from tests.server_process import KEY, ServerProcess

TODAY = dt.datetime.now().astimezone().date()
TOMORROW = TODAY + dt.timedelta(days=1)
titles = st.text(min_size=1, max_size=MAX_TITLE_LENGTH).filter(lambda text: text.strip(" .\n\t"))


@pytest.fixture
def tasks() -> TaskList:
    tasks = TaskList()
    tasks.create("Book a room", TODAY)
    tasks.create("Water the plants", TOMORROW)
    return tasks


# The list.


def test_it_is_all_there_after_a_restart(tmp_path: Path) -> None:
    before = TaskList(tmp_path / "tasks.sqlite")
    before.set_done(before.create("Mend the coat", TODAY).id)
    before.create("Call home")
    shown = before.all()
    before.close()
    assert TaskList(tmp_path / "tasks.sqlite").all() == shown


def test_what_is_due_soonest_comes_first_and_what_is_done_last() -> None:
    tasks = TaskList()
    tasks.create("Some day")
    tasks.create("Tomorrow", TOMORROW)
    tasks.set_done(tasks.create("Done", TODAY).id)
    tasks.create("Today", TODAY)
    assert [task.title for task in tasks.all()] == ["Today", "Tomorrow", "Some day", "Done"]
    assert [task.title for task in tasks.open(TODAY)] == ["Today"]


@given(st.text())
def test_a_title_is_kept_or_refused_with_a_reason(title: str) -> None:
    tasks = TaskList()
    try:
        created = tasks.create(title)
    except TaskError as error:
        assert str(error)
        assert tasks.all() == []
    else:
        assert tasks.find_open(title).id == created.id


async def test_who_watches_hears_of_each_change(tasks: TaskList) -> None:
    watched = tasks.watch()
    assert len(await anext(watched)) == 2
    tasks.create("Mend the coat")
    assert len(await anext(watched)) == 3


# The functions.


@given(st.sampled_from(["list_tasks", "create_task", "complete_task", "other"]), st.text())
def test_whatever_a_model_writes_is_answered(name: str, arguments: str) -> None:
    output = tools.run(TaskList(), name, arguments)
    assert isinstance(output.get("spoken", output.get("error")), str)


@pytest.mark.parametrize(
    ("name", "arguments", "error"),
    [
        ("complete_task", {"title": "Paint the fence"}, "no open task called Paint the fence"),
        ("complete_task", {}, "title is missing"),
        ("create_task", {"title": " . "}, "needs a title"),
        ("create_task", {"title": "Go", "due": "soon"}, "2026-01-31"),
        ("list_tasks", {"day": 5}, "2026-01-31"),
    ],
)
def test_mistakes_say_what_is_wrong(
    tasks: TaskList, name: str, arguments: dict[str, object], error: str
) -> None:
    assert error in tools.run(tasks, name, json.dumps(arguments))["error"]
    assert len(tasks.all()) == 2


def test_titles_that_are_open_are_what_can_be_completed(tasks: TaskList) -> None:
    def enum() -> list[str]:
        complete = next(t for t in tools.declarations(tasks) if t["name"] == "complete_task")
        return list(complete["parameters"]["properties"]["title"].get("enum", []))

    assert enum() == ["Book a room", "Water the plants"]
    tools.run(tasks, "complete_task", '{"title": "book a room"}')
    assert enum() == ["Water the plants"]


# The application.

LAST_SAID = "[...document.querySelectorAll('.dock-captions li:not(.user)')].at(-1)?.textContent"


class Page:
    """The list's page, by the names that a person sees."""

    def __init__(self, visitor: Visitor) -> None:
        self.visitor = visitor
        self.page = visitor.page
        self.page.set_default_timeout(TIMEOUT_S * 1000)

    async def type(self, text: str) -> None:
        await self.page.get_by_label("Message").fill(text)
        await self.page.keyboard.press("Enter")

    async def hears(self, text: str) -> None:
        await self.visitor.until(f"(text) => {LAST_SAID}?.includes(text)", text)

    async def says(self, clip: str, *, hears: str) -> None:
        await self.visitor.say(clip, lines=".dock-captions", agents="li:not(.user)", hears=hears)

    async def shows(self, heading: str, *titles: str) -> None:
        lines = f"[...document.querySelectorAll('#{heading} li span')].map((s) => s.textContent)"
        await self.visitor.until(
            f"(titles) => JSON.stringify({lines}) === JSON.stringify(titles)", list(titles)
        )


@asynccontextmanager
async def opened(tasks: TaskList, server: ServerProcess) -> AsyncIterator[Page]:
    async with (
        backend(make_app(tasks, VoiceServer(f"{server.url}/v1", KEY))) as url,
        visiting(f"{url}/") as visitor,
    ):
        yield Page(visitor)


@needs_client
@needs_chromium
async def test_tasks_are_told_ticked_off_and_added_by_voice(
    tasks: TaskList, keyed_server: ServerProcess
) -> None:
    async with opened(tasks, keyed_server) as shown:
        await shown.shows("open", "Book a room", "Water the plants")
        await shown.page.get_by_role("button", name="Talk").click()
        await shown.hears("I keep your task list.")
        await shown.says("cmd_today", hears="1 task: book a room.")

        await shown.says("cmd_book_a_room", hears="Shall I tick off: Book a room?")
        await shown.says("laptop_yes", hears="Book a room is done. 1 task left.")
        await shown.shows("done", "Book a room")

        # Typed, where recognition without a grammar is poor; and spoken again.
        await shown.type("new task")
        await shown.hears("What is the task?")
        await shown.type("two people")
        await shown.hears("For which day?")
        await shown.says("cmd_today", hears="What shall I do?")
        await shown.shows("open", "Two people", "Water the plants")
        await take_pictures(shown.page, "tasks")

        # What has just been put on the list is expected to be heard.
        await shown.says("cmd_two_people", hears="Shall I tick off: Two people?")


@needs_client
@needs_chromium
async def test_a_click_is_known_to_the_voice(tasks: TaskList, keyed_server: ServerProcess) -> None:
    async with opened(tasks, keyed_server) as shown:
        await shown.page.get_by_label("Book a room").check()
        await shown.shows("done", "Book a room")
        await shown.type("what is on my list")
        await shown.hears("1 task: water the plants.")
        await shown.page.get_by_label("Book a room").uncheck()
        await shown.shows("open", "Book a room", "Water the plants")
        await shown.type("book a room")
        await shown.hears("Shall I tick off: Book a room?")


@needs_client
async def test_the_terminal_client_keeps_the_same_list(
    tasks: TaskList, keyed_server: ServerProcess
) -> None:
    said = ["hello", "water the plants", "yes"]
    async with backend(make_app(tasks, VoiceServer(f"{keyed_server.url}/v1", KEY))) as url:
        talking = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "examples.task_assistant.talk", "--backend", url, "--no-mic"),
            *(option for text in said for option in ("--text", text)),
            cwd=Path(__file__).parents[2],
            stdout=asyncio.subprocess.PIPE,
        )
        printed = (await talking.communicate())[0].decode()
        assert talking.returncode == 0, printed
    assert "Water the plants is done. 1 task left." in printed
    assert [task.title for task in tasks.open()] == ["Book a room"]


@needs_client
async def test_bad_requests_are_told_apart_and_change_nothing(tasks: TaskList) -> None:
    app = make_app(tasks, VoiceServer("http://127.0.0.1:9/v1", KEY))
    async with backend(app) as url, ClientSession(url) as client:
        for path, body, status in [
            ("/tasks/1", "{}", 400),
            ("/tasks/1", '{"done": "yes"}', 400),
            ("/tasks/1", "done", 400),
            ("/tasks/77", '{"done": true}', 404),
        ]:
            async with client.patch(path, data=body) as answer:
                assert answer.status == status, (path, body)
    assert len(tasks.open()) == 2
