"""A vector drawing as others might have drawn it: its parts coloured, outlined, simplified and placed differently.

styles.py changes pixels; only here it is known what the parts of a drawing are.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from xml.etree import ElementTree

from conlora_agent.core.errors import DataError
from conlora_agent.training.draw.colours import shifter

SVG = "http://www.w3.org/2000/svg"
SHAPES = frozenset(f"{{{SVG}}}{tag}" for tag in ("path", "circle", "ellipse", "rect", "polygon", "polyline", "line"))
HIDDEN = frozenset(f"{{{SVG}}}{tag}" for tag in ("defs", "clipPath", "mask", "symbol"))
COLOUR = re.compile(r"(?<!url\()(?<!href=\")#([0-9a-fA-F]{6}|[0-9a-fA-F]{3})\b")
PAINT = re.compile(r"url\(#([^)\"]+)\)")
FREE = 0.3
"""Chance of a colour to become any other hue, in the half of the drawings where colours are not only a little off."""
LOST = 0.12
"""Share of parts left out."""
DARK = 0.35
"""A stroke in a colour of at most this value is an outline."""


def redrawn(rng: random.Random, svg: str, *, coloured: bool = True) -> str:
    """Another version of an SVG document, in its own colours where it is not to be `coloured`.

    Raises DataError for what is no XML.
    """
    svg = _flat(svg) if rng.random() < 0.4 else svg
    try:
        root = ElementTree.fromstring(_coloured(rng, svg) if coloured else svg)
    except ElementTree.ParseError as error:
        raise DataError(f"a drawing is no SVG ({error})", "use the versions named in material.py") from error
    parts = list(_parts(root))
    if rng.random() < 0.5:
        _leave_out(rng, parts)
    if rng.random() < 0.5:
        _move(rng, root, parts)
    how = rng.random()
    if how < 0.35:
        _without_outlines(root)
    elif how < 0.6:
        _outline(rng, root)
    ElementTree.register_namespace("", SVG)
    return ElementTree.tostring(root, encoding="unicode")


def _parts(element: ElementTree.Element) -> Iterator[tuple[ElementTree.Element, ElementTree.Element]]:
    """Each shape that is shown, with the element it is in."""
    for child in element:
        if child.tag in SHAPES:
            yield element, child
        elif child.tag not in HIDDEN:
            yield from _parts(child)


def _coloured(rng: random.Random, svg: str) -> str:
    """Every colour a little off, or some of them another hue altogether; equal ones stay equal."""
    shifted = shifter(rng, drift=0.03, free=FREE if rng.random() < 0.5 else 0.0)
    table: dict[str, str] = {}

    def other(match: re.Match[str]) -> str:
        digits = match[1].lower() if len(match[1]) == 6 else "".join(2 * digit for digit in match[1].lower())
        if digits not in table:
            red, green, blue = (int(digits[k : k + 2], 16) / 255 for k in (0, 2, 4))
            table[digits] = "".join(f"{round(255 * part):02x}" for part in shifted(red, green, blue))
        return f"#{table[digits]}"

    return COLOUR.sub(other, svg)


def _flat(svg: str) -> str:
    """Gradients replaced by one of their colours, but not what lets something show through."""
    stops: dict[str, str] = {}
    for gradient in re.finditer(r'<(?:linear|radial)Gradient[^>]*?\bid="([^"]+)"[^>]*>(.*?)</', svg, re.DOTALL):
        colours = re.findall(r"stop-color=\"(#[0-9a-fA-F]+)\"", gradient[2])
        if colours and "stop-opacity" not in gradient[2]:
            stops[gradient[1]] = colours[len(colours) // 2]
    return PAINT.sub(lambda match: stops.get(match[1], match[0]), svg)


def _leave_out(rng: random.Random, parts: list[tuple[ElementTree.Element, ElementTree.Element]]) -> None:
    for parent, part in parts[1:]:
        if rng.random() < LOST:
            parent.remove(part)


def _move(
    rng: random.Random, root: ElementTree.Element, parts: list[tuple[ElementTree.Element, ElementTree.Element]]
) -> None:
    """Each part a little larger or smaller, turned or elsewhere."""
    _, _, width, height = map(float, root.get("viewBox", "0 0 16 16").split())
    x, y = width / 2, height / 2
    for _, part in parts:
        dx, dy = (rng.gauss(0, 0.012) * side for side in (width, height))
        grown, turned = 1 + rng.gauss(0, 0.04), rng.gauss(0, 2)
        moved = f"translate({x + dx:.3f} {y + dy:.3f}) rotate({turned:.2f}) scale({grown:.3f}) translate({-x} {-y})"
        part.set("transform", f"{moved} {part.get('transform', '')}".strip())


def _without_outlines(root: ElementTree.Element) -> None:
    """No dark strokes."""
    for element in root.iter():
        stroke = COLOUR.fullmatch(element.get("stroke", ""))
        if stroke and max(int(digit, 16) for digit in stroke[1][:: len(stroke[1]) // 3]) <= 15 * DARK:
            element.set("stroke", "none")


def _outline(rng: random.Random, root: ElementTree.Element) -> None:
    """A dark or white line around each part that says nothing of its own line."""
    width = float(root.get("viewBox", "0 0 16 16").split()[2])
    root.set("stroke", rng.choice(("#222222", "#222222", "#5a3a22", "#ffffff")))
    root.set("stroke-width", f"{width * rng.uniform(0.008, 0.025):.3f}")
    root.set("stroke-linejoin", "round")
