"""Tunes the last layers of the encoder on many incidents; needs the `train` extra (PyTorch).

Three tasks are learned together: the meaning of the wordings and exercises of the shipped incident,
which unit of a post answers a question, if any, over all incidents whose authors are not held out,
and what a sentence or a message asks for. The labelled messages of the shipped incident and some
authors of requests are left out, because thresholds are chosen on them. The result that ships is a
low-rank change of each matrix: bot/data/e5_delta.npz.
"""

import random
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
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
from bot.adapters.e5_graph import MAXIMA_OF, MEANS_OF
from bot.adapters.e5_weights import FIRST_TUNED, Model, read_weights
from bot.answering.intent_classifier import SCALE, SMOOTHING
from bot.answering.request_classifier import PARTS, REACH
from evals.fitting.request_head import LabelledText

EPOCHS, BATCH = 3, 64
REQUEST_EPOCHS = 2  # of the sentences and messages that may ask for something
QUESTIONS = 28  # of one incident in a step, beside all units of its post
NEAR = 16  # batches cut from one shuffled stretch sorted by length: random, with little padding
RATE, CLASS_RATE, MAP_RATE, SILENCE_RATE, REQUEST_RATE = 8e-5, 2e-3, 5e-4, 1e-2, 1e-3
SILENCE = 12.0  # initial score of silence, which is that of a related unit
DROPOUT = 0.1
REQUEST_HIDDEN, REQUEST_DROPOUT = 128, 0.3
RANK = 32  # of the change of each matrix
THREADS = 2  # on a busy machine one is faster, because threads spin while they wait for each other
SOME = 5000  # texts whose pooled states give the mean that is subtracted from all
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
    asking: Sequence[LabelledText],
    *,
    classes: int,
    answered: Sequence[int],
    say: Callable[[str], None],
    seed: int = 0,
) -> dict[str, npt.NDArray[np.float16]]:
    """Return the arrays of the change, by the names that `read_delta` expects."""
    torch.manual_seed(seed)
    torch.set_num_threads(THREADS)
    rng = random.Random(seed)  # noqa: S311 - reproducible, not secret
    texts = [m.text for m in meant]
    texts += [t for p in posts for t in (*p.units, *(q for q, _ in p.questions))]
    texts += [a.text for a in asking]
    states = _LowerStates(encoder, list(dict.fromkeys(texts)), say)
    model = read_weights(encoder.source())
    course = _JointTraining(_Top(model), states, meant, asking, classes=classes, answered=answered)
    course.run(posts, rng, say)
    return _low_rank(model, course.top)


class _LowerStates:
    """The output of the untuned layers for each text, computed once, in half precision."""

    def __init__(self, encoder: E5, texts: Sequence[str], say: Callable[[str], None]) -> None:
        session = _lower_session(encoder.converted_folder())
        self.states: dict[str, npt.NDArray[np.float16]] = {}

        def read(text: str) -> npt.NDArray[np.float16]:
            ids = np.array(encoder.token_ids(text), dtype=np.int64)
            return np.asarray(session.run(None, {"input_ids": ids})[0], np.float16)

        with ThreadPoolExecutor(THREADS) as threads:
            for count, (text, state) in enumerate(
                zip(texts, threads.map(read, texts), strict=True), 1
            ):
                self.states[text] = state
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
        """Return the vectors, texts x width."""
        return self.pooled(states, there)[:, -1]

    def pooled(self, states: Tensor, there: Tensor) -> Tensor:
        """Return what the shipped graph pools of each text, and its vector: texts x PARTS x width.

        Means of layers come first, then maxima, as in e5_graph.py.
        """
        mask = torch.where(there, 0.0, -1e9)[:, None, None, :]
        layers = {FIRST_TUNED - 1: states}
        for number, layer in enumerate(self.layers, FIRST_TUNED):
            layers[number] = layer(layers[number - 1], mask)
        weight = there[..., None].float()

        def mean(number: int) -> Tensor:
            return (layers[number] * weight).sum(1) / weight.sum(1)

        def maximum(number: int) -> Tensor:
            return layers[number].masked_fill(~there[..., None], -1e9).amax(1)

        vector = functional.normalize(mean(max(layers)), dim=1)
        parts = [*map(mean, MEANS_OF), *map(maximum, MAXIMA_OF), vector]
        return torch.stack(parts, 1)


