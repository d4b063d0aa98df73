"""Tunes the last layers of the encoder on many incidents; needs the `train` extra (PyTorch).

Two tasks are learned together: the meaning of the wordings and exercises of the shipped incident,
and which unit of a post answers a question, if any, over all incidents whose authors are not held
out. The labelled messages of the shipped incident are left out, because its threshold is chosen on
them. The result that ships is a low-rank change of each matrix: bot/data/e5_delta.npz.
"""

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
import torch
from torch import Tensor, nn
from torch.nn import functional

from bot.adapters.e5 import E5, GRAPH
from bot.adapters.e5_weights import FIRST_TUNED, Model, read_weights
from bot.answering.intent_classifier import SCALE, SMOOTHING

EPOCHS, BATCH = 2, 64
QUESTIONS = 28  # of one incident in a step, beside all units of its post
NEAR = 16  # batches cut from one shuffled stretch sorted by length: random, with little padding
RATE, CLASS_RATE, MAP_RATE, SILENCE_RATE = 8e-5, 2e-3, 5e-4, 1e-2
SILENCE = 12.0  # initial score of silence, which is that of a related unit
DROPOUT = 0.1
RANK = 16  # of the change of each matrix
SAID_EVERY = 20  # steps between two lines of progress
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassifiedText:
    """A text with the numbers of the classes that are right for it."""

    text: str
    meanings: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PostQuestions:
    """The units of one post, and its questions, each with the places of the units that answer."""

    units: tuple[str, ...]
    questions: tuple[tuple[str, tuple[int, ...]], ...]


def train_encoder(
    encoder: E5,
    meant: Sequence[ClassifiedText],
    posts: Sequence[PostQuestions],
    *,
    classes: int,
    answered: Sequence[int],
    say: Callable[[str], None],
    seed: int = 0,
) -> dict[str, npt.NDArray[np.float16]]:
    """Return the arrays of the change, by the names that `read_delta` expects."""
    torch.manual_seed(seed)
    torch.set_num_threads(1)  # more threads spin while they wait for each other on a busy machine
    rng = random.Random(seed)  # noqa: S311 - reproducible, not secret
    texts = [m.text for m in meant]
    texts += [t for p in posts for t in (*p.units, *(q for q, _ in p.questions))]
    states = _LowerStates(encoder, list(dict.fromkeys(texts)), say)
    model = read_weights(encoder.source())
    course = _JointTraining(_Top(model), states, meant, classes=classes, answered=answered)
    course.run(posts, rng, say)
    return _low_rank(model, course.top)


class _LowerStates:
    """The output of the untuned layers for each text, computed once, in half precision."""

    def __init__(self, encoder: E5, texts: Sequence[str], say: Callable[[str], None]) -> None:
        session = _lower_session(encoder.converted_folder())
        self.states: dict[str, npt.NDArray[np.float16]] = {}
        for count, text in enumerate(texts, 1):
            ids = np.array(encoder.token_ids(text), dtype=np.int64)
            self.states[text] = session.run(None, {"input_ids": ids})[0].astype(np.float16)
            if count % 2000 == 0:
                say(f"read {count} of {len(texts)} texts")

    def batch(self, texts: Sequence[str]) -> tuple[Tensor, Tensor]:
        """Return the states (texts x tokens x width), padded, and a mask of the real tokens."""
        rows = [self.states[text] for text in texts]
        length = max(len(row) for row in rows)
        padded = np.zeros((len(rows), length, rows[0].shape[1]), np.float32)
        there = np.zeros((len(rows), length), bool)
        for place, row in enumerate(rows):
            padded[place, : len(row)] = row
            there[place, : len(row)] = True
        return torch.from_numpy(padded), torch.from_numpy(there)

    def length(self, text: str) -> int:
        return len(self.states[text])


def _lower_session(folder: Path) -> onnxruntime.InferenceSession:
    """Return a session of the shipped graph that ends before the first tuned layer."""
    graph = onnx.load(folder / GRAPH, load_external_data=False)
    del graph.graph.output[:]
    name = f"layer{FIRST_TUNED - 1}.outer.norm"
    graph.graph.output.append(onnx.helper.make_empty_tensor_value_info(name))
    part = folder / "lower.part.onnx"  # beside the weights that it refers to
    onnx.save(graph, part)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    try:
        return onnxruntime.InferenceSession(str(part), options, providers=["CPUExecutionProvider"])
    finally:
        part.unlink()


