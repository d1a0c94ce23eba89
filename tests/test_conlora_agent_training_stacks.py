"""What a stack learns from: exercises about one picture share the work, not the answers."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
import torch

from adapters.exercise import Exercise
from conlora_agent.backbone.nano import tokens
from conlora_agent.backbone.nano.places import NANO_PLACES
from conlora_agent.backbone.nano.processing import END, WORKING, invocation_ids, plain_ids, prefix_ids
from conlora_agent.core.errors import BackboneError
from conlora_agent.core.types import Message
from conlora_agent.training.answers import TeacherBatch, answer_ids, answer_loss
from conlora_agent.training.optimise import MasterAdamW
from conlora_agent.training.stacks import Exercises, StackRun, train_stack
from tests.tiny_nano import tiny_model, tiny_tokenizer


def adapted_model(tokenizer: Any) -> Any:
    from peft import LoraConfig, get_peft_model

    torch.manual_seed(3)
    config = LoraConfig(r=4, target_modules=NANO_PLACES.pattern, init_lora_weights=False)
    return get_peft_model(tiny_model(tokenizer), config)


def test_working_is_marked_and_stands_on_the_line_before_the_answer() -> None:
    tokenizer = tiny_tokenizer()
    tokenizer.add_special_tokens({"additional_special_tokens": [WORKING]})
    ids = answer_ids(tokenizer, "no", f"left {WORKING}")
    assert tokenizer.decode(ids) == f"{WORKING}left {WORKING}\nno{END}"
    assert ids.count(tokenizer.convert_tokens_to_ids(WORKING)) == 1


def test_a_checkpoint_of_other_code_is_named_in_one_line(tmp_path: Path) -> None:
    """Of a stack with other layers than today's."""
    earlier = MasterAdamW([torch.zeros(2, 3), torch.zeros(4)], 1e-3)
    torch.save({"optimizer": earlier.state_dict(), "step": 7, "seconds": 1.0}, tmp_path / "ocr.pt")
    run, tokenizer = StackRun("ocr", tmp_path, minutes=0.0), tiny_tokenizer()
    with pytest.raises(BackboneError, match="does not fit") as refused:
        train_stack(run, adapted_model(tokenizer), Exercises([], tokenizer, run), answer_loss)
    assert "remove that file" in str(refused.value)
    assert len(str(refused.value).splitlines()) == 1


def test_exercises_about_shared_pictures_cost_what_they_cost_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens, "DOUBT", 0.0)  # a random model is in doubt, and doubtful names have no correction
    tokenizer = tiny_tokenizer()
    adapted = adapted_model(tokenizer)
    pictures = torch.randint(0, 255, (2, 3, 64, 64), dtype=torch.uint8)
    history = prefix_ids(tokenizer, [Message(role="user", content="a fox"), Message(role="assistant", content="yes")])
    prompts = [invocation_ids(tokenizer, text, True) for text in ("read", "a blue", "the quick book fox", "x")]
    answers = [answer_ids(tokenizer, text) for text in ("blue", "quick brown", "a", "book reads")]
    shown = [0, 1, 0, 1]

    together = answer_loss(adapted, TeacherBatch(pictures, history, prompts, answers, shown=shown), "cpu")

    alone = [
        answer_loss(adapted, TeacherBatch(pictures[i : i + 1], history, [prompt], [answer]), "cpu") * len(answer)
        for i, prompt, answer in zip(shown, prompts, answers, strict=True)
    ]
    torch.testing.assert_close(together, torch.stack(alone).sum() / sum(map(len, answers)))
    together.backward()  # type: ignore[no-untyped-call]
    assert all(p.grad is not None for p in adapted.parameters() if p.requires_grad)


def test_what_is_told_stands_where_a_pictures_tokens_stand(tmp_path: Path) -> None:
    tokenizer = tiny_tokenizer()
    adapted = adapted_model(tokenizer)

    def make(rng: random.Random) -> Exercise:
        line = rng.choice(("quick brown", "a book"))
        return Exercise(None, "read it", line, told=f" fox\n{line}")

    batch = Exercises([make], tokenizer, StackRun("ocr", tmp_path, 1, batch=3)).batch(2)
    assert batch.told is not None
    assert batch.shown is not None
    assert len(batch.told) == 2  # the same words are told once
    end = [tokenizer.convert_tokens_to_ids(END)]
    asked = invocation_ids(tokenizer, "read it", False)
    written = [plain_ids(tokenizer, batch.told[k]) + end + asked for k in batch.shown]
    as_text = TeacherBatch(None, batch.history, written, batch.answers)
    torch.testing.assert_close(answer_loss(adapted, batch, "cpu"), answer_loss(adapted, as_text, "cpu"))
