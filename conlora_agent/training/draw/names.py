"""Names of everything the renderers can draw, by group, and the emoji that show it.

A group is a list of `name` or `name=emoji|emoji`; without `=` the emoji has the name itself. Every emoji listed exists
in all sets of material.py that are not PARTIAL there. Not covered here: the pictures themselves (material.py,
things.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from conlora_agent.backbone.nano import detector
from conlora_agent.backbone.nano.kinds import KINDS

_GROUPS = {
    "animal": """
        ant bat bear beaver bee=honeybee bird=bird|eagle|dove butterfly camel cat chicken=chicken|rooster
        chick=baby-chick cow crab crocodile deer dog=dog|poodle dolphin donkey duck elephant
        fish=fish|tropical-fish flamingo frog giraffe goat gorilla hedgehog hippo=hippopotamus horse jellyfish
        kangaroo koala ladybug=lady-beetle lion lizard lobster monkey mouse octopus owl panda parrot peacock
        penguin pig rabbit raccoon rhino=rhinoceros scorpion seal shark sheep=ewe shrimp snail snake spider
        squirrel=chipmunk swan tiger turkey turtle unicorn whale=whale|spouting-whale wolf zebra
        dinosaur=sauropod|t-rex
    """,
    "food": """
        apple=red-apple|green-apple avocado bacon bagel banana bread broccoli burger=hamburger burrito butter
        cake=shortcake|birthday-cake candy carrot cheese=cheese-wedge cherries chocolate=chocolate-bar coconut
        cookie corn=ear-of-corn croissant cucumber cupcake doughnut egg eggplant fries=french-fries garlic
        grapes hot-dog ice-cream=soft-ice-cream kiwi=kiwi-fruit lemon lollipop mango mushroom onion
        orange=tangerine pancakes peach peanuts pear pepper=bell-pepper pie pineapple pizza popcorn potato
        pretzel salad=green-salad sandwich strawberry sushi taco tomato waffle watermelon
        meat=cut-of-meat|meat-on-bone
    """,
    "vehicle": """
        ambulance airplane bicycle boat=sailboat|motor-boat bus car=automobile fire-truck=fire-engine
        helicopter motorcycle=motorcycle|motor-scooter police-car rocket scooter=kick-scooter
        ship=ship|passenger-ship skateboard taxi tractor train=train|locomotive tram truck=delivery-truck
        van=minibus satellite
    """,
    "household": """
        bag=handbag|clutch-bag basket bathtub bed bell bottle=baby-bottle broom bucket candle chair
        clock=mantelpiece-clock|alarm-clock couch=couch-and-lamp door envelope fork=fork-and-knife
        gift=wrapped-gift glass=glass-of-milk jar key=key|old-key lamp=diya-lamp light-bulb lock=locked mirror
        mug=beer-mug newspaper package picture=framed-picture plant=potted-plant pot=pot-of-food scissors soap
        spoon sponge suitcase=luggage teapot tent toilet toothbrush trash-can=wastebasket
        umbrella=umbrella|umbrella-with-rain-drops window wine-glass bowl=steaming-bowl|bowl-with-spoon
        cup=teacup-without-handle
    """,
    "device": """
        battery camera=camera|camera-with-flash computer=desktop-computer flashlight keyboard laptop
        magnifying-glass=magnifying-glass-tilted-left microphone microscope phone=mobile-phone printer radio
        robot telephone telescope television thermometer watch joystick headphones=headphone
    """,
    "tool": """
        anchor axe brick compass hammer ladder magnet paintbrush paperclip pen pencil ruler=straight-ruler
        saw=carpentry-saw screwdriver screw=nut-and-bolt shield stethoscope sword=dagger syringe thread wheel
        wrench chain=chains shopping-cart
    """,
    "clothing": """
        backpack boot=womans-boot cap=billed-cap coat crown dress glasses gloves hat=top-hat|womans-hat jeans
        necktie ring sandal=womans-sandal|thong-sandal scarf shirt=t-shirt shoe=running-shoe|mans-shoe shorts
        socks sunglasses high-heel=high-heeled-shoe helmet=rescue-workers-helmet
    """,
    "plant": """
        cactus clover=four-leaf-clover flower=blossom|hibiscus|cherry-blossom leaf=fallen-leaf|maple-leaf
        palm-tree rose sunflower tree=deciduous-tree|evergreen-tree tulip christmas-tree
    """,
    "leisure": """
        baseball basketball balloon drum dice=game-die football=american-football guitar kite
        medal=sports-medal piano=musical-keyboard puzzle=puzzle-piece soccer-ball=soccer-ball teddy-bear
        tennis-racket=tennis trophy trumpet violin volleyball saxophone
    """,
    "nature": """
        cloud fire moon=crescent-moon|full-moon mountain=mountain|snow-capped-mountain rainbow rock
        snowman=snowman|snowman-without-snow sun shell=spiral-shell feather bone volcano
        globe=globe-showing-americas|globe-showing-europe-africa
    """,
    "building": """
        castle church=church factory hospital house=house|house-with-garden school
    """,
    "person": """
        person=person-walking|person-standing|person-running man=man woman=woman boy girl baby ghost
    """,
    "sign": "stop-sign traffic-light=vertical-traffic-light|horizontal-traffic-light flag=triangular-flag",
    "money": "coin money-bag credit-card receipt ticket",
}

SHAPES = (
    "circle", "square", "triangle", "star", "rectangle", "heart",
    "diamond", "cross", "hexagon", "oval", "arrow", "ring",
)  # fmt: skip
"""Flat figures that things.py draws."""
THINGS = ("ball", "book", "bottle", "box", "cup", "mug", "sign", "label", "screen", "poster", "table", "page")
"""Objects that things.py and documents.py draw; most can carry text."""


LETTERED = frozenset(("stop sign", "newspaper", "ticket", "ruler", "clock", "watch", "thermometer"))
"""Drawings with letters, numbers or a fixed colour: never mirrored, and emoji of them never recoloured."""


def entries(path: Path) -> Iterator[tuple[str, str, str]]:
    """Of a list of drawings: heading, name and what stands after it, "" where nothing does.

    A heading ends with a colon; beneath it are entries `name=more` or `name`, a name's spaces written as hyphens.
    """
    heading = ""
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.endswith(":"):
            heading = line.removesuffix(":")
        else:
            yield from ((heading, name, more) for name, _, more in (entry.partition("=") for entry in line.split()))


def _parse(line: str) -> tuple[str, tuple[str, ...]]:
    name, _, emoji = line.partition("=")
    return name.replace("-", " "), tuple((emoji or name).split("|"))


EMOJI: dict[str, tuple[str, ...]] = {
    name: emoji for lines in _GROUPS.values() for name, emoji in map(_parse, lines.split())
}
"""Plain English name to the emoji that show it."""

PHOTOGRAPHED: tuple[str, ...] = tuple(dict.fromkeys((*detector.NAMES, *(n for group in KINDS.values() for n in group))))
"""Names that things on photographs are given."""
ALSO = {
    "airplane": "plane", "bicycle": "bike", "cell phone": "phone", "couch": "sofa", "dining table": "table",
    "donut": "doughnut", "hair drier": "hair dryer", "handbag": "purse", "motorcycle": "motorbike",
    "potted plant": "plant", "refrigerator": "fridge", "remote": "remote control", "sports ball": "ball",
    "tie": "necktie", "tv": "television",
}  # fmt: skip
"""What is found on photographs under the first name may be asked for by the second."""

GROUPS: dict[str, tuple[str, ...]] = {
    **{group: tuple(_parse(line)[0] for line in lines.split()) for group, lines in _GROUPS.items()},
    "shape": SHAPES,
    "thing": THINGS,
    "on photographs": (*PHOTOGRAPHED, *ALSO.values()),
}
"""Names that are alike: plausible but wrong answers come from the same group."""

NAMES: tuple[str, ...] = tuple(sorted({*EMOJI, *SHAPES, *THINGS}))
"""Every name, sorted: label order."""
