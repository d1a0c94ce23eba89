"""How people ask and tell: templates per kind of question, those trained on and others held out for evaluation.

Placeholders: {x} a singular name with its article stripped, {xs} the plural, {ax} with "a", {y} a second name, {p} a
referring phrase with "the", {c} a colour word.
"""

from __future__ import annotations

from typing import Literal

Split = Literal["train", "heldout"]

VQA: dict[str, dict[Split, tuple[str, ...]]] = {
    "colour": {
        "train": (
            "What color is the {x}?", "What colour is the {x}?", "what is the color of the {x}?",
            "Which color is the {x}?",
            "which colour does the {x} have?", "what color's the {x}", "Tell me the color of the {x}.",
            "The {x} is what color?", "what colour is that {x}?", "In what color is the {x}?", "color of the {x}?",
            "Can you tell me what color the {x} is?",
        ),
        "heldout": ("What is the colour of the {x} in this picture?", "Do you know which color the {x} is?"),
    },
    "is_colour": {
        "train": (
            "Is the {x} {c}?", "is the {x} {c} in color?", "Is that {x} {c}?", "Does the {x} look {c}?",
            "the {x} is {c}, right?", "Am I right that the {x} is {c}?", "Is {c} the color of the {x}?",
            "Can you confirm that the {x} is {c}?", "is this a {c} {x} or not?", "The {x}: is it {c}?",
        ),
        "heldout": ("Would you say the {x} is {c}?", "Is it a {c} {x}?"),
    },
    "count": {
        "train": (
            "How many {xs} are there?", "how many {xs}?", "How many {xs} do you see?", "Count the {xs}.", "count {xs}",
            "How many {xs} are in the picture?", "how many {xs} can you see?", "What is the number of {xs}?",
            "Number of {xs}?", "Can you count the {xs}?", "How many {xs} does the image show?",
            "tell me how many {xs} there are",
        ),
        "heldout": ("How many {xs} can be seen in this photo?", "Could you tell me the number of {xs} here?"),
    },
    "count_all": {
        "train": (
            "How many objects are there?", "How many things do you see?", "Count the objects.",
            "how many items are in the picture?",
            "What is the number of objects?", "How many objects are in the image?", "how many objects in total?",
            "How many different things does the picture show?", "Count everything.", "count all the things you see",
            "What is the total number of things here?", "How many items can you find?",
        ),
        "heldout": ("How many objects can be seen here?",),
    },
    "presence": {
        "train": (
            "Is there {ax}?", "Is there {ax} in the picture?", "Do you see {ax}?", "Can you see {ax}?",
            "is there {ax} here?",
            "Does the picture show {ax}?", "Are there any {xs}?", "Does the image contain {ax}?", "any {xs}?",
            "is {ax} in the image", "Can {ax} be seen?", "Are there {xs} in the picture?",
        ),
        "heldout": ("Is {ax} visible in this photo?", "Does this picture have {ax} in it?"),
    },
    "where": {
        "train": (
            "Where in the picture is the {x}?", "In which part of the image is the {x}?",
            "What is the position of the {x}?",
            "On which side is the {x}?", "which part of the picture is the {x} in?",
            "Which corner or side is the {x} on?",
            "whereabouts is the {x}?", "In what part of the picture can I find the {x}?",
        ),
        "heldout": ("In which area of the photo is the {x}?", "What part of the image shows the {x}?"),
    },
    "side": {
        "train": (
            "Is the {x} on the left or the right of the {y}?", "is the {x} left or right of the {y}?",
            "On which side of the {y} is the {x}, left or right?", "Is the {x} to the left or to the right of the {y}?",
            "Relative to the {y}, where is the {x}: left or right?", "Left or right of the {y}: where is the {x}?",
            "Look at the {y}. Is the {x} on its left or on its right?", "which side of the {y} is the {x} on?",
            "With respect to the {y}, is the {x} left or right of it?", "Left of the {y} or right of it: the {x}?",
            "Taking the {y} as a reference, does the {x} lie to the left or to the right?",
            "If you start at the {y}, do you go left or right to reach the {x}?",
        ),
        "heldout": ("Seen from the {y}, is the {x} left or right?",),
    },
    "height": {
        "train": (
            "Is the {x} above or below the {y}?", "is the {x} above or below the {y}",
            "Does the {x} appear above or below the {y}?", "Where is the {x}, above or below the {y}?",
            "Relative to the {y}, where is the {x}: above or below?", "Above or below the {y}: where is the {x}?",
            "Look at the {y}. Is the {x} above it or below it?",
            "With respect to the {y}, is the {x} above or below it?", "Above the {y} or below it: the {x}?",
            "Taking the {y} as a reference, does the {x} lie above or below?",
            "If you start at the {y}, is the {x} above or below that?",
        ),
        "heldout": ("Compared with the {y}, is the {x} above or below?",),
    },
    "is_related": {
        "train": (
            "Is the {x} {relation} the {y}?", "is the {x} {relation} the {y}",
            "Does the {x} appear {relation} the {y}?",
            "Can you see the {x} {relation} the {y}?", "the {x} is {relation} the {y}, isn't it?",
            "Am I right that the {x} is {relation} the {y}?", "Do you find the {x} {relation} the {y}?",
            "Would the {x} be {relation} the {y}?", "Look closely: is the {x} {relation} the {y}?",
            "Is it so that the {x} is {relation} the {y}?", "I think the {x} is {relation} the {y}. Right?",
        ),
        "heldout": ("Is it true that the {x} is {relation} the {y}?",),
    },
    "beside": {
        "train": (
            "What is {relation} the {y}?", "what's {relation} the {y}?", "Which object is {relation} the {y}?",
            "What do you see {relation} the {y}?", "What thing is {relation} the {y}?",
        ),
        "heldout": ("What can be seen {relation} the {y}?",),
    },
    "larger": {
        "train": (
            "Which is larger, the {x} or the {y}?", "Which is bigger, the {x} or the {y}?",
            "what is bigger: the {x} or the {y}?",
            "Is the {x} or the {y} larger?", "Which one is bigger, the {x} or the {y}?",
            "Between the {x} and the {y}, which is bigger?", "Compare the {x} with the {y}: which is larger?",
            "{x} or {y}: which one is larger?", "Does the {x} or the {y} cover more of the picture?",
            "Which of the two is the big one, the {x} or the {y}?", "What has the greater size, the {x} or the {y}?",
            "The {x} and the {y}: which of them covers more space?", "{x} vs {y}, which is the larger one?",
        ),
        "heldout": ("Of the {x} and the {y}, which takes up more space?",),
    },
    "smaller": {
        "train": (
            "Which is smaller, the {x} or the {y}?", "what is smaller: the {x} or the {y}?",
            "Is the {x} or the {y} smaller?",
            "Which one is smaller, the {x} or the {y}?",
            "Between the {x} and the {y}, which is smaller?", "Compare the {x} with the {y}: which is smaller?",
            "{x} or {y}: what is smaller?", "Does the {x} or the {y} cover less of the picture?",
            "Which of the two is the little one, the {x} or the {y}?", "What has the lesser size, the {x} or the {y}?",
            "The {x} and the {y}: which of them covers less space?", "{x} vs {y}, which is the tiny one?",
        ),
        "heldout": ("Of the {x} and the {y}, which is the smaller one?",),
    },
    "text": {
        "train": (
            "What is written on the {x}?", "What does the {x} say?", "what does it say on the {x}?",
            "Which words are on the {x}?",
            "Read the {x}.", "What text is on the {x}?", "what's on the {x}, which text?",
            "What is the text on the {x}?",
        ),
        "heldout": ("What words can be read on the {x}?", "What has been written on the {x}?"),
    },
    "what": {
        "train": (
            "What is this?", "What is in the picture?", "what do you see?", "What object is shown?",
            "What is shown here?",
            "what's this?", "What does the image show?", "which object is this?",
        ),
        "heldout": ("What am I looking at?",),
    },
    "which_colour": {
        "train": (
            "What is the {c} object?", "What is {c}?", "Which object is {c}?", "what is the {c} thing?",
            "Which thing is {c}?",
            "What's the {c} one?",
        ),
        "heldout": ("Name the object that is {c}.",),
    },
    "background": {
        "train": (
            "What color is the background?", "what is the background color?", "Which colour is the background?",
            "What is the color of the background?",
        ),
        "heldout": ("In which color is the background painted?",),
    },
}  # fmt: skip
"""Question templates by kind."""

