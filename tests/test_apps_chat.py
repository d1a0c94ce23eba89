"""The terminal chat: what a person types, and what comes back."""

from __future__ import annotations

import builtins
import io
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from apps.cli.chat import Conversation
from apps.cli.common import Terminal
from apps.demo import PICTURE
from conlora_agent.settings import Settings
from conlora_agent.testing import FakeBackbone
from tests.command import Ended, conlora, scripted_agent


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Ended]:
    """Runs `conlora chat` on lines typed by a user."""

    def run(*lines: str, options: tuple[str, ...] = ()) -> Ended:
        waiting = iter(lines)

        def read() -> str:
            try:
                return next(waiting)
            except StopIteration:
                raise EOFError from None

        monkeypatch.setattr(builtins, "input", read)
        return conlora("chat", *options)

    return run


@pytest.fixture
def talk() -> Iterator[Conversation]:
    terminal = Terminal(io.StringIO(), io.StringIO())
    with scripted_agent(Settings.load(), terminal.progress) as agent:
        yield Conversation(agent, terminal)


def test_a_conversation_about_a_picture(typed: Callable[..., Ended]) -> None:
    ended = typed(f"/image {PICTURE}", "where is the blue book?", "what is written on it?", "/quit", "never read")
    assert ended.code == 0
    assert "I found the blue book" in ended.out
    assert "grounding · no adapter · 95%" in ended.out
    assert "QUIET OCEAN" in ended.out
    assert "never" not in ended.out + ended.err


def test_words_are_shown_once_although_they_are_streamed_and_answered(typed: Callable[..., Ended]) -> None:
    assert typed("thanks!").out.count("You are welcome.") == 1


def test_errors_are_one_line_and_the_conversation_goes_on(typed: Callable[..., Ended]) -> None:
    ended = typed("/image /no/such.png", "/image", "/task orc", "/nope", "\x07", "", "thanks!")
    assert ended.code == 0
    assert "You are welcome." in ended.out
    lines = ended.err.splitlines()[1:]
    assert [line.split(";")[0] for line in lines] == [
        "there is no file /no/such.png",
        "no picture was named",
        "no route named 'orc'",
        "no command named '/nope'",
        "the message holds only control characters",
    ]


def test_a_chosen_task_is_taken_until_auto(typed: Callable[..., Ended]) -> None:
    ended = typed("/task caption", "hello", "/task auto", "hello", options=("--image", str(PICTURE)))
    labels = [line.split(" · ")[0] for line in ended.out.splitlines() if " · " in line]
    assert labels == ["caption", "chat"]


def test_new_begins_another_thread_and_forgets_the_picture(talk: Conversation) -> None:
    talk.take(f"/image {PICTURE}")
    talk.take("thanks!")
    first = talk.thread
    assert first is not None
    assert talk.image is None
    talk.take("again")
    assert talk.thread == first
    talk.take("/new")
    talk.take("hello")
    assert talk.thread not in (None, first)


def test_help_names_every_command(talk: Conversation) -> None:
    talk.take("/help")
    shown = talk.terminal.out.getvalue()  # type: ignore[attr-defined]
    assert all(command in shown for command in ("/image", "/task", "/new", "/quit", "/help"))


def test_ctrl_c_stops_the_answer_and_keeps_the_conversation() -> None:
    def interrupted(_: object) -> str:
        raise KeyboardInterrupt

    terminal = Terminal(io.StringIO(), io.StringIO())
    with scripted_agent(Settings.load(), terminal.progress, FakeBackbone(interrupted)) as agent:
        conversation = Conversation(agent, terminal)
        assert conversation.take("hello") is True
        assert agent.threads.list() == []
    assert "stopped" in terminal.err.getvalue()  # type: ignore[attr-defined]


def test_a_quoted_path_is_understood(talk: Conversation, tmp_path: Path) -> None:
    copy = tmp_path / "my picture.png"
    copy.write_bytes(PICTURE.read_bytes())
    talk.take(f"/image '{copy}'")
    assert talk.image == copy.read_bytes()


def test_a_choice_can_be_taught(typed: Callable[..., Ended]) -> None:
    ended = typed(f"/image {PICTURE}", "hm, this", "1", "/teach", "/teach")
    assert "type /teach to have 'hm, this' go to ocr from now on" in ended.err
    assert "'hm, this' goes to ocr from now on" in ended.err
    assert "there is no choice to learn from; use: conlora tasks teach" in ended.err
