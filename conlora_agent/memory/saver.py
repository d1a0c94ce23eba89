"""TurnSaver: LangGraph's checkpointer that commits a turn and its transcript line in one transaction.

A turn is over when the graph's `commit` node has put a `record` into the state. LangGraph also offers a checkpoint
when a node raised or the caller stopped listening; such a checkpoint has no record, and nothing of it is written. One
checkpoint is kept per thread: the newest. It holds plain JSON only, and only the channels that outlive a turn.

Needs a graph run with `durability="exit"` and `configurable` {thread_id, lease}. Not covered: subgraphs, interrupts,
going back in time, the asynchronous interface.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import (
    BaseCheckpointSaver,
    ChannelVersions,
    Checkpoint,
    CheckpointMetadata,
    CheckpointTuple,
    empty_checkpoint,
)

from conlora_agent.core.types import TurnRecord
from conlora_agent.memory.database import Connection, Database
from conlora_agent.memory.leases import check_lease
from conlora_agent.memory.pictures import refer
from conlora_agent.memory.transcript import append_turn

RECORD = "record"
KEPT = ("window", "summary", "focus", "pending", "chosen")


class TurnSaver(BaseCheckpointSaver[int]):
    """Stores the state of a thread between two turns."""

    def __init__(self, database: Database) -> None:
        super().__init__()
        self._database = database

    def state(self, thread: str) -> dict[str, Any]:
        """The kept channels of a thread, empty when it has no turn yet."""
        saved = self.get_tuple({"configurable": {"thread_id": thread}})
        return saved.checkpoint["channel_values"] if saved else {}

    def get_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        """The newest checkpoint of the thread named in `config`."""
        thread = config["configurable"]["thread_id"]
        with self._database.read() as connection:
            row = connection.execute(
                "SELECT checkpoint, metadata FROM checkpoints WHERE thread = ?", (thread,)
            ).fetchone()
        if row is None:
            return None
        checkpoint: Checkpoint = json.loads(row[0])
        return CheckpointTuple(_config(thread, checkpoint["id"]), checkpoint, json.loads(row[1]), None, [])

    def list(
        self,
        config: RunnableConfig | None,
        *,
        filter: dict[str, Any] | None = None,
        before: RunnableConfig | None = None,
        limit: int | None = None,
    ) -> Iterator[CheckpointTuple]:
        """The one checkpoint there is, or none. Filters are not supported."""
        if config is not None and (saved := self.get_tuple(config)) is not None:
            yield saved

    def put(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        """Commit a finished turn; ignore an unfinished one. Raises ThreadBusy when the lease was lost."""
        thread, lease = config["configurable"]["thread_id"], config["configurable"]["lease"]
        values = checkpoint["channel_values"]
        if (raw := values.get(RECORD)) is None:
            return _config(thread, checkpoint["id"])
        record = TurnRecord.model_validate(raw)
        kept = {**checkpoint, "channel_values": {name: values[name] for name in KEPT if name in values}}
        pictures = {step.image for step in record.steps} | {record.image}
        with self._database.write(durable=True) as connection:
            check_lease(connection, thread, lease)
            append_turn(connection, thread, record)
            refer(connection, thread, filter(None, pictures))
            _store(connection, thread, kept, metadata)
        return _config(thread, checkpoint["id"])

    def put_writes(
        self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = ""
    ) -> None:
        """Nothing: the writes of an unfinished turn are not kept."""

    def delete_thread(self, thread_id: str) -> None:
        """Forget a thread's checkpoint; its transcript stays."""
        with self._database.write() as connection:
            connection.execute("DELETE FROM checkpoints WHERE thread = ?", (thread_id,))


def begin_with(connection: Connection, thread: str, values: dict[str, Any]) -> None:
    """Give a thread that has no state yet these kept channels, inside the transaction that makes it."""
    checkpoint = {**empty_checkpoint(), "channel_values": values, "channel_versions": dict.fromkeys(values, 1)}
    _store(connection, thread, checkpoint, {"source": "fork", "step": 0, "parents": {}})


def _store(connection: Connection, thread: str, checkpoint: Mapping[str, Any], metadata: Mapping[str, Any]) -> None:
    connection.execute(
        "INSERT INTO checkpoints VALUES (?, ?, ?, ?) ON CONFLICT (thread) DO UPDATE"
        " SET id = excluded.id, checkpoint = excluded.checkpoint, metadata = excluded.metadata",
        (thread, checkpoint["id"], _dump(checkpoint), _dump(metadata)),
    )


def _config(thread: str, checkpoint_id: str) -> RunnableConfig:
    return {"configurable": {"thread_id": thread, "checkpoint_ns": "", "checkpoint_id": checkpoint_id}}


def _dump(value: Any) -> str:
    """Strict JSON: anything but plain types is a mistake of ours and raises TypeError or ValueError."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
