"""A tool of your own: dice. It finds the number of sides in the user's words and asks for it when it is missing."""

from __future__ import annotations

import random
import re
from typing import Any

from pydantic import Field

from conlora_agent import Agent
from conlora_agent.core.types import Example
from tools.base import MissingArgument, Tool, ToolContext, ToolModel, ToolResult
from tools.registry import default_tools

ASKED = (
    "roll a die with 6 sides", "throw a 20-sided die", "roll the dice", "roll a d12", "throw a die with 8 sides",
    "roll a 10-sided die please", "throw the dice for me", "roll a d6",
)  # fmt: skip


class Roll(ToolModel):
    """What to roll."""

    sides: int = Field(ge=2, le=1000)


class Rolled(ToolModel):
    """What came up."""

    number: int


class Dice(Tool[Roll]):
    """Rolls a die."""

    name = "dice"
    title = "Roll a die"
    description = "Rolls a die with any number of sides."
    args_model = Roll
    result_model = Rolled
    examples = tuple(Example(text=text, has_image=False) for text in ASKED)

    def arguments(self, request: str, context: ToolContext) -> dict[str, Any]:
        found = re.search(r"\d+", context.answers.get("sides", request))
        if found is None:
            raise MissingArgument("sides", "How many sides has the die?")
        return {"sides": int(found[0])}

    def run(self, args: Roll) -> ToolResult:
        number = random.randint(1, args.sides)
        return ToolResult({"number": number}, f"It is {number}.", source="dice")


def main(agent: Agent) -> None:
    agent.tools.add(Dice())
    first = agent.ask("roll the dice", task="dice")
    print(first.answer)
    print(agent.ask("20", thread=first.thread).answer)


if __name__ == "__main__":
    with Agent(tools=default_tools()) as agent:
        main(agent)
