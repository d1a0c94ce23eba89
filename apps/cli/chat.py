"""`conlora chat`: a conversation in the terminal."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from apps.cli.common import (
    BackboneOption,
    ImageOption,
    TaskOption,
    Terminal,
    ThreadOption,
    load_settings,
    read_picture,
    terminal_of,
)
from apps.render import printable, step_lines
from conlora_agent.core.errors import BadInput, ConloraError, UnknownName
from conlora_agent.core.events import Finished, StepFinished, Token

if TYPE_CHECKING:
    from conlora_agent.agent import Agent
    from conlora_agent.core.types import TurnResult
    from conlora_agent.taught import Phrase

AUTO = "auto"
HELP = """\
/image PATH        talk about this picture from now on
/task NAME|auto    take this route for every message, or let the router choose
/teach             keep the words of your last choice as an example of what you chose
/new               start a new conversation
/help              show this
/quit              leave (so does Ctrl-D)"""


def chat(
    ctx: typer.Context,
    image: ImageOption = None,
    thread: ThreadOption = None,
    task: TaskOption = None,
    backbone: BackboneOption = None,
) -> None:
    """Talk in the terminal. Type /help there for its commands."""
    terminal = terminal_of(ctx)
    settings = load_settings(backbone)
    if thread is not None:
        from conlora_agent.memory.threads import check_thread_id

        check_thread_id(thread)
    picture = None if image is None else read_picture(settings, image)
    with terminal.agent(settings) as agent:
        conversation = Conversation(agent, terminal, thread=thread, image=picture)
        if task is not None:
            conversation.choose(task)
        terminal.note("Type a message, /image PATH for a picture, /help for help, /quit to leave.")
        for line in lines(terminal):
            if not conversation.take(line):
                break


def lines(terminal: Terminal) -> Iterator[str]:
    """What the user types, until the end of input. Ctrl-C while typing leaves, too."""
    if sys.stdin.isatty():
        with contextlib.suppress(ImportError):
            import readline  # noqa: F401 (gives input() its line editing)
    while True:
        try:
            # input() writes its prompt to sys.stdout, which is not where answers go.
            terminal.write("you › " if sys.stdin.isatty() else "")
            yield input()
        except (EOFError, KeyboardInterrupt):
            terminal.write("\n" if sys.stdin.isatty() else "")
            return


@dataclass
class Conversation:
    """One thread, the picture waiting for the next message, and the route chosen by hand."""

    agent: Agent
    terminal: Terminal
    thread: str | None = None
    task: str | None = None
    image: bytes | None = None
    lesson: Phrase | None = None

    def take(self, line: str) -> bool:
        """Do what a line says; False to leave. Errors are one line and the conversation goes on."""
        line = line.strip()
        if not line:
            return True
        if line == "/quit":
            return False
        try:
            self.command(line) if line.startswith("/") else self.ask(line)
        except ConloraError as error:
            self.terminal.note(str(error))
        except KeyboardInterrupt:
            self.terminal.note("stopped")
        return True

    def command(self, line: str) -> None:
        """Carry out a line that starts with a slash. Raises BadInput."""
        name, _, rest = line.partition(" ")
        commands: dict[str, Callable[[str], None]] = {
            "/image": self.show,
            "/task": self.choose,
            "/teach": self.teach,
            "/new": self.renew,
            "/help": lambda _: self.terminal.say(HELP),
        }
        if name not in commands:
            raise UnknownName.among("command", name, [*commands, "/quit"])
        commands[name](rest.strip())

    def show(self, path: str) -> None:
        """Take the picture at `path` along with the next message."""
        if not path:
            raise BadInput("no picture was named", "write: /image PATH")
        file = Path(path.strip("'\"")).expanduser()
        self.image = read_picture(self.agent.settings, file)
        self.terminal.note(f"picture {file.name} goes with your next message")

    def choose(self, name: str) -> None:
        """Take the route `name` from now on, or let the router choose."""
        if name in ("", AUTO):
            self.task = None
            self.terminal.note("the router chooses")
            return
        known = [route.name for route in self.agent.routes()]
        if name not in known:
            raise UnknownName.among("route", name, [AUTO, *known])
        self.task = name
        self.terminal.note(f"every message goes to {name}, until /task auto")

    def teach(self, _: str = "") -> None:
        """Keep what was chosen last as a routing example. Raises BadInput when nothing was."""
        if self.lesson is None:
            raise BadInput("there is no choice to learn from", "use: conlora tasks teach TASK PHRASE")
        phrase, self.lesson = self.lesson, None
        self.agent.teach(phrase.route, phrase.text, has_image=phrase.has_image)
        self.terminal.note(f"{phrase.text!r} goes to {phrase.route} from now on")

    def renew(self, _: str = "") -> None:
        """Forget the thread and the waiting picture."""
        self.thread = self.image = None
        self.terminal.note("new conversation")

    def ask(self, text: str) -> None:
        """One turn, shown as it comes."""
        streamed = ""
        events = self.agent.stream(text, image=self.image, thread=self.thread, task=self.task)
        with contextlib.closing(events):
            for event in events:
                if isinstance(event, Token):
                    streamed += event.text
                    self.terminal.write(printable(event.text))
                elif isinstance(event, StepFinished):
                    self.terminal.write("\n" if streamed and not streamed.endswith("\n") else "")
                    for line in step_lines(event.step):
                        self.terminal.dim(line)
                elif isinstance(event, Finished):
                    self.thread, self.image = event.result.thread, None
                    if event.result.answer.strip() != streamed.strip():
                        self.terminal.say(printable(event.result.answer))
                    self.offer(event.result)

    def offer(self, result: TurnResult) -> None:
        """Say what could be learned from a turn that carried out a choice, once."""
        found = self.agent.lesson(result.thread, result.steps)
        if found is not None and found != self.lesson:
            self.terminal.note(f"type /teach to have {found.text!r} go to {found.route} from now on")
        self.lesson = found
