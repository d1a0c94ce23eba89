"""The error tree. Every error a user can meet says what is wrong and what to do about it.

    ConloraError
    ├── BadInput                  exit code 2: the request itself cannot be served; checked before anything heavy loads
    │   ├── PictureError          not a picture, truncated, too large to decode, ...
    │   ├── TextError             empty, too long, only control characters
    │   ├── SettingsError         unknown or malformed setting
    │   ├── ManifestError         a task folder that breaks its contract
    │   ├── DataError             an evaluation or training file that breaks its format
    │   └── UnknownName           no such task, tool, thread, route or backbone (with "did you mean")
    └── Failure                   exit code 1: the request was fine, serving it was not possible
        ├── BackboneError         the model cannot be assembled, loaded or run
        │   └── WeightsError      LoRA weights missing, unsafe, or made for another backbone
        ├── ToolError             a tool answered with an error that another try will not mend
        │   └── ToolUnavailable   offline, timed out, rate-limited: another try later may work
        ├── ThreadBusy            another turn holds the thread's lease
        └── StorageError          the database or picture store cannot be read or written

Not covered here: developer mistakes, which stay ordinary Python exceptions.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import ClassVar

INTERRUPTED = 130
"""Exit code of a command that the user stopped with Ctrl-C, as shells have it."""


class ConloraError(Exception):
    """Base of every error shown to a user: one line naming the problem, one clause naming the remedy."""

    exit_code: ClassVar[int] = 1

    def __init__(self, problem: str, remedy: str = "") -> None:
        self.problem = problem
        self.remedy = remedy
        super().__init__(f"{problem}; {remedy}" if remedy else problem)


class BadInput(ConloraError):
    """The request cannot be served as it is."""

    exit_code: ClassVar[int] = 2


class PictureError(BadInput):
    """The bytes given as a picture cannot be used."""


class TextError(BadInput):
    """The text given cannot be used."""


class SettingsError(BadInput):
    """A setting is unknown or malformed."""


class ManifestError(BadInput):
    """A task folder breaks its contract."""


class DataError(BadInput):
    """An evaluation or training file breaks its format."""


class UnknownName(BadInput):
    """A name that nothing is registered under."""

    @classmethod
    def among(cls, kind: str, name: str, known: Iterable[str]) -> UnknownName:
        """Build the error for `name`, suggesting the nearest of `known`."""
        options = sorted(known)
        near = difflib.get_close_matches(name, options, n=1)
        remedy = f"did you mean {near[0]!r}?" if near else f"choose one of: {', '.join(options) or '(none yet)'}"
        return cls(f"no {kind} named {name!r}", remedy)


class Failure(ConloraError):
    """The request was fine; serving it was not possible."""


class BackboneError(Failure):
    """The backbone cannot be assembled, loaded or run."""


class WeightsError(BackboneError):
    """LoRA weights are missing, unsafe, or were trained on another backbone."""


class ToolError(Failure):
    """A tool answered with an error that another try will not mend."""


class ToolUnavailable(ToolError):
    """A tool cannot be reached now; another try later may work."""


class ThreadBusy(Failure):
    """Another turn holds the lease of this thread."""


class StorageError(Failure):
    """The database or the picture store cannot be read or written."""


def reason(error: Exception) -> str:
    """Why a file could not be read or written: what the system says, else the library that tried."""
    return getattr(error, "strerror", None) or first_line(error)


def first_line(error: object) -> str:
    """What a library's error says, as one line of at most 200 characters; its type's name where it says nothing."""
    return next(iter(str(error).strip().splitlines()), "")[:200] or type(error).__name__
