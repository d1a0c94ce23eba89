"""Exercises for writing arguments: an invented function, a request that fills some of its parameters, the JSON meant.

A parameter is a slot of some kind (a place, a sender, a number of something, a choice, ...) with names, descriptions
and ways of being said that belong together; a function is a verb, a thing and a handful of slots. Values are made up,
so that they have to be copied, not remembered. Nothing here stands in the held-out functions of evals/data.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from adapters.calls import answer, instruction
from adapters.exercise import Exercise, Studio

Make = Callable[[random.Random], str]


@dataclass(frozen=True)
class Slot:
    """What one parameter may be. `said`: how its value stands in a request; `fill` makes one as it is said."""

    names: str
    descriptions: tuple[str, ...]
    said: tuple[str, ...]
    fill: Make
    kind: str = "string"


@dataclass(frozen=True)
class Filled:
    """A parameter of one function: its schema, its words in the request, and its value; None where it is left out."""

    name: str
    schema: dict[str, Any]
    words: str
    value: Any

    @property
    def topical(self) -> bool:
        """Whether the request can be about it, as its object: words that are given as they stand."""
        return self.schema.get("type") == "string" and not {"enum", "format"} & set(self.schema)


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


# -- values -----------------------------------------------------------------------------------------------------------

_HEADS = _words("b br c cr d dr f fl g gr h j k kl l m n p pl qu r s sh sk st t tr v w z")
_HEARTS = _words("a e i o u ai ea oo ou ia")
_TAILS = _words("l n r s t nd rk lm ck x m sh nt v")
_THINGS = _words(
    "lamp chair kettle bicycle jacket camera notebook guitar tent blanket mirror printer cable sofa drill basket "
    "ladder garden invoice report contract letter recipe song photo map chapter poem ticket parcel meeting lesson "
    "engine carpet"
)
_TRAITS = _words("red old wooden green tall silent heavy golden small bright cheap round broken striped warm new")
_SAYINGS = (
    "I will be late", "the door is open", "please call me back", "dinner is ready", "see you tomorrow at noon",
    "we need more paper", "the train was cancelled", "thank you for everything", "bring the keys with you",
    "happy birthday", "the meeting moved to the small room", "do not forget the milk", "all tests are green now",
)  # fmt: skip


def _syllables(rng: random.Random) -> str:
    parts = [rng.choice(_HEADS) + rng.choice(_HEARTS) for _ in range(rng.choice((1, 2, 2, 3)))]
    return "".join(parts) + rng.choice(_TAILS)


def _name(rng: random.Random) -> str:
    return " ".join(_syllables(rng).capitalize() for _ in range(rng.choice((1, 1, 2))))


def _thing(rng: random.Random) -> str:
    made = rng.choice(_THINGS) if rng.random() < 0.7 else _syllables(rng)
    return f"{rng.choice(_TRAITS)} {made}" if rng.random() < 0.5 else made


def _title(rng: random.Random) -> str:
    words = [rng.choice((_syllables, _thing))(rng) for _ in range(rng.choice((1, 2, 2, 3)))]
    return " ".join(words).title()


def _code(rng: random.Random) -> str:
    letters = "".join(rng.choice("ABCDEFGHKLMNPRSTVX") for _ in range(rng.choice((1, 2, 3))))
    few, many = rng.randint(10, 99), rng.randint(100, 99999)
    forms = (f"{letters}-{many}", f"{letters}{many}", f"#{many}", f"{letters} {few} {letters[::-1]}", f"{few}-{many}")
    return rng.choice((*forms, f"+{few} {rng.randint(100, 9999)} {many}"))


def _saying(rng: random.Random) -> str:
    return rng.choice(_SAYINGS) if rng.random() < 0.6 else f"the {_thing(rng)} is in the {_thing(rng)}"


def _whole(rng: random.Random) -> str:
    return str(rng.choice((rng.randint(2, 12), rng.randint(2, 60), rng.randint(10, 5000))))


def _decimal(rng: random.Random) -> str:
    return rng.choice((_whole(rng), f"{rng.randint(0, 300)}.{rng.randint(1, 99)}"))


def _day(rng: random.Random) -> str:
    day = date(2024, 1, 1) + timedelta(days=rng.randrange(1500))
    return day.isoformat() if rng.random() < 0.5 else f"{day.day} {day:%B} {day.year}"


def _address(rng: random.Random) -> str:
    return f"{_syllables(rng)}@{_syllables(rng)}.{rng.choice(('com', 'org', 'net'))}"


# -- slots ------------------------------------------------------------------------------------------------------------

SLOTS = (
    Slot("city town place location area", ("the place", "name of the city", "where to look", "which town", ""),
         ("in {}", "in {}", "near {}", "around {}", "at {}", "over in {}"), _name),
    Slot("origin start departure from_station", ("where it starts", "place of departure", "starting point", ""),
         ("from {}", "leaving {}", "starting in {}", "departing from {}"), _name),
    Slot("destination target arrival to_station", ("where it ends", "the destination", "where to go", ""),
         ("to {}", "going to {}", "towards {}", "bound for {}"), _name),
    Slot("author writer artist creator maker", ("who made it", "name of the author", "the person it is by", ""),
         ("by {}", "by {}", "made by {}", "written by {}", "from the hand of {}"), _name),
    Slot("recipient receiver contact addressee", ("who gets it", "the person to send it to", "receiver", ""),
         ("to {}", "to {}", "for {}", "addressed to {}"), _name),
    Slot("owner customer client member user", ("whose it is", "name of the customer", "the person it belongs to", ""),
         ("of {}", "belonging to {}", "owned by {}", "under the name {}"), _name),
    Slot("title name label heading", ("what it is called", "the title", "name of the thing", ""),
         ('called {}', 'named {}', 'titled {}', 'with the title "{}"', 'under the title {}'), _title),
    Slot("query search keyword term", ("what to look for", "words to search", "search terms", ""),
         ("about {}", "for {}", "matching {}", "that mention {}", "on the subject of {}"), _thing),
    Slot("item product article goods", ("the thing wanted", "which product", "name of the article", ""),
         ("{}", "a {}", "the {}", "some {}", "one of those {}"), _thing),
    Slot("message text body content note", ("what to say", "the words of the message", "text to write", ""),
         ("saying {}", 'that says "{}"', ": {}", 'with the text "{}"', "telling them {}"), _saying),
    Slot("order_id reference ticket code serial", ("the number on it", "reference code", "id of the order", ""),
         ("{}", "number {}", "with the id {}", "reference {}", "no. {}"), _code),
    Slot("email mail_address", ("an e-mail address", "where mail goes", ""),
         ("at {}", "mail {}", "via {}", "reachable under {}"), _address),
    Slot("people guests seats persons", ("how many people", "number of guests", "size of the party", ""),
         ("for {} people", "for {} persons", "for {}", "with {} guests", "a party of {}"), _whole, "integer"),
    Slot("limit max_results count top", ("at most so many", "how many to list", "number of results", ""),
         ("at most {}", "the first {}", "only {}", "{} of them", "no more than {}"), _whole, "integer"),
    Slot("quantity amount pieces copies", ("how many are wanted", "number of pieces", "how much", ""),
         ("{} pieces", "{} times", "{} of those", "{} copies", "a quantity of {}"), _whole, "integer"),
    Slot("minutes duration length hours", ("how long", "length in minutes", "duration", ""),
         ("for {} minutes", "lasting {} minutes", "{} minutes long", "for {} hours"), _whole, "integer"),
    Slot("max_price budget price cost", ("highest price", "what it may cost", "money to spend", ""),
         ("under {}", "for less than {} euros", "up to {} dollars", "costing {}", "within a budget of {}"),
         _decimal, "number"),
    Slot("weight distance radius height", ("how far", "in kilometres", "weight in kilos", "size", ""),
         ("within {} km", "of {} kilos", "{} metres", "weighing {} kg"), _decimal, "number"),
    Slot("date day when start_date", ("which day", "the date", "day it starts", ""),
         ("on {}", "for {}", "starting {}", "dated {}"), _day, "date"),
)  # fmt: skip

CHOICES = {
    "size": "small medium large huge", "colour": "red green blue black white", "priority": "low normal high urgent",
    "language": "English German French Spanish Japanese", "status": "open closed pending done",
    "unit": "metric imperial",
    "order": "newest oldest cheapest", "format": "pdf html text", "level": "beginner advanced expert",
    "season": "spring summer autumn winter", "category": "books music films games", "seat": "window aisle middle",
    "meal": "breakfast lunch dinner", "class": "economy business first", "material": "wood metal glass leather",
}  # fmt: skip
CHOSEN = ("{}", "{} ones", "in {}", "{} please", "the {} kind", "and make it {}")
FLAGS = {
    "urgent": ("urgent", "and it is urgent", "urgently", "not urgent"),
    "express": ("express", "by express", "as an express", "no express"),
    "gift_wrap": ("gift wrapped", "with gift wrap", "as a gift with wrap", "without gift wrap"),
    "vegetarian": ("vegetarian", "all vegetarian", "only vegetarian", "not vegetarian"),
    "private": ("private", "and keep it private", "in private", "not private"),
    "refundable": ("refundable", "that are refundable", "fully refundable", "not refundable"),
}
LISTS = ("tags labels keywords", "ingredients parts components", "members attendees names", "items products things")

VERBS = (
    ("find", "Finds"), ("list", "Lists"), ("show", "Shows"), ("count", "Counts"), ("search", "Searches"),
    ("book", "Books"), ("order", "Orders"), ("create", "Creates"), ("send", "Sends"), ("get", "Gets"), ("add", "Adds"),
    ("check", "Checks"), ("look_up", "Looks up"), ("cancel", "Cancels"), ("plan", "Plans"), ("rent", "Rents"),
)  # fmt: skip
NOUNS = _words(
    "rooms tables trips flights cars reviews events shops tasks orders posts prices tickets lessons walks films "
    "offers plants jobs houses files reports stock deliveries loans"
)
TOPICAL = 0.4
"""How often a request is about one of its values ("look up Bam") instead of the function's things."""
OPENERS = (
    "{} {}", "please {} {}", "can you {} {}", "could you {} the {}", "I want to {} {}", "I'd like to {} some {}",
    "{} me {}", "{} {} for me", "hey, {} {}", "{} the {}", "would you {} {}", "help me {} {}",
)  # fmt: skip


