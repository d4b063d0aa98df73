"""MiniLM in PyTorch, for tuning only; the same tensors as bot.adapters.onnx_graph reads."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import Tensor, nn
from torch.nn import functional

from bot.adapters.weights import Tensors, read_tensors

WIDTH, INNER, HEADS, LAYERS = 384, 1536, 12, 6
EPSILON = 1e-12
MAX_TOKENS = 64  # in training; longer mails are read by their questions
PARTS = {
    "query": "attention.self.query",
    "key": "attention.self.key",
    "value": "attention.self.value",
    "mix": "attention.output.dense",
    "norm1": "attention.output.LayerNorm",
    "grow": "intermediate.dense",
    "shrink": "output.dense",
    "norm2": "output.LayerNorm",
}


class Layer(nn.Module):  # type: ignore[misc]
    """One transformer layer."""

    def __init__(self, dropout: float) -> None:
        super().__init__()
        self.dropout = dropout
        for name in ("query", "key", "value", "mix"):
            setattr(self, name, nn.Linear(WIDTH, WIDTH))
        self.grow, self.shrink = nn.Linear(WIDTH, INNER), nn.Linear(INNER, WIDTH)
        self.norm1 = nn.LayerNorm(WIDTH, eps=EPSILON)
        self.norm2 = nn.LayerNorm(WIDTH, eps=EPSILON)

    def forward(self, state: Tensor, mask: Tensor) -> Tensor:
        """state: batch x tokens x 384."""
        size, length, _ = state.shape
        rate = self.dropout if self.training else 0.0

        def heads(part: nn.Linear) -> Tensor:
            return part(state).view(size, length, HEADS, WIDTH // HEADS).transpose(1, 2)

        mixed = functional.scaled_dot_product_attention(
            heads(self.query), heads(self.key), heads(self.value), attn_mask=mask, dropout_p=rate
        )
        mixed = self.mix(mixed.transpose(1, 2).reshape(size, length, WIDTH))
        state = self.norm1(state + functional.dropout(mixed, rate, self.training))
        grown = self.shrink(functional.gelu(self.grow(state)))
        return self.norm2(state + functional.dropout(grown, rate, self.training))


class Net(nn.Module):  # type: ignore[misc]
    """Texts in, mean token states out; embeddings and `frozen` bottom layers stay fixed."""

    def __init__(self, weights: Path, *, frozen: int, dropout: float = 0.1) -> None:
        super().__init__()
        self.tensors = read_tensors(weights / "model.safetensors")
        self.tokenizer = Tokenizer.from_file(str(weights / "tokenizer.json"))
        self.tokenizer.no_padding()
        self.tokenizer.enable_truncation(MAX_TOKENS)
        self.words = nn.Embedding(*self.tensors["embeddings.word_embeddings.weight"].shape)
        self.spots = nn.Embedding(*self.tensors["embeddings.position_embeddings.weight"].shape)
        self.kind = nn.Parameter(torch.zeros(WIDTH))
        self.norm = nn.LayerNorm(WIDTH, eps=EPSILON)
        rates = [0.0 if number < frozen else dropout for number in range(LAYERS)]
        self.layers = nn.ModuleList([Layer(rate) for rate in rates])
        self._load()
        self.requires_grad_(requires_grad=False)
        for layer in self.layers[frozen:]:
            layer.requires_grad_(requires_grad=True)

    def forward(self, texts: Sequence[str]) -> Tensor:
        """batch x 384, not normalised."""
        ids, there = self._batch(texts)
        state = self.norm(self.words(ids) + self.spots.weight[: ids.shape[1]] + self.kind)
        mask = torch.where(there, 0.0, -1e9)[:, None, None, :]
        for layer in self.layers:
            state = layer(state, mask)
        weight = there[..., None].float()
        return (state * weight).sum(1) / weight.sum(1)

    def vectors(self, texts: Sequence[str]) -> np.ndarray:
        """Unit vectors of `texts` in order; shape (len, 384)."""
        self.eval()
        order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
        found = np.zeros((len(texts), WIDTH), dtype=np.float32)
        with torch.no_grad():
            for start in range(0, len(order), 64):
                places = order[start : start + 64]
                states = functional.normalize(self([texts[i] for i in places]), dim=1)
                found[places] = states.numpy()
        return found

    def delta(self, rank: int) -> dict[str, np.ndarray]:
        """What tuning changed, as rank-limited factors in half precision."""
        changes: dict[str, np.ndarray] = {}
        for name, value in self._tensors().items():
            change = value - self.tensors[name]
            if not np.abs(change).max() > 0:
                continue
            if change.ndim == 1:
                changes[f"{name}|whole"] = change.astype(np.float16)
                continue
            left, scale, right = np.linalg.svd(change, full_matrices=False)
            root = np.sqrt(scale[:rank])
            changes[f"{name}|left"] = (left[:, :rank] * root).astype(np.float16)
            changes[f"{name}|right"] = (root[:, None] * right[:rank]).astype(np.float16)
        return changes

    def overwrite(self, tensors: Tensors) -> None:
        """Replace the layers' tensors by `tensors`, as the running desk will read them."""
        with torch.no_grad():
            for number, layer in enumerate(self.layers):
                for part, name in PARTS.items():
                    module = getattr(layer, part)
                    module.weight.copy_(
                        torch.tensor(tensors[f"encoder.layer.{number}.{name}.weight"])
                    )
                    module.bias.copy_(torch.tensor(tensors[f"encoder.layer.{number}.{name}.bias"]))

    def _load(self) -> None:
        found = {
            name.removeprefix("embeddings."): torch.tensor(value)
            for name, value in self.tensors.items()
            if name.startswith("embeddings.")
        }
        with torch.no_grad():
            self.words.weight.copy_(found["word_embeddings.weight"])
            self.spots.weight.copy_(found["position_embeddings.weight"])
            self.kind.copy_(found["token_type_embeddings.weight"][0])
            self.norm.weight.copy_(found["LayerNorm.weight"])
            self.norm.bias.copy_(found["LayerNorm.bias"])
        self.overwrite(self.tensors)

    def _tensors(self) -> Tensors:
        found: Tensors = {}
        for number, layer in enumerate(self.layers):
            for part, name in PARTS.items():
                module = getattr(layer, part)
                found[f"encoder.layer.{number}.{name}.weight"] = module.weight.detach().numpy()
                found[f"encoder.layer.{number}.{name}.bias"] = module.bias.detach().numpy()
        return found

    def _batch(self, texts: Sequence[str]) -> tuple[Tensor, Tensor]:
        rows = [e.ids for e in self.tokenizer.encode_batch(list(texts))]
        ids = torch.zeros((len(rows), max(map(len, rows))), dtype=torch.long)
        there = torch.zeros_like(ids, dtype=torch.bool)
        for place, row in enumerate(rows):
            ids[place, : len(row)] = torch.tensor(row)
            there[place, : len(row)] = True
        return ids, there
