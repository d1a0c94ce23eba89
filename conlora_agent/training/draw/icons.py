"""Icons of openly licensed sets that show what names.py names. Which ones is in icons.txt.

The list was made by matching the icons' names to names.py and then by eye: what shows something else (a computer's
mouse, a receiver for a mobile phone) was left out. Not covered here: emoji, which material.py finds by their own names.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from conlora_agent.training.draw.names import entries

SETS = {
    "boxicons": "1.2.0",  # MIT
    "emojione-monotone": "1.2.1",  # CC BY 4.0
    "fa7-solid": "1.2.5",  # CC BY 4.0
    "flat-ui": "1.2.3",  # MIT
    "game-icons": "1.2.4",  # CC BY 3.0
    "hugeicons": "1.2.35",  # MIT
    "icon-park": "1.2.4",  # Apache-2.0
    "lucide": "1.2.137",  # ISC
    "marketeq": "1.2.2",  # MIT
    "mdi": "1.2.3",  # Apache-2.0
    "mingcute": "1.2.8",  # Apache-2.0
    "ph": "1.2.2",  # MIT
    "picon": "1.2.0",  # OFL
    "pinhead": "1.2.28",  # CC0
    "ri": "1.2.10",  # Apache-2.0
    "si-glyph": "1.2.2",  # CC BY-SA 4.0
    "solar": "1.2.13",  # CC BY 4.0
    "streamline-color": "1.2.2",  # CC BY 4.0, as are its five siblings
    "streamline-cyber-color": "1.2.2",
    "streamline-flex-color": "1.2.2",
    "streamline-kameleon-color": "1.2.2",
    "streamline-plump-color": "1.2.2",
    "streamline-sharp-color": "1.2.2",
    "tabler": "1.2.41",  # MIT
    "whh": "1.2.0",  # OFL
}
"""npm packages `@iconify-json/<set>` and the versions drawn from."""
COLOURED = frozenset(
    ("flat-ui", "icon-park", "marketeq", *(style for style in SETS if style.startswith("streamline-")))
)
"""Sets in several colours; the others are one ink on nothing."""
LIST = Path(__file__).with_name("icons.txt")
"""After each set's name and a colon what it shows: `name=icon`, `name=-more` where the icon is called `name-more`, or
the name alone where it is called so."""


def listed(style: str) -> Iterator[tuple[str, str]]:
    """What each icon of a set shows, and the icon: ("kangaroo", "kangaroo")."""
    for of, name, icon in entries(LIST):
        if of == style:
            yield name.replace("-", " "), name + icon if icon.startswith("-") else icon or name