class _Layer(nn.Module):
    """One transformer layer with the names that the model file uses."""

    def __init__(self, model: Model, layer: int) -> None:
        super().__init__()
        width, inner = model.width, model.inner_width
        self.heads = model.heads
        for part, rows, columns in _shapes(width, inner):
            linear = nn.Linear(columns, rows)
            name = f"l{layer}.{part}"
            with torch.no_grad():
                linear.weight.copy_(torch.tensor(model.matrix(f"{name}.w", rows, columns).floats()))
                linear.bias.copy_(torch.tensor(model.floats(f"{name}.b", rows)))
            setattr(self, part, linear)
        for part in ("aln", "oln"):
            norm = nn.LayerNorm(width, eps=model.epsilon)
            with torch.no_grad():
                norm.weight.copy_(torch.tensor(model.floats(f"l{layer}.{part}.w", width)))
                norm.bias.copy_(torch.tensor(model.floats(f"l{layer}.{part}.b", width)))
            setattr(self, part, norm)

    def forward(self, state: Tensor, mask: Tensor) -> Tensor:
        count, length, width = state.shape
        rate = DROPOUT if self.training else 0.0
        query, key, value = (
            linear(state).view(count, length, self.heads, -1).transpose(1, 2)
            for linear in (self.q, self.k, self.v)
        )
        mixed = functional.scaled_dot_product_attention(query, key, value, attn_mask=mask)
        mixed = self.ao(mixed.transpose(1, 2).reshape(count, length, width))
        state = self.aln(state + functional.dropout(mixed, rate, self.training))
        grown = self.fo(functional.gelu(self.fi(state)))
        return self.oln(state + functional.dropout(grown, rate, self.training))


def _shapes(width: int, inner: int) -> list[tuple[str, int, int]]:
    """Return name, rows and columns of each matrix of a layer."""
    square = [(part, width, width) for part in ("q", "k", "v", "ao")]
    return [*square, ("fi", inner, width), ("fo", width, inner)]


class _Top(nn.Module):
    """The tuned layers, from states of the lower layers to the mean of the last states.

    The mean is over the real tokens, scaled to length one.
    """

    def __init__(self, model: Model) -> None:
        super().__init__()
        self.layers = nn.ModuleList(_Layer(model, n) for n in range(FIRST_TUNED, model.layers))

    def forward(self, states: Tensor, there: Tensor) -> Tensor:
        mask = torch.where(there, 0.0, -1e9)[:, None, None, :]
        for layer in self.layers:
            states = layer(states, mask)
        weight = there[..., None].float()
        mean = (states * weight).sum(1) / weight.sum(1)
        return functional.normalize(mean, dim=1)


