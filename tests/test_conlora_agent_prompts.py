from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from conlora_agent.prompts import MINIMUM_TURNS, approximate_tokens, extend_window, history, previous_routes

TURNS = st.lists(
    st.fixed_dictionaries(
        {"user": st.text(max_size=80), "assistant": st.text(max_size=80), "routes": st.just(["chat"])}
    ),
    max_size=30,
)


@given(TURNS, st.integers(0, 200))
def test_history_keeps_the_newest_turns_within_the_budget(turns: list[dict[str, object]], budget: int) -> None:
    messages = history(turns, budget)
    assert messages[0].role == "system"
    said = messages[1:]
    assert sum(approximate_tokens(m.content) for m in said) <= budget
    kept = turns[len(turns) - len(said) // 2 :]
    assert [m.content for m in said] == [text for turn in kept for text in (turn["user"], turn["assistant"])]


@given(TURNS, st.integers(0, 200))
def test_the_window_is_bounded_and_ends_with_the_newest_turn(turns: list[dict[str, object]], budget: int) -> None:
    window: list[dict[str, object]] = []
    for turn in turns:
        window = extend_window(window, turn, budget)
        assert window[-1]["routes"] == turn["routes"]
    cost = sum(approximate_tokens(str(t["user"])) + approximate_tokens(str(t["assistant"])) for t in window)
    assert len(window) <= MINIMUM_TURNS or cost <= budget


def test_a_giant_message_is_cut_in_the_window() -> None:
    window = extend_window([], {"user": "x" * 100_000, "assistant": "ok", "routes": ["chat"]}, 100)
    assert len(window[0]["user"]) < 500


def test_previous_routes_oldest_first() -> None:
    window = [{"routes": ["grounding", "ocr"]}, {"routes": []}, {"routes": ["chat"]}]
    assert previous_routes(window) == ("grounding", "ocr", "chat")


def test_other_scripts_cost_more() -> None:
    assert approximate_tokens("犬はどこ") == 4
    assert approximate_tokens("dogs") == 1
