from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from conlora_agent.prompts import (
    MINIMUM_TURNS,
    TOLD,
    Window,
    approximate_tokens,
    history,
    move_window,
    previous_routes,
    thinned,
)

TURNS = st.lists(
    st.fixed_dictionaries(
        {"user": st.text(max_size=80), "assistant": st.text(max_size=80), "routes": st.just(["chat"])}
    ),
    max_size=30,
)


def cost(turns: Window) -> int:
    return sum(approximate_tokens(str(t["user"])) + approximate_tokens(str(t["assistant"])) for t in turns)


@given(TURNS, st.text(max_size=300), st.integers(0, 200))
def test_a_model_sees_what_fits_and_the_newest_of_it(turns: Window, summary: str, budget: int) -> None:
    messages = history(turns, summary, budget)
    assert messages[0].role == "system"
    assert sum(approximate_tokens(m.content) for m in messages[1:]) <= budget
    said = [m.content for m in messages[1:]]
    newest = [text for turn in turns for text in (turn["user"], turn["assistant"])]
    assert said[-len(newest) :] == newest[-len(said) :] or said[2:] == newest[len(newest) - len(said) + 2 :]


@given(TURNS, st.integers(0, 200))
def test_every_turn_is_in_the_window_or_has_left_it_and_all_of_the_window_is_seen(turns: Window, budget: int) -> None:
    window: Window = []
    gone: Window = []
    for turn in turns:
        window, left = move_window(window, turn, budget)
        gone += left
        words = [entry for entry in window if "user" in entry]
        assert [*gone, *words] == turns[: len(gone) + len(words)]
        assert window[-1]["routes"] == turn["routes"]
        assert len(history(window, "", budget)) == 1 + 2 * len(words)
    assert len(window) == min(len(turns), max(MINIMUM_TURNS, len([entry for entry in window if "user" in entry])))


def test_the_window_moves_by_half_so_that_the_prompt_begins_the_same_for_several_turns() -> None:
    window: Window = []
    moves = []
    for number in range(40):
        turn = {"user": f"{number:020}", "assistant": "x" * 20, "routes": []}
        window, left = move_window(window, turn, 160)
        moves.append(len(left))
    assert sum(moves) == 28
    assert set(moves) == {0, 7}


def test_a_giant_message_leaves_at_once() -> None:
    turn = {"user": "x" * 100_000, "assistant": "ok", "routes": ["chat"]}
    assert move_window([], turn, 100) == ([{"routes": ["chat"]}], [turn])


def test_previous_routes_oldest_first() -> None:
    window = [{"routes": ["grounding", "ocr"]}, {"routes": []}, {"routes": ["chat"]}]
    assert previous_routes(window) == ("grounding", "ocr", "chat")


def test_other_scripts_cost_more() -> None:
    assert approximate_tokens("犬はどこ") == 4
    assert approximate_tokens("dogs") == 1


LINES = st.tuples(st.sampled_from(["", TOLD]), st.text(max_size=40)).map("".join)


@given(st.lists(LINES, max_size=8), st.integers(0, 60))
def test_a_thinned_summary_fits_and_only_loses(lines: list[str], limit: int) -> None:
    summary = "\n".join(lines)
    kept = thinned(summary, limit)
    assert approximate_tokens(kept) <= limit
    assert all(any(line.startswith(part) for line in summary.splitlines()) for part in kept.splitlines())


def test_what_the_user_told_outlives_what_was_asked() -> None:
    told = f"{TOLD}My name is Mara."
    asked = [f"where is the cup number {number}? → I found the cup." for number in range(200)]
    kept = thinned("\n".join([told, *asked]), 100).splitlines()
    assert (kept[0], kept[-1]) == (told, asked[-1])
    assert thinned("\n".join([asked[0], asked[1], asked[0]]), 100) == "\n".join([asked[1], asked[0]])
