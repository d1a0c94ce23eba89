"""What the page's events do to one conversation: messages, pictures, regions, asking again.

One `Handlers` serves all browsers; what belongs to one tab is in the values it sends along. What the page's buttons
send (`Click`) is a stranger's input: pictures must lie on the tab's desk, files in the upload folder.
Not covered here: the list of conversations (conversations.py), tasks and settings (panels.py), layout (page.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr

from apps.demo import PICTURE
from apps.preparation import Preparation
from apps.web.desk import Desk, current_picture, desk_of
from apps.web.events import attempt, sent, sent_list
from apps.web.figures import Figures
from apps.web.markup import button, plain
from apps.web.messages import Renderer
from apps.web.tray import banner, tray
from apps.web.turns import Turn
from apps.web.uploads import taken
from conlora_agent.core.errors import ConloraError
from conlora_agent.core.types import Box
from conlora_agent.ingest import clean_region
from conlora_agent.notice import notices

if TYPE_CHECKING:
    from conlora_agent.agent import Agent
    from conlora_agent.core.types import TurnRecord

AUTO = "auto"
PROGRESS_S, IDLE_S = 0.7, 10.0
"""How often the page asks what is under way: while something is, and else."""
BUSY = gr.update(submit_btn=False, stop_btn="Stop")
READY = gr.update(submit_btn="Send", stop_btn=False)
"""What the message box offers."""
EMPTY = {"value": ""}
NOTHING_SENT = (None, gr.skip(), gr.skip(), gr.skip(), gr.skip())
DESCRIBE = "Describe this picture."
"""What a picture sent without a word asks for; shown as the user's message."""
RECEIPT = PICTURE.with_name("receipt.png")
EXAMPLES: tuple[tuple[str, Path | None], ...] = (
    ("Describe this image", PICTURE),
    ("Where is the blue book?", PICTURE),
    ("What does the receipt say?", RECEIPT),
    ("What is 17% of 2480?", None),
)


@dataclass(frozen=True)
class Message:
    """What the user sent. `image`: content hash of the picture, None to stay with the thread's own."""

    text: str
    image: str | None = None
    region: Box | None = None
    task: str | None = None


