"""What happens in a turn, as it happens. Leaving the loop early would stop the turn and keep nothing of it."""

from __future__ import annotations

from pathlib import Path

from conlora_agent import Agent

PICTURE = Path(__file__).parents[1] / "apps" / "assets" / "books.webp"


def main(agent: Agent) -> None:
    for event in agent.stream("describe this image", image=PICTURE):
        if event.event == "planned":
            print("plan:", [step.route for step in event.plan.steps])
        elif event.event == "token":
            print(event.text, end="", flush=True)
        elif event.event == "step_finished":
            print(f"\n{event.step.route}: {event.step.status}")
        elif event.event == "finished":
            print("thread:", event.result.thread)


if __name__ == "__main__":
    with Agent() as agent:
        main(agent)