QUESTIONS = (
    "which {} are there", "how many {} are there", "are there any {}", "what {} have you got",
    "is there anything on {}", "what do you know of the {}", "any {}", "tell me about the {}",
    "I am looking for {}", "I need {}", "what about {}", "do we still have {}", "when are the {}", "the {} please", "{}"
)  # fmt: skip


def exercise(rng: random.Random, studio: Studio | None = None) -> Exercise:
    """A request for a call of an invented function, without a picture."""
    verb, says = rng.choice(VERBS)
    noun = rng.choice(NOUNS)
    parts = _parts(rng, rng.choice((1, 1, 2, 2, 3, 3, 4, 5)))
    schema = {"type": "object", "properties": {part.name: part.schema for part in parts}}
    given = [part for part in parts if part.value is not None]
    known, moved = _known(rng, given)
    rng.shuffle(given)
    topics = (part for part in given if part.topical and part.name not in moved)
    topic = next(topics, None) if rng.random() < TOPICAL else None
    given = [part for part in given if part is not topic]
    spoken = [moved.get(part.name, part.words) for part in given]
    request = _request(rng, verb.replace("_", " "), noun if topic is None else str(topic.value), spoken)
    asked = request + rng.choice(("", "", "?", ".", " please", "!"))
    described = rng.choice((f"{says} {noun}.", f"{says} {noun} and says what there is.", f"{verb} {noun}"))
    about = instruction(f"{verb}_{noun}", described, schema, asked, known)
    return Exercise(None, about, answer(schema, {part.name: part.value for part in parts}))


