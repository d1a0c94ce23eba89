"""Phrases that the user taught: routing examples of their own, kept in one file beside the threads.

A phrase belongs to one route; teaching it again moves it. The file is looked at on every call, so what another process
teaches takes effect at once. Not covered here: how the router learns from examples (router).
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError

from conlora_agent.core.errors import StorageError, UnknownName
from conlora_agent.core.files import numbered_lines, replace_file
from conlora_agent.core.referents import Focus
from conlora_agent.core.types import CLARIFY, Example, Model, Route, Step

FILE = "taught.jsonl"
WEIGHT = 8
"""How many examples a phrase counts for: it was put right by hand, so it should stay right."""


class Phrase(Model):
    """One line of the file."""

    route: str
    text: str = Field(min_length=1)
    has_image: bool = True

    @property
    def key(self) -> str:
        """The same for texts that differ only in case and white space."""
        return same_words(self.text)


class TaughtPhrases:
    """Reads and changes the file in the folder `home`. Safe to call from several threads; writes are atomic."""

    def __init__(self, home: Path) -> None:
        self._path = home / FILE
        self._lock = threading.Lock()
        self._read: tuple[tuple[int, int] | None, tuple[Phrase, ...]] = (None, ())

    def all(self) -> tuple[Phrase, ...]:
        """What was taught, oldest first. Raises StorageError for a file that cannot be read."""
        try:
            stat = self._path.stat()
            stamp = (stat.st_mtime_ns, stat.st_size)
            if self._read[0] != stamp:
                lines = numbered_lines(self._path.read_text(encoding="utf-8"))
                self._read = (stamp, tuple(Phrase.model_validate_json(line) for _, line in lines))
            return self._read[1]
        except FileNotFoundError:
            return ()
        except (OSError, ValidationError, ValueError) as error:
            raise StorageError(f"cannot read {self._path} ({type(error).__name__})", "correct or remove it") from error

    def teach(self, phrase: Phrase, routes: Mapping[str, Route]) -> None:
        """Keep a phrase for one of `routes`. Raises UnknownName, StorageError."""
        if phrase.route not in routes or phrase.route == CLARIFY:
            raise UnknownName.among("route", phrase.route, [name for name in routes if name != CLARIFY])
        with self._lock:
            self._write((*self._without(phrase.text), phrase))

    def forget(self, route: str, text: str) -> None:
        """Drop a phrase of a route. Raises UnknownName for one that was not taught, StorageError."""
        with self._lock:
            if (route, same_words(text)) not in {(phrase.route, phrase.key) for phrase in self.all()}:
                taught = [phrase.text for phrase in self.all() if phrase.route == route]
                raise UnknownName.among(f"phrase taught for {route}:", text, taught)
            self._write(self._without(text))

    def added_to(self, routes: Iterable[Route]) -> Iterator[Route]:
        """The routes with what was taught for each among its examples."""
        phrases = self.all()
        for route in routes:
            taught = [Example(text=p.text, has_image=p.has_image) for p in phrases if p.route == route.name]
            yield route.model_copy(update={"examples": (*route.examples, *taught * WEIGHT)}) if taught else route

    def lesson(self, state: Mapping[str, Any], steps: Sequence[Step]) -> Phrase | None:
        """What could be taught after a turn with these steps, which left its thread in `state`, if it carried out a
        choice: the unclear words, for the route chosen. None when there was no choice, or it was taught already.
        """
        said, route = next(reversed(state.get("chosen", {}).items()), ("", ""))
        if not steps or steps[0].route != route or same_words(steps[0].request) != said:
            return None
        if (route, said) in {(phrase.route, phrase.key) for phrase in self.all()}:
            return None
        has_image = Focus.model_validate(state["focus"]).picture is not None
        return Phrase(route=route, text=steps[0].request, has_image=has_image)

    def _without(self, text: str) -> tuple[Phrase, ...]:
        return tuple(phrase for phrase in self.all() if phrase.key != same_words(text))

    def _write(self, phrases: tuple[Phrase, ...]) -> None:
        try:
            replace_file(self._path, "".join(f"{phrase.model_dump_json()}\n" for phrase in phrases).encode())
        except OSError as error:
            raise StorageError(f"cannot write {self._path} ({error.strerror})", "set CONLORA_HOME") from error


def same_words(text: str) -> str:
    """The text without what does not matter to who says it: case and white space."""
    return " ".join(text.casefold().split())
