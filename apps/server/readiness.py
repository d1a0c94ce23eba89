"""Makes the agent ready in the background, and says how far that is."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING

from pydantic import BaseModel

from conlora_agent.core.errors import ConloraError

if TYPE_CHECKING:
    from conlora_agent.agent import Agent

log = logging.getLogger(__name__)


class State(BaseModel):
    """Whether turns can be served. `status`: loading, ready or failed; `detail`: what goes on, or what is wrong."""

    status: str
    detail: str = ""
    done: float = 0.0


class Readiness:
    """Fits the router and loads the model, once."""

    def __init__(self) -> None:
        self.state = State(status="loading")

    def progress(self, message: str, done: float) -> None:
        """Take note of a step of the model's assembly."""
        if self.state.status == "loading":
            self.state = State(status="loading", detail=message, done=done)

    def prepare(self, agent: Agent) -> threading.Thread:
        """Begin; the thread that does it."""
        worker = threading.Thread(target=self._prepare, args=(agent,), name="prepare", daemon=True)
        worker.start()
        return worker

    def _prepare(self, agent: Agent) -> None:
        try:
            agent.route("hello")
            agent.models.backbone()
            agent.threads.list()
        except ConloraError as error:
            self.state = State(status="failed", detail=str(error))
        except Exception as error:
            log.error("the agent cannot be made ready", exc_info=error)
            self.state = State(status="failed", detail=f"internal error ({type(error).__name__})")
        else:
            self.state = State(status="ready", done=1.0)
