"""Words for what boxes show: how many, and where. Answers and nano's mid layer say them, exercises ask for them."""

from __future__ import annotations

from conlora_agent.core.types import Box

NUMBERS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
MIDDLE = (0.38, 0.62)
"""What lies between these shares of the picture's width or height is in its middle."""
WHERE = {
    "left": "on the left", "right": "on the right", "top": "at the top", "bottom": "at the bottom",
    "middle": "in the middle", "top left": "at the top left", "top right": "at the top right",
    "bottom left": "at the bottom left", "bottom right": "at the bottom right",
}  # fmt: skip
"""Parts of the picture and how a sentence says them."""


def in_words(number: int) -> str:
    """A number as a word, as far as there is one."""
    return NUMBERS[number] if number < len(NUMBERS) else str(number)


def part_of_picture(x: float, y: float) -> str:
    """The part, a key of WHERE, that a place (0..1, 0..1) is in."""
    down = "top" if y < MIDDLE[0] else "bottom" if y > MIDDLE[1] else ""
    across = "left" if x < MIDDLE[0] else "right" if x > MIDDLE[1] else ""
    return f"{down} {across}".strip() or "middle"


def whereabouts(box: Box) -> str:
    """Where the middle of a box is, as a sentence says it."""
    return WHERE[part_of_picture((box[0] + box[2]) / 2, (box[1] + box[3]) / 2)]
