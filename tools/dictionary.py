"""What English words mean: definitions, synonyms, opposites, pronunciation, from Wiktionary by way of two services.

The Free Dictionary API (https://dictionaryapi.dev) is asked first, Wiktionary's own REST API where it fails; both are
keyless. "and the opposite?" completes the last question; "that word" is one read from a picture. Not covered here:
which words of a request are meant (`words.py`), other languages.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import quote

from pydantic import Field

from conlora_agent.core.errors import ToolError
from tools.base import MissingArgument, Tool, ToolContext, ToolModel, ToolResult
from tools.fallback import first_fresh, problems
from tools.http import HttpClient
from tools.responses import NotFound
from tools.words import Ask, asked, is_reference, word_of

QUESTION = "Which word?"
MAX_AGE = timedelta(days=1)
MAX_SENSES = 4
MAX_WORDS = 4
"""Words that an entry's name may have."""


class DictionaryArgs(ToolModel):
    """`word`: a word or short phrase. `ask`: what to tell of it."""

    word: str = Field(min_length=1, max_length=80)
    ask: Ask = "meaning"


class Sense(ToolModel):
    """One meaning."""

    part_of_speech: str
    definition: str
    example: str | None = None


class DictionaryValue(ToolModel):
    """An entry as the dictionary gave it."""

    word: str
    pronunciation: str | None
    senses: tuple[Sense, ...]
    synonyms: tuple[str, ...]
    antonyms: tuple[str, ...]
    origin: str | None
    at: str


@dataclass(frozen=True)
class Entry:
    """A value with where it was found and, when it is old, how old."""

    value: DictionaryValue
    source: str
    caution: str = ""


class Dictionary(Tool[DictionaryArgs]):
    """Entries of an English dictionary."""

    name = "dictionary"
    looks = "ocr"
    title = "Dictionary"
    description = "Look up a word in the dictionary: definition, meaning, synonyms, antonyms, pronunciation, origin."
    args_model = DictionaryArgs
    result_model = DictionaryValue

    def __init__(self, client: HttpClient, *, dictionary_url: str, fallback_url: str) -> None:
        self._client = client
        self._dictionary_url = dictionary_url.rstrip("/")
        self._fallback_url = fallback_url.rstrip("/")

    def arguments(self, request: str, context: ToolContext) -> dict[str, Any]:
        """The word meant and what is asked of it. Raises MissingArgument when no one word is."""
        last, ask = context.last(self.name), asked(request)
        word = context.answers.get("word") or word_of(request)
        if is_reference(word):
            word = _antecedent(context)
        if not word:
            raise MissingArgument("word", QUESTION)
        if ask is None and last is not None and "ask" in last.arguments:
            ask = last.arguments["ask"]
        return {"word": word[:80]} | ({"ask": ask} if ask not in (None, "meaning") else {})

    def run(self, args: DictionaryArgs) -> ToolResult:
        """Look it up. Raises ToolError for words no dictionary has, ToolUnavailable."""
        try:
            entry = first_fresh([lambda: self._free_dictionary(args.word), lambda: self._wiktionary(args.word)])
        except NotFound as error:
            raise ToolError(f"the dictionary has no entry for {args.word!r}", "check the spelling") from error
        text = _text(entry.value, args.ask)
        return ToolResult(entry.value.model_dump(mode="json"), text + entry.caution, entry.source)

    def check(self) -> list[str]:
        """Asks for one word."""
        return problems(lambda: self._free_dictionary("word", max_age=None))

    def _free_dictionary(self, word: str, *, max_age: timedelta | None = MAX_AGE) -> Entry:
        response = self._client.get(f"{self._dictionary_url}/api/v2/entries/en/{quote(word)}", max_age=max_age)

        def read() -> Entry:
            entry, *_ = rows = response.json()
            meanings = [meaning for row in rows for meaning in row["meanings"]]
            senses = [_sense(meaning, d) for meaning in meanings for d in meaning["definitions"][:2]]
            value = DictionaryValue(
                word=str(entry["word"]),
                pronunciation=next((p for row in rows if (p := _phonetic(row))), None),
                senses=tuple(senses),
                synonyms=_related(meanings, "synonyms"),
                antonyms=_related(meanings, "antonyms"),
                origin=str(entry["origin"]) if entry.get("origin") else None,
                at=response.time,
            )
            sources = entry.get("sourceUrls") or []
            return Entry(value, str(sources[0]) if sources else _entry_url(word), response.caution)

        return _readable(read, "dictionary_url")

    def _wiktionary(self, word: str) -> Entry:
        address = f"{self._fallback_url}/api/rest_v1/page/definition/{quote(word.replace(' ', '_'))}"
        response = self._client.get(address, max_age=MAX_AGE)

        def read() -> Entry:
            senses = [
                Sense(part_of_speech=str(part["partOfSpeech"]).lower(), definition=text)
                for part in response.json()["en"]
                for definition in part["definitions"][:2]
                if (text := _without_tags(str(definition["definition"])))
            ]
            value = DictionaryValue(
                word=word,
                pronunciation=None,
                senses=tuple(senses),
                synonyms=(),
                antonyms=(),
                origin=None,
                at=response.time,
            )
            return Entry(value, _entry_url(word), response.caution)

        return _readable(read, "dictionary_fallback_url")


