"""Makes the README's picture of the web chat: `nano` as it is, asked in a real browser. Nothing in it is scripted.

python -m tests.screenshot [FILE]        # docs/web-chat.webp
"""

from __future__ import annotations

import io
import sys
import tempfile
from pathlib import Path

from PIL import Image

from apps.demo import PICTURE
from apps.preparation import Preparation
from conlora_agent.agent import Agent
from conlora_agent.settings import Settings
from tests.turns import png
from tests.web import Served, Tab, chromium, serving_page

FILE = Path(__file__).parents[1] / "docs" / "web-chat.webp"
WHERE, BOOK = "where is the blue book?", (0.03, 0.07, 0.26, 0.54)
"""What is asked, after a region was marked to ask what is written there."""
SIZE = {"width": 1280, "height": 1060}


def main(file: Path = FILE) -> None:
    """Ask, and keep what the page looks like."""
    with tempfile.TemporaryDirectory() as home, Agent(Settings.load(home=Path(home))) as agent:
        page = Served(agent, Preparation())
        page.preparation.prepare(agent)
        for task in ("grounding", "ocr"):  # so that the times shown are not those of loading
            agent.ask(WHERE, image=png((640, 480)), task=task)
        with serving_page(page), chromium() as browser:
            tab = Tab(browser.new_context(viewport=SIZE, device_scale_factor=1.25, color_scheme="light"), page.url)
            tab.page.set_default_timeout(300_000)
            tab.give("drop", ["table.png"], PICTURE.read_bytes())
            tab.thumbs(1)
            tab.page.locator("#tray .thumb").click()
            tab.drag(tab.page.locator("#viewer .seen"), BOOK)
            tab.page.locator("#tray .quick").first.click()
            tab.answered("")
            tab.say(WHERE, "")
            tab.page.wait_for_timeout(500)
            shot = tab.page.screenshot()
        for turn in agent.threads.show(agent.threads.list()[0].id).turns:
            sys.stdout.write(f"{turn.text} {[step.route for step in turn.steps]}: {turn.answer}\n")
    with Image.open(io.BytesIO(shot)) as picture:
        picture.convert("RGB").save(file, "WEBP", quality=40, method=6)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
