"""Fitting the planner: every border of every example message, cut or not; every pair of steps, used or not.

Single requests of all routes serve as messages that must not be cut. Probabilities of parts come from heads that have
not seen them, so that the planner learns from the doubts it will meet.
"""

from __future__ import annotations

import random
import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from itertools import permutations

import numpy as np

from conlora_agent.core.types import CLARIFY, Example, Route, RouteQuery
from router.builtin import PlanExample, PlanStep
from router.encoder import Vectors
from router.features import Array, RouteTable, as_features
from router.head import LinearHead, fit_head
from router.openings import Openings
from router.planning import Border, Part, PartStep, Planner, borders, cut_features, use_features

JOINED = 150
JOINTS = (" and ", " and ", ", and ", ", ", ", then ", " and then ", ". ", "; ", "\n", " and also ", ", also ")
AFTER_MARK = (" ", " ", " And ", " Also, ", " Then ", "\n")
"""What stands between two requests, after words and after a closing mark."""
BEFORE = (
    "hi there! {}", "just curious, {}", "quick question. {}", "sorry to bother you, but {}", "if you don't mind, {}",
    "my sister wants to know, {}", "I've been wondering about this. {}", "ok, so {}", "we are on a trip. {}",
    "this may sound silly, but {}", "well, as I said, {}", "let me see, {}", "I need your help. {}", "now then, {}",
)  # fmt: skip
AFTER = (
    "{}, please", "{}, if you can", "{}, thanks in advance", "{}, and be exact", "{}, and nothing else", "{}, will you",
    "{}, no hurry", "{}, and please be quick about it", "{}, or is that too hard", "{}, as precisely as possible",
)  # fmt: skip
"""What people put around one request: {} stands for it."""
WRAPPED = 150
COORDINATIONS = (" and ", " and ", ", ", ", and ")
COORDINATED = 150
_THING = re.compile(
    r"(?P<opening>\S.*? (?P<determiner>the|my|your|this|that|these|those|a|an)) (?P<word>\w+)(?P<rest>.*)"
)
CUT_L2 = 2e-4
USE_L2 = 1e-3

Encode = Callable[[Sequence[str]], Vectors]
Judge = Callable[[Sequence[RouteQuery], Sequence[str]], Array]
"""Probabilities (queries, routes) of turns, from a head that did not see the messages (second argument) they are of."""


def messages(routes: Sequence[Route], plans: Sequence[PlanExample]) -> list[PlanExample]:
    """Plan examples whose routes are known, every single request with a border in it, and messages made of requests."""
    names = {route.name for route in routes}
    known = [p for p in plans if {s.route for s in p.steps} <= names]
    singles = [
        PlanExample(text=e.text, has_image=e.has_image, steps=(PlanStep(text=e.text, route=route.name),))
        for route in routes
        if route.name != CLARIFY
        for e in route.examples
        if not e.previous and borders(e.text)
    ]
    return known + singles + _joined(routes) + _wrapped(routes) + _coordinated(routes)


