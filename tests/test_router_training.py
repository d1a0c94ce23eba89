"""What examples are turned into: the same turns whatever else is registered."""

from __future__ import annotations

from router.builtin import builtin_routes
from router.training import training_turns
from tests.router_routes import ANGLE, make_route


def test_another_route_leaves_nearly_all_turns_as_they_are() -> None:
    routes = [*builtin_routes(), *(make_route(f"r{n}", "tool", f"do thing {n}", f"and now {n}") for n in range(14))]
    before = training_turns(routes)
    after = [turn for turn in training_turns([*routes, ANGLE]) if turn.route != ANGLE.name]
    changed = [one for one, other in zip(before, after, strict=True) if one != other]
    assert 0 < len(changed) < 0.15 * len(before)
    assert all(ANGLE.name in other.query.previous for one, other in zip(before, after, strict=True) if one != other)


def test_title_and_description_stand_for_a_task_or_tool_but_are_nothing_to_calibrate_on() -> None:
    turns = [turn for turn in training_turns([ANGLE]) if turn.message == ANGLE.description]
    assert turns
    assert not any(turn.written for turn in turns)
