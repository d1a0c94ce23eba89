"""ConLoRA Agent: talk about pictures; the agent chooses the LoRA stack, the tool and the region by itself.

    from conlora_agent import Agent

    with Agent() as agent:
        print(agent.ask("where is the blue book?", image="table.png").answer)

Names are imported when they are first used (PEP 562): importing this package loads no model and no heavy library.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from conlora_agent.agent import Agent
    from conlora_agent.core.errors import BadInput, ConloraError, Failure
    from conlora_agent.settings import Settings

# Libraries that report on their use when they are imported; whoever wants them to sets these variables otherwise.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")

_HOMES = {
    "Agent": "conlora_agent.agent",
    "BadInput": "conlora_agent.core.errors",
    "ConloraError": "conlora_agent.core.errors",
    "Failure": "conlora_agent.core.errors",
    "Settings": "conlora_agent.settings",
}

__all__ = ["Agent", "BadInput", "ConloraError", "Failure", "Settings"]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return importlib.metadata.version("conlora-agent")
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES, "__version__"])