def _readable(read: Callable[[], Entry], setting: str) -> Entry:
    try:
        return read()
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ToolError("the dictionary answered with something unreadable", f"check the setting {setting}") from error


def _sense(meaning: dict[str, Any], definition: dict[str, Any]) -> Sense:
    example = definition.get("example")
    return Sense(
        part_of_speech=str(meaning["partOfSpeech"]),
        definition=str(definition["definition"]),
        example=str(example) if example else None,
    )


def _phonetic(row: dict[str, Any]) -> str | None:
    spoken = [row.get("phonetic"), *(phonetic.get("text") for phonetic in row.get("phonetics", []))]
    return next((str(text) for text in spoken if text), None)


def _related(meanings: list[dict[str, Any]], kind: str) -> tuple[str, ...]:
    """Synonyms or antonyms, of the meanings and of their definitions, each once."""
    groups = [part.get(kind, []) for meaning in meanings for part in (meaning, *meaning["definitions"])]
    return tuple(dict.fromkeys(str(word) for group in groups for word in group))


def _without_tags(html: str) -> str:
    from lxml import html as parser

    return " ".join(str(parser.fromstring(f"<p>{html}</p>").text_content()).split())


def _entry_url(word: str) -> str:
    return f"https://en.wiktionary.org/wiki/{quote(word.replace(' ', '_'))}"


def _antecedent(context: ToolContext) -> str:
    """The word that "it" stands for: one read from a picture, or the one looked up last."""
    for antecedent in context.antecedents:
        if isinstance(antecedent, str):
            words = re.sub(r"[^\w'’ -]", " ", antecedent).split()
            return " ".join(words).lower() if 0 < len(words) <= MAX_WORDS else ""
        if antecedent.route == "dictionary":
            return str(antecedent.arguments.get("word", ""))
    return ""


# -- wording ----------------------------------------------------------------------------------------------------------


def _text(value: DictionaryValue, ask: Ask) -> str:
    listed = {"synonyms": value.synonyms, "antonyms": value.antonyms}
    if ask in ("synonyms", "antonyms"):
        words = listed[ask][:10]
        return f"{ask.capitalize()} of “{value.word}”: {', '.join(words)}." if words else _none(value, ask)
    if ask == "pronunciation":
        return f"“{value.word}” is pronounced {value.pronunciation}." if value.pronunciation else _none(value, ask)
    if ask == "origin":
        return f"Origin of “{value.word}”: {value.origin}" if value.origin else _none(value, ask)
    if ask == "example":
        examples = [sense.example for sense in value.senses if sense.example]
        return f"“{value.word}”: {examples[0]}" if examples else _none(value, ask)
    if ask == "part of speech":
        parts = dict.fromkeys(sense.part_of_speech for sense in value.senses)
        return f"“{value.word}” is used as: {', '.join(parts)}."
    return _meaning(value)


def _meaning(value: DictionaryValue) -> str:
    spoken = f" {value.pronunciation}" if value.pronunciation else ""
    senses = value.senses[:MAX_SENSES]
    if len(senses) == 1:
        return f"{value.word}{spoken} ({senses[0].part_of_speech}): {senses[0].definition}"
    lines = [f"{number}. ({s.part_of_speech}) {s.definition}" for number, s in enumerate(senses, start=1)]
    return "\n".join([f"{value.word}{spoken}:", *lines])


def _none(value: DictionaryValue, ask: Ask) -> str:
    return f"The dictionary gives no {ask} for “{value.word}”. {_meaning(value)}"
