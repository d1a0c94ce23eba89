"""Puts the frozen dialogues and plans of evals/data together. Run once; figures stay comparable as long as nobody does.

    python -m evals.make_dialogues --out FOLDER

Phrasings are those of dialogue_phrasings.py, none of which is a routing example. Not covered here: asking the router
(dialogues.py).
"""

from __future__ import annotations

import argparse
import json
import random
import re
from pathlib import Path
from typing import Any

from evals.dialogue_phrasings import FOLLOWUPS, PLANS, SINGLES, SLOTS, WHOLE, WRITTEN

SEED = 20251124
DIALOGUES = 320
PLAN_FILLS = 6
WHOLE_FILLS = 4
PICTURE_ROUTES = frozenset(("ocr", "grounding", "caption", "vqa", "barcode", "image_info"))

Turn = dict[str, Any]


def fill(rng: random.Random, template: str) -> str:
    """The template with every slot filled, no value twice."""
    taken: set[str] = set()

    def value(match: re.Match[str]) -> str:
        chosen = rng.choice([v for v in SLOTS[match.group(1)] if v not in taken])
        taken.add(chosen)
        return chosen

    return re.sub(r"\{(\w+)\}", value, template)


def dialogue(rng: random.Random, opening: str) -> list[Turn]:
    """A request, what follows from it, then a request of another kind with what follows from that."""
    other = rng.choice([route for route in SINGLES if route not in (opening, "clarify")])
    turns = [*_topic(rng, opening), *_topic(rng, other)]
    if rng.random() < 0.25:
        turns.append(_turn(fill(rng, rng.choice(SINGLES["chat"])), "chat"))
    return turns


def _topic(rng: random.Random, route: str) -> list[Turn]:
    turns = [_turn(fill(rng, rng.choice(SINGLES[route])), route)]
    for _ in range(rng.choice((0, 1, 1, 2))):
        said = {turn["text"] for turn in turns}
        options = [f for f in FOLLOWUPS.get(turns[-1]["steps"][0], ()) if f[0] not in said]
        if options:
            text, follows = rng.choice(options)
            turns.append(_turn(fill(rng, text), follows, follow_up=True))
    return turns


def _turn(text: str, route: str, follow_up: bool = False) -> Turn:
    return {"text": text, "steps": [route], "follow_up": follow_up}


def with_picture(turns: list[Turn]) -> dict[str, Any]:
    """A dialogue as a row; a picture is there from the start where one is needed at all."""
    return {"has_image": any(set(t["steps"]) & PICTURE_ROUTES for t in turns), "turns": turns}


def main() -> None:
    """Write dialogues.jsonl and plans.jsonl."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--out", type=Path, required=True, help="folder to write dialogues.jsonl and plans.jsonl into")
    out: Path = parser.parse_args().out
    rng, openings = random.Random(SEED), list(SINGLES)
    rows = [with_picture(dialogue(rng, openings[number % len(openings)])) for number in range(DIALOGUES)]
    rows += [with_picture([_turn(t, r, follow_up=n > 0) for n, (t, r) in enumerate(turns)]) for turns in WRITTEN]
    plans = [(fill(rng, text), list(steps)) for text, steps in PLANS for _ in range(PLAN_FILLS)]
    plans += [(fill(rng, text), [step]) for text, step in WHOLE for _ in range(WHOLE_FILLS)]
    messages = {text: {"text": text, "has_image": bool(set(s) & PICTURE_ROUTES), "steps": s} for text, s in plans}
    for name, content in (("dialogues", rows), ("plans", list(messages.values()))):
        lines = [json.dumps(row, ensure_ascii=False) for row in content]
        (out / f"{name}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
