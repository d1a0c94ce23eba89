"""English around the names: articles, plurals, lists, number words, and which names are too alike to tell apart."""

from __future__ import annotations

from collections.abc import Sequence

from conlora_agent.wording import NUMBERS

_PLURAL = frozenset((
    "socks", "glasses", "jeans", "gloves", "fries", "peanuts", "grapes", "cherries", "scissors", "headphones", "shorts",
    "sunglasses", "pancakes", "dice", "skis", "binoculars",
))  # fmt: skip
_MASS = frozenset((
    "bread", "bacon", "broccoli", "butter", "corn", "cheese", "chocolate", "meat", "popcorn", "salad", "sushi",
    "garlic", "soap", "fire", "thread",
    "pasta", "guacamole", "coffee", "wine",
))  # fmt: skip
_IRREGULAR = {
    "mouse": "mice", "leaf": "leaves", "man": "men", "woman": "women", "wolf": "wolves", "scarf": "scarves",
    "person": "people", "fish": "fish", "sheep": "sheep", "deer": "deer", "shrimp": "shrimp", "tooth": "teeth",
    "squid": "squid", "potato": "potatoes", "tomato": "tomatoes", "mango": "mangoes", "volcano": "volcanoes",
    "knife": "knives", "goose": "geese", "jellyfish": "jellyfish", "starfish": "starfish",
}  # fmt: skip

_ALIKE = (
    "car, taxi, van, truck, bus, tram, train, ambulance, police car, fire truck",
    "cup, mug, glass, bowl, pot, teapot, wine glass",
    "boat, ship",
    "person, man, woman, boy, girl, baby",
    "tree, palm tree, christmas tree, plant, clover, leaf",
    "flower, rose, tulip, sunflower, plant",
    "phone, telephone, remote",
    "computer, laptop, television, screen, tv",
    "box, package, gift",
    "circle, ball, ring, oval, egg, potato, moon, coin, baseball, basketball, volleyball, football, soccer ball",
    "square, rectangle, diamond, box",
    "shoe, boot, sandal, high heel",
    "hat, cap, helmet, crown",
    "bag, backpack, suitcase, basket, bucket, money bag, trash can, handbag, purse",
    "chicken, chick, bird, duck, turkey, swan, owl, parrot, peacock, penguin, flamingo",
    "sign, label, poster, stop sign, traffic light",
    "book, newspaper, picture",
    "shirt, coat, dress",
    "glasses, sunglasses",
    "cake, cupcake, pie, shortcake",
    "orange, apple, peach, tomato, mango",
    "lemon, mango, pear, kiwi",
    "castle, church, factory, hospital, house, school",
    "cow, goat, sheep, horse, donkey, unicorn",
    "mouse, rabbit, squirrel, hedgehog",
    "guitar, violin",
    "dolphin, whale, shark, fish, seal",
    "lizard, crocodile, dinosaur, snake",
    "motorcycle, bicycle, scooter, motorbike, bike",
    "airplane, plane",
    "couch, sofa, chair, bench, bed",
    "refrigerator, fridge, oven, microwave, toaster",
    "doughnut, donut, bagel, cake",
    "necktie, tie",
    "knife, sword, fork, spoon",
    "vase, jar, pot, bottle",
    "sink, bathtub, toilet",
    "hair drier, hair dryer",
    "skis, snowboard, skateboard, surfboard",
    "baseball bat, bat",
    "bear, teddy bear",
    "bread, bagel, croissant",
    "envelope, package",
    "pen, pencil, paintbrush",
    "shell, snail",
    "ticket, receipt, credit, credit card",
    "lock, key",
    "spoon, fork",
    "bottle, jar",
)
_GROUPS = tuple(frozenset(line.split(", ")) for line in _ALIKE)


def alike(a: str, b: str) -> bool:
    """Whether an honest viewer might call one by the other's name, so that no question should tell them apart."""
    return a == b or bool({a} & set(b.split()) or {b} & set(a.split())) or any(a in g and b in g for g in _GROUPS)


def countable(name: str) -> bool:
    """Whether one can say "two" of them."""
    return name not in _PLURAL and name not in _MASS


def plural(name: str) -> str:
    """Several of `name`."""
    if name in _PLURAL or name in _MASS:
        return name
    head, _, last = name.rpartition(" ")
    if last in _IRREGULAR:
        last = _IRREGULAR[last]
    elif last.endswith(("s", "x", "ch", "sh")):
        last += "es"
    elif last.endswith("y") and last[-2:-1] not in "aeou":
        last = last[:-1] + "ies"
    else:
        last += "s"
    return f"{head} {last}".strip()


def with_article(words: str, name: str) -> str:
    """`words` (ending in `name`) with "a", "an" or, for what is not counted, nothing."""
    if not countable(name):
        return words
    sounds_like_vowel = words[0].lower() in "aeiou" and not words.startswith(("uni", "one"))
    return f"{'an' if sounds_like_vowel else 'a'} {words}"


def counted(number: int, words: str, name: str) -> str:
    """ "a red car", "two red cars"; `words` ends in `name`."""
    if number == 1 or not countable(name):
        return with_article(words, name)
    return f"{NUMBERS[number]} {words.removesuffix(name)}{plural(name)}"


def listed(parts: Sequence[str]) -> str:
    """ "a, b and c"."""
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
