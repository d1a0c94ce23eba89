"""What all commands share: the terminal they write to, the agent they open, and how errors become one line.

Tests hand their own agent in through `main(argv, open_agent=...)`, which reaches the commands as `Terminal.open_agent`.
Not covered here: what steps look like (apps.render).
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Protocol, TextIO

import typer

from apps.render import printable
from conlora_agent.core.errors import BadInput, DataError, StorageError, TextError, reason
from conlora_agent.core.files import replace_file
from conlora_agent.settings import Settings

if TYPE_CHECKING:
    from conlora_agent.agent import Agent

Progress = Callable[[str, float], None]


class OpenAgent(Protocol):
    """Makes the agent of a command; the model itself is loaded when it is first needed."""

    def __call__(self, settings: Settings, on_progress: Progress) -> Agent:
        """`on_progress(message, fraction done)` is told about first-use assembly."""


def open_agent(settings: Settings, on_progress: Progress) -> Agent:
    """The real agent."""
    from conlora_agent.agent import Agent

    return Agent(settings, on_progress=on_progress)


@dataclass
class Terminal:
    """Answers go to `out`; progress, notes and errors to `err`. Everything else that prints is sent to `err`."""

    out: TextIO = field(default_factory=lambda: sys.stdout)
    err: TextIO = field(default_factory=lambda: sys.stderr)
    open_agent: OpenAgent = open_agent

    def say(self, *lines: str) -> None:
        """Write lines of an answer."""
        for line in lines:
            print(line, file=self.out, flush=True)

    def dim(self, line: str) -> None:
        """Write a line about the answer, pale where the terminal can."""
        self.say(f"\x1b[2m{line}\x1b[0m" if self.out.isatty() else line)

    def write(self, text: str) -> None:
        """Write a piece of a line, at once."""
        print(text, end="", file=self.out, flush=True)

    def note(self, line: str) -> None:
        """Write one line that is not part of the answer."""
        print(one_line(line), file=self.err, flush=True)

    def emit(self, value: Any, as_json: bool, lines: Iterable[str]) -> None:
        """The end of a command: one line of JSON, or lines for a person."""
        if as_json:
            self.say(to_json(value))
        else:
            self.say(*lines)

    @contextmanager
    def agent(self, settings: Settings) -> Iterator[Agent]:
        """An agent while the command needs it, whatever it or its libraries print kept out of the answer."""
        with redirect_stdout(self.err), self.open_agent(settings, self.progress) as agent:
            yield agent

    def progress(self, message: str, done: float) -> None:
        """Show how far the model's assembly is: one line that renews itself, on no terminal one a step."""
        text = f"{message} ({done:.0%})"
        if self.err.isatty():
            end = "\n" if done >= 1 else ""
            print(f"\r\x1b[2K{text}", end=end, file=self.err, flush=True)
        else:
            self.note(text)


JsonOption = Annotated[bool, typer.Option("--json", help="Print one line of JSON.")]
BackboneOption = Annotated[str | None, typer.Option("--backbone", metavar="NAME", help="Model to use.")]
ImageOption = Annotated[Path | None, typer.Option("--image", metavar="PATH", help="Picture to talk about.")]
ThreadOption = Annotated[str | None, typer.Option("--thread", metavar="ID", help="Conversation to go on with.")]
KeyOption = Annotated[
    list[str] | None,
    typer.Option("--api-key", metavar="KEY", help="Key that lets callers in; repeat it for several."),
]
TaskOption = Annotated[str | None, typer.Option("--task", metavar="NAME", help="Route to take, instead of the router.")]


def terminal_of(ctx: typer.Context) -> Terminal:
    """The terminal that `main` made."""
    return ctx.ensure_object(Terminal)


def load_settings(backbone: str | None = None, **options: Any) -> Settings:
    """Settings with the options of a command. Raises BadInput, before anything heavy loads."""
    settings = Settings.load(backbone=backbone, **options)
    from conlora_agent.backbone import check_backbone, check_precision

    check_backbone(settings.backbone)
    check_precision(settings.precision, settings.backbone)
    return settings


def check_request(settings: Settings, text: str, image: Path | None, *, reply: bool = False) -> None:
    """Refuse what no turn can serve, before the agent loads anything. `reply`: a picture alone may answer a question.

    Raises TextError or PictureError.
    """
    from conlora_agent.ingest import clean_text

    cleaned = clean_text(text, max_chars=settings.max_text_chars)
    if not cleaned and not (reply and image is not None):
        raise TextError("the message is empty", "say what to do" + (" with the picture" if image is not None else ""))
    if image is not None:
        read_picture(settings, image)


def read_picture(settings: Settings, path: Path) -> bytes:
    """The bytes of a picture file that can be decoded. Raises PictureError."""
    from conlora_agent.memory.decoding import decode_picture, read_picture_file

    data = read_picture_file(path)
    decode_picture(data, max_pixels=settings.max_picture_pixels)
    return data


def read_file(path: Path) -> bytes:
    """All bytes of a file. Raises DataError."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"cannot read {path} ({reason(error)})", "give the path of a readable file") from error


def write_file(path: Path, data: bytes) -> None:
    """Write a whole file or nothing. Raises StorageError."""
    if path.is_dir():
        raise BadInput(f"{path} is a folder", "name a file to write")
    if not path.absolute().parent.is_dir():
        raise StorageError(f"cannot write {path} (its folder does not exist)", "choose another place")
    try:
        replace_file(path, data)
    except OSError as error:
        raise StorageError(f"cannot write {path} ({reason(error)})", "choose another place") from error


def one_line(text: str) -> str:
    """The text on one line, without control characters."""
    return printable(" ".join(text.split()))


def to_json(value: Any) -> str:
    """One line of JSON, ASCII only, so that no character of an answer ends the line; NaN becomes null."""
    return json.dumps(_plain(value), allow_nan=False, default=str)


def _plain(value: Any) -> Any:
    if hasattr(value, "model_dump"):
        value = value.model_dump(mode="json")
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
