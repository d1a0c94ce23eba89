"""What is asked about a held-out chart, in phrasings never trained on, and the right answers."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

TITLE = ("How is this graph titled?", "Please tell me the name of the chart.", "what does the headline say?")
VALUE = ("What is shown for {}?", "tell me the figure for {}", "Which value belongs to {}?", "{} please")
HIGHEST = ("Which of them has the most?", "where does it peak?", "Who is on top?")
LOWEST = ("Which of them has the fewest?", "where is the low point?", "Who comes last?")
TABLE = ("Write the chart down as a list.", "can I have all of its figures as text?", "Put the data into words for me.")
ANY = (*TITLE, *TABLE, "Which bar is the longest?", "What is the value for May?")
"""Asked of pictures that are no charts."""
CLOSE, APART = 0.02, 0.05
"""Shares of the axis: what is read off may be wrong by the one, and extremes are asked for that lead by the other."""


def chart_rows(
    rng: random.Random, title: str, labels: Sequence[str], values: Sequence[str], span: float, *, written: bool
) -> list[dict[str, Any]]:
    """Rows of labels.jsonl, the picture's name left out. `values` as the chart says them, without commas;
    `span`: of the axis."""
    tolerance = 0.0 if written else round(CLOSE * span, 9)
    amounts = [float("".join(char for char in value if char not in "$%kM")) for value in values]
    place = rng.randrange(len(labels))
    lines = "\n".join(f"{label}: {value}" for label, value in zip(labels, values, strict=True))
    rows: list[dict[str, Any]] = [
        {"question": rng.choice(TITLE), "answers": [title], "kind": "title"},
        {
            "question": rng.choice(VALUE).format(labels[place]),
            "answers": [values[place]],
            "tolerance": tolerance,
            "kind": "written" if written else "read_off",
        },
        {"question": rng.choice(TABLE), "answers": [f"{title}\n{lines}"], "tolerance": tolerance, "kind": "table"},
    ]
    first, second, *_ = sorted(amounts, reverse=True)
    last, other, *_ = sorted(amounts)
    for question, lead, pick in ((HIGHEST, first - second, first), (LOWEST, other - last, last)):
        if lead > APART * span:
            label = labels[amounts.index(pick)]
            answers = [label, f"{label} with {values[amounts.index(pick)]}"]
            rows.append(
                {"question": rng.choice(question), "answers": answers, "tolerance": tolerance, "kind": "extreme"}
            )
            break
    return rows
