"""A thread as one JSON document: its transcript, the state it goes on from, and its pictures.

A document that comes in is a stranger's: `read_parcel` and `unpacked` check all of it before anything is written. Not
covered here: taking it in under a lease (threads).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, ValidationError, model_validator

from conlora_agent.core.errors import DataError
from conlora_agent.core.referents import FOCUS_VERSION, Focus
from conlora_agent.core.types import Model, Pending, TurnRecord
from conlora_agent.memory.database import Connection
from conlora_agent.memory.pictures import PictureStore, refer
from conlora_agent.memory.schema import said_of
from conlora_agent.memory.transcript import Transcript, title_of

MAX_BYTES = 500_000_000

_REMEDY = "give a file that `conlora threads export --format json` wrote"


def _utc(time: str) -> str:
    """A time as the program writes them, so that times sort."""
    moment = datetime.fromisoformat(time)
    if moment.tzinfo is None:
        raise ValueError("the time names no zone")
    try:
        return moment.astimezone(UTC).isoformat(timespec="microseconds")
    except OverflowError as error:
        raise ValueError("the time is beyond all years") from error


def _waiting(pending: Pending) -> Pending:
    if not pending.steps:
        raise ValueError("an open question has a step that waits")
    return pending


Time = Annotated[str, AfterValidator(_utc)]


class SentTurn(TurnRecord):
    """A turn of a thread that was sent out."""

    at: Time


class WindowEntry(Model):
    """A turn of the window; without words once they are in the summary."""

    user: str | None = None
    assistant: str | None = None
    routes: tuple[str, ...]

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if (self.user is None) != (self.assistant is None):
            raise ValueError("a turn has a request and an answer, or neither")
        return self


class State(Model):
    """What a thread keeps between turns."""

    window: tuple[WindowEntry, ...] = ()
    summary: str = ""
    focus: Focus = Focus()
    pending: Annotated[Pending, AfterValidator(_waiting)] | None = None
    chosen: dict[str, str] = Field(default_factory=dict)

    def channels(self) -> dict[str, Any]:
        """The graph's channels."""
        kept = self.model_dump(mode="json")
        return kept | {"window": [entry.model_dump(mode="json", exclude_none=True) for entry in self.window]}


class Parcel(Transcript):
    """A whole thread. `pictures`: the original bytes in base64, by content hash."""

    format: Literal[1] = 1
    created_at: Time
    updated_at: Time
    turns: tuple[SentTurn, ...] = Field(min_length=1)
    state: State
    pictures: dict[str, str]


def pack(connection: Connection, transcript: Transcript, pictures: PictureStore) -> Parcel:
    """A thread on its way out. Raises UnknownName or StorageError for a picture whose file is gone."""
    row = connection.execute("SELECT checkpoint FROM checkpoints WHERE thread = ?", (transcript.id,)).fetchone()
    state = json.loads(row[0])["channel_values"] if row else {}
    if state.get("focus", {}).get("version") != FOCUS_VERSION:
        state.pop("focus", None)  # dropped by whoever reads it, too
    rows = connection.execute("SELECT hash FROM picture_refs WHERE thread = ? ORDER BY hash", (transcript.id,))
    packed = {key: base64.b64encode(pictures.read(key)).decode() for (key,) in rows.fetchall()}
    return Parcel.model_validate({**transcript.model_dump(), "state": state, "pictures": packed})


def read_parcel(document: bytes | str) -> Parcel:
    """The thread in a document. Raises DataError."""
    if len(document) > MAX_BYTES:
        raise DataError(f"the conversation is larger than {MAX_BYTES // 10**6} MB", "import it on the command line")
    try:
        return Parcel.model_validate_json(document)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        said = f"{place}: {first['msg']}" if place else first["msg"]
        raise DataError(f"this is no exported conversation ({said[:200]})", _REMEDY) from error


def unpacked(parcel: Parcel) -> list[bytes]:
    """The pictures that the thread refers to. Raises DataError for one that is missing or is not what its name says."""
    return [_picture(parcel, key) for key in sorted(set(_referred(parcel)))]


def write_parcel(connection: Connection, parcel: Parcel, thread: str) -> None:
    """Store the thread under the id `thread`, which is free; its pictures are there already."""
    from conlora_agent.memory.saver import begin_with

    title = title_of(parcel.title) or "Picture"
    times = (parcel.created_at, parcel.updated_at)
    connection.execute("INSERT INTO threads VALUES (?, ?, ?, ?)", (thread, title, *times))
    rows = [
        (thread, position, turn.model_dump_json(), said_of(turn.text, turn.answer))
        for position, turn in enumerate(parcel.turns)
    ]
    connection.executemany("INSERT INTO turns VALUES (?, ?, ?, ?)", rows)
    refer(connection, thread, set(_referred(parcel)))
    begin_with(connection, thread, parcel.state.channels())


def _referred(parcel: Parcel) -> Iterator[str]:
    """Hashes of the pictures that turns, steps and the focus name."""
    named = [turn.image for turn in parcel.turns]
    named += [step.image for turn in parcel.turns for step in turn.steps]
    named += [getattr(referent, "image", None) for referent in parcel.state.focus.referents]
    return (key for key in named if key is not None)


def _picture(parcel: Parcel, key: str) -> bytes:
    try:
        data = base64.b64decode(parcel.pictures[key], validate=True)
    except KeyError as error:
        raise DataError(f"the picture {key[:12]!r} is not in the file", _REMEDY) from error
    except (binascii.Error, ValueError) as error:
        raise DataError(f"the picture {key[:12]!r} is damaged", "export the conversation again") from error
    if hashlib.sha256(data).hexdigest() != key:
        raise DataError(f"the picture {key[:12]!r} is another one", "export the conversation again")
    return data
