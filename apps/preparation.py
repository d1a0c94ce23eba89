"""Makes an agent ready beside serving it, router fitted and model loaded, and says how far that is.

The web chat shows it (apps.web.tray), `/readyz` tells it (apps.server.health). Not covered here: what the assembly of a
model consists of.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Literal

from conlora_agent.core.errors import ConloraError

if TYPE_CHECKING:
    from conlora_agent.agent import Agent

log = logging.getLogger(__name__)

ROUTER, MODEL, LOADED = 0.1, 0.2, 0.95
"""How much is done when the router is being fitted, when the model is begun with, and when it is in memory."""


class Preparation:
    """How far it is with getting the agent ready; written by one thread, read by any."""

    def __init__(self) -> None:
        self.message = ""
        self.done = 1.0
        self.failure = ""
        """Why the agent could not be made ready."""
        self.ready = False

    def report(self, message: str, done: float) -> None:
        """Note how far it is; `done` is a fraction, 1 when nothing is under way."""
        self.message, self.done = message, done

    def assembling(self, message: str, done: float) -> None:
        """Note how far the model's assembly is, which is part of the whole."""
        self.report(message, MODEL + (LOADED - MODEL) * done)

    @property
    def running(self) -> bool:
        """Whether the agent is being made ready now."""
        return self.done < 1.0

    @property
    def status(self) -> Literal["loading", "ready", "failed"]:
        """Whether turns can be served."""
        if self.failure:
            return "failed"
        return "ready" if self.ready else "loading"

    @property
    def title(self) -> str:
        """The state in words."""
        return f"Getting the model ready: {self.message} ({self.done:.0%})"

    def prepare(self, agent: Agent) -> None:
        """Make the agent ready. What fails is noted as `failure`."""
        try:
            self.report("reading how people ask", ROUTER)
            agent.route("hello")
            self.report("loading the model", MODEL)
            agent.models.backbone()
            agent.threads.list()
            self.ready = True
        except ConloraError as error:
            self.failure = str(error)
        except Exception as error:
            log.error("the agent cannot be made ready", exc_info=error)
            self.failure = f"internal error ({type(error).__name__}); please report it"
        finally:
            self.report("ready" if self.ready else "failed", 1.0)