def _joined(routes: Sequence[Route]) -> list[PlanExample]:
    """Pairs of unrelated requests put together, so that every route is met in plans, a new task's too."""
    rng = random.Random(0)
    pool = _pool(routes)
    made: list[PlanExample] = []
    for _ in range(min(JOINED, len(pool) // 2)):
        (name, first), (other, second) = rng.sample(pool, 2)
        joint = rng.choice(AFTER_MARK if first.text[-1] in ".?!" else JOINTS)
        steps = (PlanStep(text=first.text, route=name), PlanStep(text=second.text, route=other))
        has_image = first.has_image or second.has_image
        made.append(PlanExample(text=first.text + joint + second.text, has_image=has_image, steps=steps))
    return made


def _wrapped(routes: Sequence[Route]) -> list[PlanExample]:
    """Single requests with an aside, which is no request of its own."""
    rng = random.Random(1)
    pool = _pool(routes)
    made: list[PlanExample] = []
    for name, example in rng.sample(pool, min(WRAPPED, len(pool))):
        aside = rng.choice((*BEFORE, *AFTER))
        text = aside.format(example.text if aside in BEFORE else example.text.rstrip(".?! "))
        made.append(PlanExample(text=text, has_image=example.has_image, steps=(PlanStep(text=text, route=name),)))
    return made


def _coordinated(routes: Sequence[Route]) -> list[PlanExample]:
    """Requests about two things, out of two that begin alike: "read the label and the sign on the left" is one."""
    rng = random.Random(2)
    alike: defaultdict[tuple[str, str], list[tuple[re.Match[str], bool]]] = defaultdict(list)
    for name, example in _pool(routes):
        if found := _THING.fullmatch(example.text):
            alike[name, found["opening"].lower()].append((found, example.has_image))
    pairs = [(key[0], *pair) for key, things in alike.items() for pair in permutations(things, 2)]
    pairs = [(name, one, other) for name, one, other in pairs if one[0]["word"] != other[0]["word"]]
    made: list[PlanExample] = []
    for name, (one, _), (other, has_image) in rng.sample(pairs, min(COORDINATED, len(pairs))):
        second = f"{other['determiner']} {other['word']}{other['rest']}"
        text = f"{one['opening']} {one['word']}{rng.choice(COORDINATIONS)}{second}"
        made.append(PlanExample(text=text, has_image=has_image, steps=(PlanStep(text=text, route=name),)))
    return made


def _pool(routes: Sequence[Route]) -> list[tuple[str, Example]]:
    """Complete requests of tasks and tools that have no border in them, with their routes."""
    return [
        (route.name, example)
        for route in routes
        if route.kind in ("task", "tool")
        for example in route.examples
        if not example.previous and not borders(example.text)
    ]


def fit_planner(
    plans: Sequence[PlanExample], routes: Sequence[Route], table: RouteTable, encode: Encode, judge: Judge
) -> Planner | None:
    """Fit both decisions on `plans` (see `messages`); None when they show no message of several requests."""
    openings = Openings.of(e.text for route in routes if route.kind in ("task", "tool") for e in route.examples)
    cut_rows, cut_labels = _cut_data(plans, table, openings, encode, judge)
    use_rows, use_labels = _use_data(plans, routes, encode)
    if len(set(cut_labels)) < 2 or len(set(use_labels)) < 2:
        return None
    return Planner(_fit(cut_rows, cut_labels, CUT_L2), _fit(use_rows, use_labels, USE_L2), openings)


def _fit(rows: Sequence[Array], labels: Sequence[int], l2: float) -> LinearHead:
    x, y = as_features(np.stack(rows)), np.array(labels, dtype=np.intp)
    return fit_head(x, y, 2, np.ones(len(y)), l2=l2)


def _cut_data(
    plans: Sequence[PlanExample], table: RouteTable, openings: Openings, encode: Encode, judge: Judge
) -> tuple[list[Array], list[int]]:
    queries: list[RouteQuery] = []
    owners: list[str] = []
    places: list[tuple[Border, int]] = []
    for plan in plans:
        for left, right, border, label in _labelled_borders(plan):
            queries += [left, right]
            owners += [plan.text, plan.text]
            places.append((border, label))
    if not queries:
        return [], []
    vectors, probabilities = encode([q.text for q in queries]), judge(queries, owners)
    parts = [Part(q.text, v, p) for q, v, p in zip(queries, vectors, probabilities, strict=True)]
    rows = [
        cut_features(parts[2 * i], parts[2 * i + 1], border, table, openings) for i, (border, _) in enumerate(places)
    ]
    return rows, [label for _, label in places]


def _labelled_borders(plan: PlanExample) -> list[tuple[RouteQuery, RouteQuery, Border, int]]:
    """Left and right part of every border as they will be met when the message is read from the left."""
    marks = borders(plan.text)
    ends = [*(b.end for b in marks[1:]), len(plan.text)]
    starts = _step_starts(plan)
    found, start, done = [], 0, 0
    for border, end in zip(marks, ends, strict=True):
        cut = border.start in starts[1:]
        before = tuple(s.route for s in plan.steps[:done])
        here = (*before, plan.steps[done].route)
        left = RouteQuery(text=plan.text[start : border.end].strip(), has_image=plan.has_image, previous=before)
        right = RouteQuery(text=plan.text[border.start : end].strip(), has_image=plan.has_image, previous=here)
        found.append((left, right, border, int(cut)))
        if cut:
            start, done = border.start, starts.index(border.start)
    return found


def _step_starts(plan: PlanExample) -> list[int]:
    starts, position = [], 0
    for step in plan.steps:
        position = plan.text.index(step.text, position)
        starts.append(position)
        position += len(step.text)
    return starts


def _use_data(plans: Sequence[PlanExample], routes: Sequence[Route], encode: Encode) -> tuple[list[Array], list[int]]:
    kinds = {route.name: route.kind for route in routes}
    rows: list[Array] = []
    labels: list[int] = []
    for plan in plans:
        if len(plan.steps) < 2:
            continue
        vectors = encode([s.text for s in plan.steps])
        steps = [PartStep(s.text, v, kinds[s.route]) for s, v in zip(plan.steps, vectors, strict=True)]
        for later in range(1, len(steps)):
            for earlier in range(later):
                rows.append(use_features(steps[earlier], steps[later], later - earlier))
                labels.append(int(earlier in plan.steps[later].uses))
    return rows, labels
