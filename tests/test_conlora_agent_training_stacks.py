"""What a stack learns from: exercises about one picture share the work, not the answers."""

from __future__ import annotations

import torch

from conlora_agent.backbone.nano.places import NANO_PLACES
from conlora_agent.backbone.nano.processing import invocation_ids, prefix_ids
from conlora_agent.core.types import Message
from conlora_agent.training.stacks import TeacherBatch, answer_ids, answer_loss
from tests.tiny_nano import tiny_model, tiny_tokenizer


def test_exercises_about_shared_pictures_cost_what_they_cost_alone() -> None:
    from peft import LoraConfig, get_peft_model

    tokenizer = tiny_tokenizer()
    model = tiny_model(tokenizer)
    torch.manual_seed(3)
    config = LoraConfig(r=4, target_modules=NANO_PLACES.pattern, init_lora_weights=False)
    adapted = get_peft_model(model, config)
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