def _request(rng: random.Random, verb: str, noun: str, spoken: list[str]) -> str:
    """An order or a question, mostly before what is said of the parameters, sometimes between or after."""
    opener = rng.choice(OPENERS).format(verb, noun) if rng.random() < 0.6 else rng.choice(QUESTIONS).format(noun)
    before = rng.choice((0, 0, 0, 0, 1, len(spoken)))
    if before == 0 and rng.random() < 0.5:
        opener = opener[0].upper() + opener[1:]
    between = rng.choice((" ", " ", " ", ", "))
    return between.join([*spoken[:before], opener, *spoken[before:]])


def _parts(rng: random.Random, count: int) -> list[Filled]:
    """Parameters whose ways of being said differ, each left out of the request now and then."""
    made: list[Filled] = []
    used: set[str] = set()
    while len(made) < count:
        kind = rng.random()
        part = _choice(rng) if kind < 0.2 else _flag(rng) if kind < 0.26 else _list(rng) if kind < 0.32 else _slot(rng)
        opening = part.words.partition("{}")[0] if part.value is None else part.words.split()[0]
        if part.name not in {other.name for other in made} and opening not in used:
            used.add(opening)
            made.append(part)
    return made


def _left_out(rng: random.Random, part: Filled) -> Filled:
    return Filled(part.name, part.schema, part.words, None) if rng.random() < 0.3 else part