REQUESTS: dict[Split, tuple[str, ...]] = {
    "train": (
        *["{p}"] * 24, "where is {p}?", "Where is {p}?", "where's {p}", "find {p}", "Find {p}.", "show me {p}",
        "locate {p}", "Point to {p}.", "Can you find {p}?", "draw a box around {p}", "mark {p}", "where can I see {p}?",
        "Where do you see {p}?", "and {p}?", "highlight {p}", "I am looking for {p}", "which one is {p}?", "box {p}",
        "give me the position of {p}", "Detect {p}.", "please show where {p} is",
    ),
    "heldout": ("{p}", "where exactly is {p}?", "could you point at {p}", "put a box on {p}", "help me find {p}"),
}  # fmt: skip
"""Ways of asking for a place; the bare phrase is what is left of most requests once the agent has read them.

For several things `plural_request` mends the verb.
"""


def plural_request(request: str) -> str:
    """The request with its verb in the plural."""
    for one, many in (("here is {p}", "here are {p}"), ("here's {p}", "here are {p}"), ("exactly is", "exactly are"),
                      ("one is {p}", "ones are {p}"), ("{p} is", "{p} are")):  # fmt: skip
        request = request.replace(one, many)
    return request


CAPTIONS: dict[Split, tuple[tuple[str, float], ...]] = {
    "train": (("{all}{place}.", 0.7), ("A picture of {all}{place}.", 0.1), ("There {is} {all}{place}.", 0.2)),
    "heldout": (("{all}{place}.", 1.0),),
}
"""Caption frames with their shares."""
