"""The web chat in a real browser, by clicking and typing."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from apps.demo import DIALOGUE, PICTURE
from apps.preparation import Preparation
from apps.server.run import _page
from conlora_agent.settings import Settings
from tests.command import scripted_agent
from tests.serving import serving
from tests.task_folders import write_task
from tests.turns import png
from tests.waiting import wait_until
from tests.web import TIMEOUT_MS, Served, Tab, chromium, served, violations

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("web")) as page:
        yield page


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as started:
        yield started


@pytest.fixture
def tab(browser: Any, site: Served) -> Iterator[Tab]:
    context = browser.new_context(viewport={"width": 1280, "height": 860}, accept_downloads=True)
    opened = Tab(context, site.url)
    yield opened
    assert opened.elsewhere == [], "the page works without the internet"
    assert opened.errors == []
    context.close()


def test_the_headline_dialogue_and_a_reload(tab: Tab) -> None:
    page = tab.page
    with page.expect_file_chooser() as chooser:
        page.click("#tools [data-tool=add]")
    chooser.value.set_files(PICTURE)
    tab.thumbs(1)
    answers = ("Four books", "I found the blue book", "QUIET OCEAN", "I found the red book", "421.6", "You are welcome")
    for text, answer in zip(DIALOGUE, answers, strict=True):
        tab.say(text, answer)
    assert tab.routes() == ["caption", "grounding", "ocr", "grounding", "calculator", "chat"]
    page.locator("#chat .step", has_text="calculator").locator("summary").click()
    page.locator("#chat .step[open] dd", has_text="421.6").wait_for()
    tab.keep("dialogue")
    page.reload()
    tab.turns -= 1
    tab.answered("You are welcome")
    assert tab.routes()[:2] == ["caption", "grounding"]
    assert page.locator("#threads [aria-current]").inner_text() == "describe this image"
    page.get_by_label("the blue book 90%: ask about it").first.hover()
    tab.keep("boxes")


def test_pictures_are_dropped_pasted_and_taken_and_one_of_them_is_current(tab: Tab, site: Served) -> None:
    page = tab.page
    tab.give("drop", ["a.png", "b.png"], PICTURE.read_bytes())
    tab.thumbs(1)
    tab.give("paste", ["c.png"], png((300, 200), "red"))
    tab.thumbs(2)
    page.click("#tools [data-tool=camera]")
    page.wait_for_function("document.querySelector('#camera video').videoWidth > 0")
    page.click("#camera [data-take]")
    thumbs = tab.thumbs(3)
    assert thumbs.nth(2).get_attribute("aria-pressed") == "true"
    thumbs.nth(1).click()
    page.locator("#tray .thumb.current:nth-child(2)").wait_for()
    tab.say("describe this image", "Four books")
    sent = site.agent.threads.show(site.agent.threads.list()[0].id).turns[0].image
    assert sent == thumbs.nth(1).get_attribute("data-picture")
    assert tab.thumbs(3).nth(1).get_attribute("aria-pressed") == "true", "it stays current; the others wait"
    tab.give("drop", ["bad.png"], b"no picture")
    page.get_by_text("these bytes are not a picture").wait_for()


def test_stop_try_again_and_edit(tab: Tab, site: Served) -> None:
    page = tab.page
    site.go_on.clear()
    tab.say("tell me slowly")
    page.locator("#chat .answer", has_text="Once upon").wait_for()
    page.press("#box textarea", "Escape")
    page.locator("#chat .ended", has_text="Stopped").wait_for()
    site.go_on.set()
    page.get_by_role("button", name="Edit").click()
    page.wait_for_function("document.querySelector('#box textarea').value === 'tell me slowly'")
    page.locator("#box .stop-button").wait_for(state="hidden")  # until then Enter sends nothing
    site.go_on.clear()
    page.press("#box textarea", "Enter")
    page.locator("#chat .answer", has_text="Once upon").wait_for()
    page.click("#box .stop-button")
    page.locator("#chat .ended", has_text="Stopped").wait_for()
    site.go_on.set()
    page.get_by_role("button", name="Try again").click()
    tab.answered("The end.")
    assert page.locator("#chat .said").count() == 1, "what was stopped is not kept"


def test_asking_again_by_another_route_and_choosing_one(tab: Tab) -> None:
    page = tab.page
    page.locator(".card", has_text="Where is the blue book?").click()
    tab.answered("I found the blue book")
    page.get_by_label("Ask again with another task or tool").select_option("caption")
    tab.answered("Four books")
    page.get_by_label("Ask the same again").first.click()
    tab.answered("I found the blue book")
    page.click("#route input")
    page.get_by_role("option", name="vqa (task)").click()
    tab.say("anything", "You are welcome")
    assert tab.routes() == ["grounding", "caption", "grounding", "vqa"]


def test_choices_are_clicked_and_the_steps_of_a_plan_unfold(tab: Tab) -> None:
    page = tab.page
    page.locator(".card", has_text="Describe").click()
    tab.answered("Four books")
    tab.say("hm", "What shall I do")
    tab.keep("clarify")
    page.locator(".choices button", has_text="Describe").click()
    tab.answered("Four books")
    tab.say("find the blue book and read it", "QUIET OCEAN")
    assert tab.routes() == ["caption", "clarify", "caption", "grounding", "ocr"]
    page.locator("#chat .step summary").last.click()
    page.locator("#chat .step[open] dd", has_text="the result of step 1").wait_for()
    tab.keep("plan")


def test_a_region_is_dragged_clicked_and_typed(tab: Tab, site: Served) -> None:
    page = tab.page
    page.locator(".card", has_text="Where is the blue book?").click()
    tab.answered("I found the blue book")
    tab.drag(page.locator("#chat .done .seen"), (0.3, 0.1, 0.6, 0.5))
    tab.keep("region")
    page.locator("#tray .quick", has_text="What is written here?").click()
    tab.answered("QUIET OCEAN")
    assert page.locator("#chat .marked.drawn").count() == 0, "the next message is about the whole picture again"
    (turn,) = site.agent.threads.show(site.agent.threads.list()[0].id).turns[1:]
    assert turn.region == pytest.approx((0.3, 0.1, 0.6, 0.5), abs=0.01)
    page.get_by_label("the blue book 90%: ask about it").click()
    page.locator("#tray .region").wait_for()
    assert page.locator("#chat .marked.drawn").count() == 1
    page.get_by_label("Forget the marked region").click()
    page.locator("#tray .region").wait_for(state="detached")
    assert page.locator("#chat .marked.drawn").count() == 0
    page.locator("#tray .thumb.current").click()
    page.locator("#viewer .seen").wait_for()
    for key in ("ArrowRight", "Shift+ArrowDown", "Enter"):
        page.keyboard.press(key)
    page.locator("#tray .region").wait_for()
    tab.say("what is written here?", "QUIET OCEAN")
    last = site.agent.threads.show(site.agent.threads.list()[0].id).turns[-1]
    assert last.region == pytest.approx((0.37, 0.35, 0.67, 0.67))


def test_two_browsers_are_apart_and_conversations_are_kept_in_order(tab: Tab, browser: Any, site: Served) -> None:
    page = tab.page
    tab.say("thanks for the fish!", "You are welcome.")
    tab.new()
    tab.say("hello", "You are welcome.")
    wait_until(lambda: tab.titles() == ["hello", "thanks for the fish!"])
    second = Tab(page.context, site.url)
    second.say("in another tab", "You are welcome.")
    wait_until(lambda: len(second.titles()) == 3)
    tab.say("still here?", "You are welcome.")
    assert page.locator("#chat .said").count() == 2
    elsewhere = browser.new_context()
    other = Tab(elsewhere, site.url)
    other.say("who is there?", "You are welcome.")
    wait_until(lambda: other.titles() == ["who is there?"])
    elsewhere.close()


def test_conversations_are_searched_renamed_exported_and_deleted(tab: Tab) -> None:
    page = tab.page
    tab.say("weather in Rome?", "21 degrees in Rome.")
    tab.new()
    tab.say("hello", "You are welcome.")
    # The first turn alone is listed until the list is made anew, and that would close the menu opened below.
    wait_until(lambda: tab.titles() == ["hello", "weather in Rome?"])
    page.fill("#search input, #search textarea", "degrees")
    wait_until(lambda: tab.titles() == ["weather in Rome?"])
    page.once("dialog", lambda dialog: dialog.accept("Holiday"))
    page.click("#threads .menu summary")
    page.get_by_role("button", name="Rename").click()
    wait_until(lambda: tab.titles() == ["Holiday"])
    page.fill("#search input, #search textarea", "")
    wait_until(lambda: tab.titles() == ["hello", "Holiday"])
    saved = {}
    for form in ("Export Markdown", "Export JSON"):
        page.locator("#threads li", has_text="Holiday").locator("summary").click()
        with page.expect_download() as download:
            page.locator("#threads li", has_text="Holiday").get_by_role("button", name=form).click()
        saved[download.value.suggested_filename] = Path(download.value.path()).read_text()
    assert "21 degrees" in saved["holiday.md"]
    assert json.loads(saved["holiday.json"])["title"] == "Holiday"
    page.once("dialog", lambda dialog: dialog.accept())
    page.locator("#threads li", has_text="hello").locator("summary").click()
    page.locator("#threads li", has_text="hello").get_by_role("button", name="Delete").click()
    page.locator(".welcome").wait_for()
    wait_until(lambda: tab.titles() == ["Holiday"])
    tab.turns = 0
    page.locator("#threads .title").click()
    tab.answered("21 degrees in Rome.")
    tab.new()
    with page.expect_file_chooser() as chooser:
        page.click("[data-tool=import]")
    chooser.value.set_files({"name": "holiday.json", "mimeType": "", "buffer": saved["holiday.json"].encode()})
    tab.answered("21 degrees in Rome.")
    wait_until(lambda: tab.titles() == ["Holiday", "Holiday"])


def test_a_list_that_was_asked_for_before_a_search_does_not_come_after_it(
    tab: Tab, site: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    tab.say("weather in Rome?", "21 degrees in Rome.")
    tab.new()
    search, asked, go_on = site.agent.threads.search, threading.Event(), threading.Event()

    def slow_without_words(words: str) -> Any:
        if not words:
            asked.set()
            go_on.wait(20)
        return search(words)

    monkeypatch.setattr(site.agent.threads, "search", slow_without_words)
    tab.say("hello", "You are welcome.")
    wait_until(asked.is_set)
    tab.page.fill("#search input, #search textarea", "degrees")
    tab.page.wait_for_timeout(500)
    go_on.set()
    tab.page.wait_for_timeout(500)
    wait_until(lambda: tab.titles() == ["weather in Rome?"])
    tab.page.wait_for_timeout(500)
    assert tab.titles() == ["weather in Rome?"]


def test_tasks_are_switched_added_and_removed_and_settings_changed(tab: Tab, site: Served, tmp_path: Path) -> None:
    page = tab.page
    page.click("#drawer .toggle-button")
    switch = page.get_by_role("switch", name="Describe")
    switch.uncheck()
    wait_until(lambda: site.agent.tasks.off() == {"caption"})
    # The switches are made anew after each: one that is about to go cannot be switched.
    wait_until(lambda: switch.get_attribute("checked") is None)
    switch.check()
    wait_until(lambda: not site.agent.tasks.off())
    wait_until(lambda: switch.get_attribute("checked") is not None)
    with page.expect_file_chooser() as chooser:
        page.click("[data-tool=folder]")
    chooser.value.set_files(write_task(tmp_path))
    page.locator("#tasks li", has_text="yours").wait_for()
    tab.keep("tasks")
    assert "leaves" in site.agent.tasks.names()
    page.once("dialog", lambda dialog: dialog.accept())
    page.locator("#tasks").get_by_role("button", name="Remove").click()
    page.locator("#tasks li", has_text="yours").wait_for(state="detached")
    page.get_by_text("Model and router").click()
    page.locator("#model", has_text="nano").wait_for()
    page.locator("#settings input[type=range]").nth(1).focus()
    page.keyboard.press("ArrowLeft")
    tab.keep("settings")


def test_a_phone_in_the_dark(browser: Any, site: Served) -> None:
    context = browser.new_context(viewport={"width": 390, "height": 844}, has_touch=True, color_scheme="dark")
    tab = Tab(context, site.url)
    tab.page.locator(".card").nth(1).tap()
    tab.answered("I found the blue book")
    assert tab.page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    box = tab.page.locator("#box").bounding_box()
    assert box["y"] + box["height"] <= 844
    tab.keep("phone")
    tab.page.locator("#chat .done .seen img").tap()
    tab.page.locator("#viewer .seen").wait_for()
    tab.page.locator("#viewer [data-close]").tap()
    tab.page.locator("#conversations .toggle-button").tap()
    tab.page.locator("#new").tap()
    context.close()


def test_everything_has_a_name_and_progress_is_shown(browser: Any, site: Served) -> None:
    site.preparation.report("reading the language model", 0.25)
    context = browser.new_context()
    tab = Tab(context, site.url)
    tab.page.locator("#banner", has_text="reading the language model (25%)").wait_for()
    site.preparation.report("ready", 1.0)
    tab.page.locator("#banner .banner").wait_for(state="detached")
    tab.page.locator(".card", has_text="Where").click()
    tab.answered("I found the blue book")
    nameless = tab.page.evaluate(
        """() => [...document.querySelectorAll("button, select, input, textarea, img")].filter((e) =>
          e.checkVisibility() && !(e.ariaLabel || e.innerText || e.title || e.labels?.length || e.hasAttribute("alt")
            || e.placeholder)).map((e) => e.outerHTML.slice(0, 200))"""
    )
    assert nameless == []
    assert tab.page.locator("#status").inner_text() == "I found the blue book (90%), at the top left."
    context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("device", ["desktop", "phone"])
def test_axe_finds_nothing_wrong(browser: Any, site: Served, device: str, scheme: str) -> None:
    size = {"width": 1280, "height": 860} if device == "desktop" else {"width": 390, "height": 844}
    context = browser.new_context(viewport=size, color_scheme=scheme, has_touch=device == "phone")
    tab = Tab(context, site.url)
    page = tab.page
    found = violations(page)
    page.locator(".card", has_text="Where is the blue book?").click()
    tab.answered("I found the blue book")
    tab.say("find the blue book and read it", "QUIET OCEAN")
    page.locator("#chat .step summary").last.click()
    tab.say("what is 17% of 2480?", "421.6")
    tab.say("hm", "What shall I do")
    tab.keep(f"{device}-{scheme}")
    found += violations(page)
    page.click("#drawer .toggle-button")
    page.get_by_text("Model and router").click()
    page.locator("#model", has_text="nano").wait_for()
    page.wait_for_timeout(500)  # drawers slide; what is half transparent has no contrast
    tab.keep(f"{device}-{scheme}-drawer")
    found += violations(page)
    context.close()
    assert found == []


def test_beside_the_api_the_page_asks_for_a_key(browser: Any, tmp_path: Path) -> None:
    settings = Settings.load({}, home=tmp_path / "home", cache=tmp_path / "cache", api_keys=("secret",))
    agent = scripted_agent(settings, lambda message, done: None)
    context = browser.new_context()
    page = context.new_page()
    page.set_default_timeout(TIMEOUT_MS)
    with serving(agent, page=_page(agent, Preparation())) as api:
        page.goto(api.url)
        for key in ("wrong", "secret"):
            page.locator("input").first.fill("anyone")
            page.locator("input[type=password]").fill(key)
            page.get_by_role("button", name="Login").click()
            page.get_by_text("Incorrect Credentials" if key == "wrong" else "Talk about a picture").wait_for()
        tab = Tab(context, api.url)
        tab.say("hello", "You are welcome.")
        assert tab.page.locator("[data-tool=folder]").count() == 0, "what all share is not changed from here"
        assert (tab.elsewhere, tab.errors) == ([], [])
        context.close()
