"""A conversation about a picture: the route of every step, its boxes, and the answer."""

from __future__ import annotations

from pathlib import Path

from conlora_agent import Agent

PICTURE = Path(__file__).parents[1] / "apps" / "assets" / "books.webp"


def main(agent: Agent) -> None:
    thread = None
    for text in ("where is the blue book?", "what is written on it?", "thanks!"):
        turn = agent.ask(text, image=PICTURE if thread is None else None, thread=thread)
        thread = turn.thread
        for step in turn.steps:
            print(f"{text}  ->  {step.route} ({step.confidence:.0%})")
            for region in step.boxes:
                print("    box", [round(edge, 2) for edge in region.box], region.label)
        print("   ", turn.answer)


if __name__ == "__main__":
    with Agent() as agent:
        main(agent)
