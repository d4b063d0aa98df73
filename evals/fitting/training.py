"""Tune the encoder and its classifier on knowledge and labelled messages (needs the train extra).

Each text has a set of meanings that would all be right: a wording one, a message with gold passages
every intent that those answer, an unanswerable message any silent topic. The loss is the marginal
over that set, plus "answered or not" on its own, because minimal pairs differ in nothing else.
"""

import random
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from bot.adapters.weights import merge
from bot.answering.decision import SCALE
from evals.fitting.labelled import Example, Trained
from evals.fitting.minilm_torch import Net

EPOCHS, BATCH, FROZEN, RANK = 3, 64, 3, 16
NEAR = 16  # batches that are cut from one stretch sorted by length: little padding, still chance
RATE, CLASS_RATE = 6e-5, 2e-3
CONTRAST, SMOOTH = 0.2, 0.02
FEW = 3  # a text with more right meanings says too little about any one
PLAIN = ("",) * 7
OPENINGS = (
    *PLAIN, "Hi, ", "Hello, ", "cust asks: ", "quick question: ", "hey ", "Dear team, ",
    "I read your post. ", "I have a question. ", "sorry to bother you, ",
)  # fmt: skip
CLOSINGS = (*PLAIN, " thanks", " please", " Thank you!", " Regards, Tom", " I am worried.")


def train(
    examples: Sequence[Example], *, classes: int, answered: Sequence[int], weights: Path,
    scratch: Path, say: Callable[[str], None], seed: int = 0, epochs: int = EPOCHS,
) -> Trained:  # fmt: skip
    """Tune on `examples`; `answered`: the classes the post answers; `weights`: model files."""
    torch.manual_seed(seed)
    chance = random.Random(seed)  # noqa: S311 - reproducible, not secret
    net = Net(weights, frozen=FROZEN)
    right = torch.zeros((len(examples), classes), dtype=torch.bool)
    for place, example in enumerate(examples):
        right[place, list(example.meanings)] = True
    heart = nn.Parameter(_starting_points(net, examples, right))
    bias = nn.Parameter(torch.zeros(classes))
    tuned = [p for p in net.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(
        [
            {"params": tuned, "lr": RATE, "weight_decay": 0.01},
            {"params": [heart, bias], "lr": CLASS_RATE, "weight_decay": 0},
        ]
    )
    steps = epochs * (len(examples) // BATCH + 1)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min(1, (step + 1) / (steps * 0.1)) * max(0.02, 1 - step / steps)
    )
    for epoch in range(epochs):
        net.train()
        total, batches = 0.0, list(_batches(examples, chance))
        for batch in batches:
            texts = [_varied(examples[i].text, chance) for i in batch]
            loss = _loss(
                functional.normalize(net(texts), dim=1), heart, bias, right[batch], answered
            )
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(tuned, 1.0)
            optimizer.step()
            schedule.step()
            total += loss.item()
        say(
            f"epoch {epoch + 1} of {epochs}: loss {total / len(batches):.3f}, {len(examples)} texts"
        )
    return _compressed(net, heart, bias, scratch)


def _compressed(net: Net, heart: Tensor, bias: Tensor, scratch: Path) -> Trained:
    """What is measured is what ships: the rank-limited change in half precision."""
    delta = net.delta(RANK)
    path = scratch / "delta.npz"
    np.savez_compressed(path, allow_pickle=False, **delta)
    net.overwrite(merge(net.tensors, path))
    unit = functional.normalize(heart, dim=1).detach().numpy()
    return Trained(delta=delta, weights=unit, bias=bias.detach().numpy(), vectors=net.vectors)


def _starting_points(net: Net, examples: Sequence[Example], right: Tensor) -> Tensor:
    """Each class begins at the mean of the texts that mean it alone, else of all that may."""
    states = torch.tensor(net.vectors([e.text for e in examples]))
    alone = right & (right.sum(1, keepdim=True) == 1)
    chosen = torch.where(alone.any(0, keepdim=True), alone, right).float()
    return functional.normalize(chosen.T @ states + 1e-6, dim=1)


def _loss(
    states: Tensor, heart: Tensor, bias: Tensor, right: Tensor, answered: Sequence[int]
) -> Tensor:
    scores = states @ functional.normalize(heart, dim=1).T * SCALE + bias
    logs = scores.log_softmax(1)
    meaning = -logs.masked_fill(~right, -1e9).logsumexp(1).mean() - SMOOTH * logs.mean()
    mine = torch.zeros(scores.shape[1], dtype=torch.bool)
    mine[list(answered)] = True
    margin = scores[:, mine].logsumexp(1) - scores[:, ~mine].logsumexp(1)
    wanted = right[:, mine].any(1).float() * 0.96 + 0.02
    decided = functional.binary_cross_entropy_with_logits(margin, wanted)
    return meaning + decided + CONTRAST * _contrast(states, right)


def _contrast(states: Tensor, right: Tensor) -> Tensor:
    """Texts of one meaning draw together."""
    alike = states @ states.T * 15 - torch.eye(len(states)) * 1e9
    few = right.sum(1) <= FEW
    same = ((right.float() @ right.float().T > 0) & few[:, None] & few[None]).float()
    same.fill_diagonal_(0)
    count = same.sum(1)
    if not count.any():
        return states.new_zeros(())
    found = -((alike - alike.logsumexp(1, keepdim=True)) * same).sum(1)
    return (found[count > 0] / count[count > 0]).mean()


def _batches(examples: Sequence[Example], chance: random.Random) -> Iterator[list[int]]:
    """Batches of like length, in which the two sides of a pair stand together."""
    pairs: dict[str, list[int]] = {}
    groups: list[list[int]] = []
    for place, example in enumerate(examples):
        if example.pair and example.pair in pairs:
            pairs[example.pair].append(place)
            continue
        groups.append([place])
        if example.pair:
            pairs[example.pair] = groups[-1]
    chance.shuffle(groups)
    batches: list[list[int]] = []
    for start in range(0, len(groups), BATCH * NEAR):
        chunk = sorted(
            groups[start : start + BATCH * NEAR],
            key=lambda g: len(examples[g[0]].text) + chance.random() * 8,
        )
        flat = [place for group in chunk for place in group]
        batches += [flat[i : i + BATCH] for i in range(0, len(flat), BATCH)]
    chance.shuffle(batches)
    yield from (b for b in batches if len(b) > BATCH // 8)


def _varied(text: str, chance: random.Random) -> str:
    """Openings, closings and typing slips, so that form does not decide."""
    if len(text.split()) < 25 and text.isascii():
        text = chance.choice(OPENINGS) + text + chance.choice(CLOSINGS)
    if chance.random() < 0.15:
        text = text.rstrip("?")
    if chance.random() < 0.12 and len(text) > 12:
        place = chance.randrange(1, len(text) - 2)
        head, a, b, tail = text[:place], text[place], text[place + 1], text[place + 2 :]
        text = head + chance.choice((b + a, b, a + a + b)) + tail
    return text