class _JointTraining:
    """The training of both tasks, with their own parameters beside those of the encoder."""

    def __init__(
        self,
        top: _Top,
        states: _LowerStates,
        meant: Sequence[ClassifiedText],
        *,
        classes: int,
        answered: Sequence[int],
    ) -> None:
        self.top, self.states, self.meant = top, states, meant
        self.right = torch.zeros((len(meant), classes), dtype=torch.bool)
        for row, example in zip(self.right, meant, strict=True):
            row[list(example.meanings)] = True
        self.mine = torch.zeros(classes, dtype=torch.bool)
        self.mine[list(answered)] = True
        start = self._untrained()
        self.mean = start.mean(0)
        centred = functional.normalize(start - self.mean, dim=1)
        alone = self.right & (self.right.sum(1, keepdim=True) == 1)
        chosen = torch.where(alone.any(0, keepdim=True), alone, self.right).float()
        self.centres = nn.Parameter(functional.normalize(chosen.T @ centred + 1e-6, dim=1))
        self.bias = nn.Parameter(torch.zeros(classes))
        width = start.shape[1]
        self.question_map = nn.Parameter(torch.eye(width))
        self.unit_map = nn.Parameter(torch.eye(width))
        self.silence = nn.Parameter(torch.tensor(SILENCE))

    def run(
        self, posts: Sequence[PostQuestions], rng: random.Random, say: Callable[[str], None]
    ) -> None:
        tuned = list(self.top.parameters())
        optimizer = torch.optim.AdamW(
            [
                {"params": tuned, "lr": RATE, "weight_decay": 0.01},
                {"params": [self.centres, self.bias], "lr": CLASS_RATE, "weight_decay": 0},
                {"params": [self.question_map, self.unit_map], "lr": MAP_RATE, "weight_decay": 0},
                {"params": [self.silence], "lr": SILENCE_RATE, "weight_decay": 0},
            ]
        )
        steps = EPOCHS * (len(self.meant) // BATCH)
        schedule = torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda step: min(1, (step + 1) / (steps * 0.1)) * max(0.02, 1 - step / steps)
        )
        asked, step = _incident_batches(posts, rng), 0
        self.top.train()
        for _ in range(EPOCHS):
            for batch in self._batches(rng):
                meaning, finding = self._meaning_loss(batch), self._finding_loss(*next(asked))
                optimizer.zero_grad()
                (meaning + finding).backward()
                nn.utils.clip_grad_norm_(tuned, 1.0)
                optimizer.step()
                schedule.step()
                step += 1
                if step % SAID_EVERY == 0:
                    losses = f"meaning {meaning.item():.2f}, finding {finding.item():.2f}"
                    say(f"step {step} of {steps}: {losses}")
        self.top.eval()

    def _vectors(self, texts: Sequence[str]) -> Tensor:
        vectors = self.top(*self.states.batch(texts))
        return functional.normalize(vectors - self.mean, dim=1)

    def _untrained(self) -> Tensor:
        self.top.eval()
        order = sorted(range(len(self.meant)), key=lambda i: self.states.length(self.meant[i].text))
        vectors: dict[int, Tensor] = {}
        with torch.no_grad():
            for start in range(0, len(order), BATCH):
                places = order[start : start + BATCH]
                made = self.top(*self.states.batch([self.meant[i].text for i in places]))
                vectors.update(zip(places, made, strict=True))
        return torch.stack([vectors[i] for i in range(len(order))])

    def _meaning_loss(self, batch: Sequence[int]) -> Tensor:
        """Return the classifier's loss: of the meaning, and of whether the post answers at all."""
        vectors = self._vectors([self.meant[i].text for i in batch])
        right = self.right[list(batch)]
        scores = vectors @ functional.normalize(self.centres, dim=1).T * SCALE + self.bias
        logs = scores.log_softmax(1)
        meaning = -logs.masked_fill(~right, -1e9).logsumexp(1).mean() - SMOOTHING * logs.mean()
        margin = scores[:, self.mine].logsumexp(1) - scores[:, ~self.mine].logsumexp(1)
        wanted = right[:, self.mine].any(1).float() * (1 - 2 * SMOOTHING) + SMOOTHING
        return meaning + functional.binary_cross_entropy_with_logits(margin, wanted)

    def _finding_loss(
        self, units: Sequence[str], asked: Sequence[tuple[str, tuple[int, ...]]]
    ) -> Tensor:
        """Return the loss of finding the unit of the post that answers, or silence."""
        vectors = self._vectors([*units, *(text for text, _ in asked)])
        unit = functional.normalize(vectors[: len(units)] @ self.unit_map, dim=1)
        question = functional.normalize(vectors[len(units) :] @ self.question_map, dim=1)
        silence = self.silence.expand(len(asked), 1)
        logs = torch.cat([question @ unit.T * SCALE, silence], 1).log_softmax(1)
        right = torch.zeros_like(logs, dtype=torch.bool)
        for row, (_, gold) in zip(right, asked, strict=True):
            row[list(gold) or [-1]] = True
        return -logs.masked_fill(~right, -1e9).logsumexp(1).mean()

    def _batches(self, rng: random.Random) -> list[list[int]]:
        order = list(range(len(self.meant)))
        rng.shuffle(order)
        batches: list[list[int]] = []
        for start in range(0, len(order), BATCH * NEAR):
            stretch = sorted(
                order[start : start + BATCH * NEAR],
                key=lambda i: self.states.length(self.meant[i].text) + 2 * rng.random(),
            )
            batches += [stretch[i : i + BATCH] for i in range(0, len(stretch), BATCH)]
        rng.shuffle(batches)
        return [b for b in batches if len(b) > BATCH // 8][: len(order) // BATCH]


def _incident_batches(
    posts: Sequence[PostQuestions], rng: random.Random
) -> Iterator[tuple[tuple[str, ...], list[tuple[str, tuple[int, ...]]]]]:
    """Yield endlessly the units of a post with some of its questions.

    Each question comes once before any comes again.
    """
    while True:
        queue = []
        for post in posts:
            asked = list(post.questions)
            rng.shuffle(asked)
            parts = range(0, len(asked), QUESTIONS)
            queue += [(post.units, asked[start : start + QUESTIONS]) for start in parts]
        rng.shuffle(queue)
        yield from queue


def _low_rank(model: Model, top: _Top) -> dict[str, npt.NDArray[np.float16]]:
    """Return the change of each matrix as two factors, left @ right, and of each vector whole."""
    arrays: dict[str, npt.NDArray[np.float16]] = {}
    for number, layer in enumerate(top.layers, FIRST_TUNED):
        for part, rows, columns in _shapes(model.width, model.inner_width):
            name, tuned = f"l{number}.{part}", getattr(layer, part)
            change = (
                tuned.weight.detach().numpy() - model.matrix(f"{name}.w", rows, columns).floats()
            )
            left, sizes, right = np.linalg.svd(change, full_matrices=False)
            arrays[f"{name}.w.left"] = (left[:, :RANK] * sizes[:RANK]).astype(np.float16)
            arrays[f"{name}.w.right"] = right[:RANK].astype(np.float16)
            shift = tuned.bias.detach().numpy() - model.floats(f"{name}.b", rows)
            arrays[f"{name}.b"] = shift.astype(np.float16)
        for part in ("aln", "oln"):
            for kind in ("weight", "bias"):
                name = f"l{number}.{part}.{kind[0]}"
                tuned = getattr(getattr(layer, part), kind).detach().numpy()
                arrays[name] = (tuned - model.floats(name, model.width)).astype(np.float16)
    return arrays