class Handlers:
    """The events of the conversation, carried out on one agent."""

    def __init__(self, agent: Agent, preparation: Preparation) -> None:
        self.agent = agent
        self.figures = Figures(agent.pictures)
        self.renderer = Renderer(agent, self.figures)
        self.preparation = preparation
        self._running: dict[str, Turn] = {}

    # -- what is sent: each gives the message, the log with it, the desk and tray without the region, the box ----------

    def typed(self, text: str, desk: Desk, thread: str, task: str) -> tuple[Any, ...]:
        """What the user typed; a picture without a word is to be described."""
        text = text.strip()
        new = desk.current is not None and desk.current != current_picture(self.agent, thread)
        if not text and not new:
            return NOTHING_SENT
        return (*self._sent(self._message(text or DESCRIBE, desk, thread, task), desk, thread)[:-1], BUSY | EMPTY)

    def clicked(self, desk: Desk, thread: str, event: gr.EventData) -> tuple[Any, ...]:
        """A choice or a question that was clicked."""
        return self._sent(self._message(sent(event, "text"), desk, thread, AUTO), desk, thread)

    def example(self, desk: Desk, thread: str, event: gr.EventData) -> tuple[Any, ...]:
        """One of the examples, with its picture."""
        number = sent(event, "number")
        text, path = EXAMPLES[int(number) if number.isdecimal() and int(number) < len(EXAMPLES) else 0]
        if path is not None:
            desk = desk.put(self.agent.pictures.put(path.read_bytes()))
        return self._sent(self._message(text, desk, thread, AUTO), desk, thread)

    def again(self, before: Message | None, desk: Desk, thread: str, event: gr.EventData) -> tuple[Any, ...]:
        """A turn once more, by another route when one was chosen; the last message when no turn is named."""
        number, task = sent(event, "turn"), sent(event, "value") or None
        try:
            message = self._earlier(thread, int(number), task) if number.isdecimal() else before
        except ConloraError as error:
            _, _, *rest = NOTHING_SENT
            return None, [*self.renderer.thread(thread), _alert(str(error))], *rest
        if message is None:
            return NOTHING_SENT
        return self._sent(message, desk, thread)

    def _message(self, text: str, desk: Desk, thread: str, task: str) -> Message:
        image = desk.current if desk.current != current_picture(self.agent, thread) else None
        return Message(text, image, desk.region, None if task in (AUTO, None) else task)

    def _earlier(self, thread: str, number: int, task: str | None) -> Message | None:
        """An earlier message, with the picture and the region that its answer looked at."""
        turns = self.agent.threads.show(thread).turns
        if number >= len(turns):
            return None
        turn = turns[number]
        image = turn.image or next((step.image for step in turn.steps if step.image), None)
        if image == current_picture(self.agent, thread):
            image = None
        return Message(turn.text, image, turn.region or self._looked_at(turn), task)

    def _looked_at(self, turn: TurnRecord) -> Box | None:
        """The region that a turn of one step looked into: "it" may mean something else by now."""
        (step, *more) = turn.steps
        if more or step.kind != "task" or len(step.places) != 1:
            return None
        return None if self.agent.tasks.get(step.route).manifest.output == "boxes" else step.places[0].box

    def _sent(self, message: Message, desk: Desk, thread: str) -> tuple[Any, ...]:
        shown = [*self.renderer.thread(thread), self._said(message)]
        kept = desk.unmarked()
        return message, shown, kept, tray(kept, self.figures), BUSY

    def _said(self, message: Message) -> str:
        return self.renderer.said(message.text, message.image, message.region)

    # -- the turn -----------------------------------------------------------------------------------------------------

    def answer(self, message: Message | None, thread: str, request: gr.Request) -> Iterator[tuple[Any, str]]:
        """Run the turn, renewing the conversation as it grows. One that fails or is stopped can be tried again."""
        if message is None:
            yield gr.skip(), thread
            return
        before, said = self.renderer.thread(thread), self._said(message)
        try:
            image = self.agent.pictures.read(message.image) if message.image else None
        except ConloraError as error:
            yield [*before, said + _ended(str(error))], thread
            return
        turn = Turn(
            self.agent, self.renderer, self.preparation,
            message.text, image, thread or None, message.task, message.region,
        )  # fmt: skip
        self._running[_session(request)] = turn
        for growing in turn:
            yield [*before, said + growing], thread
        self._running.pop(_session(request), None)
        if turn.error is not None or turn.stopped_early:
            yield [*before, said + _ended(str(turn.error or "Stopped; nothing of it is kept."))], thread
        else:
            yield self.renderer.thread(turn.thread), turn.thread or ""

    def stop(self, request: gr.Request) -> None:
        """Stop the turn that runs in this page."""
        turn = self._running.get(_session(request))
        if turn is not None:
            turn.stop()

    def settle(self, thread: str, desk: Desk) -> tuple[Any, Desk, str]:
        """After a turn: the box takes the next message, the desk is as the thread left it."""
        after = desk_of(self.agent, thread, before=desk)
        return READY, after, tray(after, self.figures)

    def edit(self, message: Message | None, thread: str) -> tuple[Any, list[str]]:
        """The words of a turn that gave no answer, back in the box."""
        return message.text if message else gr.skip(), self.renderer.thread(thread)

    # -- pictures -----------------------------------------------------------------------------------------------------

    def uploaded(self, desk: Desk, event: gr.EventData) -> tuple[Desk, str]:
        """Pictures that were pasted, dropped, chosen or taken; the last one is current."""
        for path in sent_list(event, "paths"):
            try:
                desk = desk.put(self.agent.pictures.put(taken(str(path))))
            except ConloraError as error:
                gr.Warning(str(error), title="This picture cannot be used")
        return desk, tray(desk, self.figures)

    def look(self, desk: Desk, event: gr.EventData) -> tuple[Desk, str]:
        """Make a picture current, and mark a region of it if one is given."""
        box = sent(event, "box")
        try:
            region = clean_region([float(edge) for edge in box.split(",")]) if box else None
        except (ConloraError, ValueError):
            region = None
        desk = desk.look(sent(event, "picture"), region)
        return desk, tray(desk, self.figures)

    def unmark(self, desk: Desk) -> tuple[Desk, str]:
        """Forget the marked region."""
        return desk.unmarked(), tray(desk.unmarked(), self.figures)

    def teach(self, thread: str) -> list[str]:
        """Keep what was chosen in the last turn as a routing example."""
        attempt(lambda: self._teach(thread))
        return self.renderer.thread(thread)

    def _teach(self, thread: str) -> None:
        lesson = self.agent.lesson(thread, self.agent.threads.show(thread).turns[-1].steps)
        if lesson is not None:
            self.agent.teach(lesson.route, lesson.text, has_image=lesson.has_image)
            gr.Info(f"“{lesson.text}” goes to {lesson.route} from now on.", title="Learned")

    # -- the rest -----------------------------------------------------------------------------------------------------

    def open(self, thread: str) -> tuple[list[str], Desk, str]:
        """Show a conversation."""
        desk = desk_of(self.agent, thread)
        return self.renderer.thread(thread), desk, tray(desk, self.figures)

    def routes(self) -> list[tuple[str, str]]:
        """What the dropdown offers: the router's choice first, then tasks, tools and plain chat."""
        kinds = {"task": "task", "tool": "tool", "chat": "no adapter"}
        routes = [route for route in self.agent.routes() if route.kind in kinds]
        return [
            ("auto: the router chooses", AUTO),
            *((f"{route.name} ({kinds[route.kind]})", route.name) for route in routes),
        ]

    def offered(self) -> Any:
        """The dropdown's choices as they are now: tasks may have been added since."""
        return gr.update(choices=self.routes())

    def progress(self) -> tuple[str, Any]:
        """How far it is with the model and with trainings; asked again soon while something is under way."""
        trainings = notices(self.agent.settings.cache)
        busy = self.preparation.running or bool(trainings)
        return banner(self.preparation, trainings), gr.Timer(PROGRESS_S if busy else IDLE_S)


def _ended(why: str) -> str:
    """The end of a turn that gave no answer."""
    retry = button("Try again", "again", class_="choice")
    edit = button("Edit", "edit_message", class_="choice")
    return f'<div class="done">{_alert(why)}<div class="choices">{retry}{edit}</div></div>'


def _alert(why: str) -> str:
    """What went wrong, where an answer would stand."""
    return f'<p class="ended" role="alert">{plain(why)}</p>'


def _session(request: gr.Request) -> str:
    return request.session_hash or ""