class _JointTraining:
    """The training of all tasks, with their own parameters beside those of the encoder."""

    def __init__(
        self,
        top: _Top,
        states: _LowerStates,
        meant: Sequence[ClassifiedText],
        asking: Sequence[LabelledText],
        *,
        classes: int,
        answered: Sequence[int],
    ) -> None:
        self.top, self.states, self.meant, self.asking = top, states, meant, asking
        self.right = torch.zeros((len(meant), classes), dtype=torch.bool)
        for row, example in zip(self.right, meant, strict=True):
            row[list(example.meanings)] = True
        self.mine = torch.zeros(classes, dtype=torch.bool)
        self.mine[list(answered)] = True
        start = self._untrained([m.text for m in meant])[:, -1]
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
        some = asking[:: max(1, len(asking) // SOME)]
        self.means = self._untrained([a.text for a in some]).mean(0)
        self.requests = _RequestHead(PARTS * width, len(asking[0].wanted))

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
                {"params": self.requests.parameters(), "lr": REQUEST_RATE, "weight_decay": 0.05},
            ]
        )
        batches = len(self.meant) // BATCH
        steps = EPOCHS * batches
        schedule = torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda step: min(1, (step + 1) / (steps * 0.1)) * max(0.02, 1 - step / steps)
        )
        asked, step = _incident_batches(posts, rng), 0
        asking = self._request_batches(-(-len(self.asking) * REQUEST_EPOCHS // steps), rng)
        self.top.train()
        self.requests.train()
        for _ in range(EPOCHS):
            for batch in _batches(self._lengths(self.meant), BATCH, rng)[:batches]:
                meaning, finding = self._meaning_loss(batch), self._finding_loss(*next(asked))
                request = self._request_loss(next(asking))
                optimizer.zero_grad()
                (meaning + finding + request).backward()
                nn.utils.clip_grad_norm_(tuned, 1.0)
                optimizer.step()
                schedule.step()
                step += 1
                if step % SAID_EVERY == 0:
                    losses = f"meaning {meaning.item():.2f}, finding {finding.item():.2f}"
                    say(f"step {step} of {steps}: {losses}, requests {request.item():.2f}")
        self.top.eval()

    def _vectors(self, texts: Sequence[str]) -> Tensor:
        vectors = self.top(*self.states.batch(texts))
        return functional.normalize(vectors - self.mean, dim=1)

    def _untrained(self, texts: Sequence[str]) -> Tensor:
        """Return what is pooled of each text before any training, texts x PARTS x width."""
        self.top.eval()
        order = sorted(range(len(texts)), key=lambda i: self.states.length(texts[i]))
        pooled: dict[int, Tensor] = {}
        with torch.no_grad():
            for start in range(0, len(order), BATCH):
                places = order[start : start + BATCH]
                made = self.top.pooled(*self.states.batch([texts[i] for i in places]))
                pooled.update(zip(places, made, strict=True))
        return torch.stack([pooled[i] for i in range(len(order))])

    def _lengths(self, texts: Sequence[ClassifiedText] | Sequence[LabelledText]) -> list[int]:
        return [self.states.length(each.text) for each in texts]

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

    def _request_loss(self, batch: Sequence[int]) -> Tensor:
        """Return the loss of what the texts ask for: of each output apart, summed over them."""
        pooled = self.top.pooled(*self.states.batch([self.asking[i].text for i in batch]))
        state = functional.normalize(pooled - self.means, dim=2).flatten(1)
        wanted = torch.from_numpy(np.stack([self.asking[i].wanted for i in batch]))
        weights = torch.from_numpy(np.stack([self.asking[i].weights for i in batch]))
        losses = functional.binary_cross_entropy_with_logits(
            self.requests(REACH * state), wanted, weights, reduction="sum"
        )
        return losses / len(batch)

    def _request_batches(self, size: int, rng: random.Random) -> Iterator[list[int]]:
        lengths = self._lengths(self.asking)
        while True:
            yield from _batches(lengths, size, rng)


class _RequestHead(nn.Module):
    """A hidden layer and a linear map beside it, to the log-odds of each output."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.hidden = nn.Linear(inputs, REQUEST_HIDDEN)
        self.outer = nn.Linear(REQUEST_HIDDEN, outputs)
        self.direct = nn.Linear(inputs, outputs, bias=False)
        nn.init.zeros_(self.direct.weight)
        nn.init.constant_(self.outer.bias, -2)

    def forward(self, state: Tensor) -> Tensor:
        kept = functional.dropout(state, REQUEST_DROPOUT, self.training)
        hidden = functional.relu(self.hidden(kept))
        scores: Tensor = self.outer(hidden) + self.direct(kept)
        return scores


def _batches(lengths: Sequence[int], size: int, rng: random.Random) -> list[list[int]]:
    """Return places in batches of `size` in random order; a batch has texts of similar length."""
    order = list(range(len(lengths)))
    rng.shuffle(order)
    batches: list[list[int]] = []
    for start in range(0, len(order), size * NEAR):
        stretch = sorted(
            order[start : start + size * NEAR], key=lambda i: lengths[i] + 2 * rng.random()
        )
        batches += [stretch[i : i + size] for i in range(0, len(stretch), size)]
    rng.shuffle(batches)
    return [batch for batch in batches if len(batch) > size // 8]


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
