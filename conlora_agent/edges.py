"""Which node comes next: pure functions of the state.

Not covered here: the nodes.
"""

from __future__ import annotations

from typing import Literal

from conlora_agent.core.types import Kind
from conlora_agent.state import TurnState

StepNode = Literal["perceive", "act", "chat", "clarify"]

_NODES: dict[Kind, StepNode] = {"task": "perceive", "tool": "act", "chat": "chat", "clarify": "clarify"}


def next_step(state: TurnState) -> StepNode | Literal["respond"]:
    """The node of the plan's next step; `respond` once the plan is done or the step budget spent.

    A question that a step has to ask is always asked, whatever the budget.
    """
    done, plan = len(state["steps"]), state["plan"].steps
    if done == len(plan):
        return "respond"
    if done >= state["budget"] and state["asked"] is None:
        return "respond"
    return _NODES[plan[done].kind]
