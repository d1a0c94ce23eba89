"""Endpoints for stored conversations. A caller sees and changes its own only."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query, Response
from pydantic import BaseModel, Field

from apps.server.access import Caller
from apps.server.deps import AgentOf, CallerOf
from apps.server.problems import RESPONSES
from conlora_agent.core.errors import UnknownName
from conlora_agent.memory.parcels import Parcel
from conlora_agent.memory.threads import OWNER_MARK, ExportFormat, ThreadSummary
from conlora_agent.memory.transcript import Transcript

router = APIRouter(
    prefix="/v1/threads", tags=["threads"], responses={code: RESPONSES[code] for code in (400, 401, 404, 409, 429, 503)}
)
ThreadId = Annotated[str, Path(description="Id of the thread.", min_length=1, max_length=64)]


class ThreadList(BaseModel):
    """The caller's threads, the one used last first."""

    threads: list[ThreadSummary]


class Title(BaseModel):
    """What a thread is to be called."""

    title: str = Field(min_length=1, max_length=200)


class Imported(BaseModel):
    """A thread that was taken in. `thread`: its id."""

    thread: str


class Deleted(BaseModel):
    """A thread that is gone."""

    deleted: str


@router.get("")
def list_threads(
    agent: AgentOf,
    caller: CallerOf,
    query: Annotated[str, Query(description="Words that the thread has to hold.", max_length=200)] = "",
) -> ThreadList:
    """The threads, or those that hold some words."""
    found = agent.threads.search(query, owner=caller.owner) if query.strip() else agent.threads.list(caller.owner)
    return ThreadList(threads=[s.model_copy(update={"id": caller.shown(s.id)}) for s in found])


@router.post("")
def import_thread(
    body: Parcel,
    agent: AgentOf,
    caller: CallerOf,
    id: Annotated[str | None, Query(description="What to call it, if not by its own id.", max_length=64)] = None,
) -> Imported:
    """Take in a thread that was exported as JSON."""
    name = id if id is not None else body.id.rpartition(OWNER_MARK)[2]
    return Imported(thread=caller.shown(agent.threads.bring(body, caller.stored(name))))


@router.get("/{thread}")
def show_thread(thread: ThreadId, agent: AgentOf, caller: CallerOf) -> Transcript:
    """A whole thread."""
    return _shown(agent.threads.show(caller.stored(thread)), caller)


@router.patch("/{thread}")
def rename_thread(thread: ThreadId, body: Title, agent: AgentOf, caller: CallerOf) -> Transcript:
    """Give a thread another title."""
    agent.threads.rename(caller.stored(thread), body.title)
    return _shown(agent.threads.show(caller.stored(thread)), caller)


@router.delete("/{thread}")
def delete_thread(thread: ThreadId, agent: AgentOf, caller: CallerOf) -> Deleted:
    """Delete a thread for good, and the pictures that no other one uses."""
    agent.threads.delete(caller.stored(thread))
    return Deleted(deleted=thread)


@router.get("/{thread}/export", response_class=Response)
def export_thread(
    thread: ThreadId, agent: AgentOf, caller: CallerOf, format: Annotated[ExportFormat, Query()] = "json"
) -> Response:
    """A thread as a document: JSON with its pictures, which can be imported again, or Markdown."""
    if format == "markdown":
        text = agent.threads.export(caller.stored(thread), format)
        return Response(text, media_type="text/markdown; charset=utf-8")
    parcel = agent.threads.parcel(caller.stored(thread))
    return Response(
        parcel.model_copy(update={"id": caller.shown(parcel.id)}).model_dump_json(), media_type="application/json"
    )


@router.get(
    "/{thread}/pictures/{picture}",
    response_class=Response,
    responses={200: {"content": {"image/*": {"schema": {"type": "string", "format": "binary"}}}}},
)
def show_picture(
    thread: ThreadId,
    picture: Annotated[str, Path(pattern="^[0-9a-f]{64}$", description="Content hash, as in a step's `image`.")],
    agent: AgentOf,
    caller: CallerOf,
) -> Response:
    """A picture of a thread, as it was sent."""
    transcript = agent.threads.show(caller.stored(thread))
    known = {turn.image for turn in transcript.turns} | {step.image for turn in transcript.turns for step in turn.steps}
    if picture not in known:
        raise UnknownName(f"the thread has no picture {picture[:12]}", "see the turns of the thread")
    # No page may be made of it, whatever the bytes pretend to be.
    headers = {"X-Content-Type-Options": "nosniff", "Content-Security-Policy": "sandbox"}
    return Response(agent.pictures.read(picture), media_type="application/octet-stream", headers=headers)


def _shown(transcript: Transcript, caller: Caller) -> Transcript:
    return transcript.model_copy(update={"id": caller.shown(transcript.id)})