def _slot(rng: random.Random) -> Filled:
    slot = rng.choice(SLOTS)
    words = slot.fill(rng)
    value: Any = words
    schema: dict[str, Any] = {"type": "string"}
    if slot.kind == "date":
        schema["format"] = "date"
        value = words if "-" in words else _parsed_day(words)
    elif slot.kind != "string":
        schema["type"] = slot.kind
        number = float(words)
        value = int(number) if number.is_integer() else number
    if description := rng.choice(slot.descriptions):
        schema["description"] = description
    name = rng.choice(slot.names.split())
    return _left_out(rng, Filled(name, schema, rng.choice(slot.said).format(words), value))


def _parsed_day(words: str) -> str:
    day, month, year = words.split()
    names = [f"{date(2024, number, 1):%B}" for number in range(1, 13)]
    return date(int(year), names.index(month) + 1, int(day)).isoformat()


def _choice(rng: random.Random) -> Filled:
    name, words = rng.choice(list(CHOICES.items()))
    choices = words.split()
    chosen = rng.choice(choices)
    schema: dict[str, Any] = {"type": "string", "enum": rng.sample(choices, len(choices))}
    if rng.random() < 0.5:
        schema["description"] = rng.choice((f"the {name}", f"which {name}", f"{name} wanted"))
    return _left_out(rng, Filled(name, schema, rng.choice(CHOSEN).format(chosen), chosen))


def _flag(rng: random.Random) -> Filled:
    name, said = rng.choice(list(FLAGS.items()))
    words = rng.choice(said)
    schema = {"type": "boolean", "description": f"whether it is {name.replace('_', ' ')}"}
    return _left_out(rng, Filled(name, schema, words, words != said[-1]))


def _list(rng: random.Random) -> Filled:
    name = rng.choice(rng.choice(LISTS).split())
    values = [rng.choice((_syllables, _thing))(rng) for _ in range(rng.choice((1, 2, 3)))]
    words = values[0] if len(values) == 1 else f"{', '.join(values[:-1])} and {values[-1]}"
    schema = {"type": "array", "items": {"type": "string"}, "description": f"the {name}"}
    return _left_out(rng, Filled(name, schema, rng.choice((f"with {name} {words}", f"{name}: {words}")), values))


def _known(rng: random.Random, given: list[Filled]) -> tuple[list[str], dict[str, str]]:
    """Sometimes a value is not in the request but in a text read before, and the request says "that" in its place."""
    texts = [part for part in given if part.schema.get("type") == "string" and "enum" not in part.schema]
    if rng.random() > 0.15 or not texts:
        return ([f"{_title(rng)} {_code(rng)}"] if rng.random() < 0.05 else []), {}
    part = rng.choice(texts)
    value = str(part.value)
    around = rng.choice(("{}", "{}", "Welcome to {}", f"{_title(rng)} {{}}", f"{{}} {_syllables(rng)}"))
    return [around.format(value)], {part.name: part.words.replace(value, "that")}
