"""Writes multilingual-e5-small as an ONNX graph: token ids of one text in, its unit vector out.

Beside that vector the graph outputs pooled states of middle layers. These still hold who is to do
what, which the last layer, trained to find similar texts, has mostly dropped.

A call takes one text, so that there is no padding and no attention mask. Matrices stay in 4-bit
blocks, except those of the tuned layers: of the word embeddings only the rows of the text are
unpacked, and the other layers run on `MatMulNBits` of ONNX Runtime. The weights lie in a file of
their own beside the graph, which ONNX Runtime maps into memory: without the tuning that takes 31 MB
of memory, where a single file takes 122 MB.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from bot.adapters.e5_weights import BLOCK, Delta, Model, QuantizedMatrix

OPSET, IR_VERSION = 18, 9
MICROSOFT = "com.microsoft"  # the domain of ONNX Runtime's own operators
ACCURACY = 4  # of MatMulNBits: activations in 8 bits, about twice as fast as in floats
# The layers, counted from 0, whose mean over the tokens, and whose maximum, are output. Chosen on
# messages of held-out authors: with these four a head refuses twice as many demands.
MEANS_OF, MAXIMA_OF = (8, 10), (7, 11)
POOLED = len(MEANS_OF) + len(MAXIMA_OF)
SMALLEST_APART = 1024  # bytes from which on a tensor is stored in the file of weights


class _Graph:
    """The graph under construction: its nodes and constants; a constant is named after its use."""

    def __init__(self, model: Model, delta: Delta) -> None:
        self.model = model
        self.delta = delta
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def constant(self, name: str, value: object) -> str:
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def node(self, operation: str, inputs: Sequence[str], output: str, **attributes: object) -> str:
        made = helper.make_node(operation, list(inputs), [output], **attributes)
        self.nodes.append(made)
        return output

    def linear(self, value: str, name: str, output: str, *, inputs: int, outputs: int) -> str:
        """Add `value` times the transposed matrix `name`, plus its bias; return the output's name.

        A tuned matrix is stored in float32, any other in 4-bit blocks.
        """
        matrix = self.model.matrix(f"{name}.w", outputs, inputs)
        bias = self.constant(f"{output}.bias", self.vector(f"{name}.b", outputs))
        change = self.delta.matrix(f"{name}.w")
        if change is not None:  # 4 bits would round the tuning away
            tuned = self.constant(f"{output}.matrix", (matrix.floats() + change).T)
            product = self.node("MatMul", [value, tuned], f"{output}.product")
            return self.node("Add", [product, bias], output)
        packed = self.constant(f"{output}.matrix", _packed(matrix))
        scales = self.constant(f"{output}.scales", matrix.scales.astype(np.float32).reshape(-1))
        product = self.node(
            "MatMulNBits", [value, packed, scales], f"{output}.product", domain=MICROSOFT,
            K=inputs, N=outputs, bits=4, block_size=BLOCK, accuracy_level=ACCURACY,
        )  # fmt: skip
        return self.node("Add", [product, bias], output)

    def vector(self, name: str, size: int) -> npt.NDArray[np.float32]:
        """Return the one-dimensional tensor `name` with its tuning, shape (size,)."""
        return np.asarray(self.model.floats(name, size) + self.delta.vector(name), np.float32)

    def norm(self, value: str, name: str, output: str) -> str:
        width = self.model.width
        scale = self.constant(f"{output}.scale", self.vector(f"{name}.w", width))
        bias = self.constant(f"{output}.bias", self.vector(f"{name}.b", width))
        inputs = [value, scale, bias]
        return self.node("LayerNormalization", inputs, output, axis=-1, epsilon=self.model.epsilon)


def export_graph(model: Model, delta: Delta, path: Path) -> None:
    """Write the graph to `path` and the weights to a file beside it; neither may exist."""
    graph = _Graph(model, delta)
    value = _embeddings(graph)
    values = []
    for layer in range(model.layers):
        value = _layer(graph, value, layer)
        values.append(value)
    axes = graph.constant("mean.axes", np.array([0]))
    mean = graph.node("ReduceMean", [value, axes], "mean", keepdims=1)
    graph.node("LpNormalization", [mean], "embedding", axis=-1, p=2)
    parts = [
        graph.node(operation, [values[layer], axes], f"layer{layer}.{operation}", keepdims=1)
        for operation, layers in (("ReduceMean", MEANS_OF), ("ReduceMax", MAXIMA_OF))
        for layer in layers
    ]
    graph.node("Concat", parts, "pooled", axis=0)
    graph_model = helper.make_model(
        helper.make_graph(
            graph.nodes,
            "multilingual-e5-small",
            [helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["tokens"])],
            [
                helper.make_tensor_value_info(name, TensorProto.FLOAT, [rows, model.width])
                for name, rows in (("embedding", 1), ("pooled", POOLED))
            ],
            graph.constants,
        ),
        opset_imports=[helper.make_opsetid("", OPSET), helper.make_opsetid(MICROSOFT, 1)],
        ir_version=IR_VERSION,
    )
    weights = path.with_suffix(".weights")
    onnx.save(
        graph_model, path, save_as_external_data=True, all_tensors_to_one_file=True,
        location=weights.name, size_threshold=SMALLEST_APART,
    )  # fmt: skip
    weights.chmod(path.stat().st_mode)  # onnx makes it readable for its owner alone


def _packed(matrix: QuantizedMatrix) -> npt.NDArray[np.uint8]:
    """Return two neighbouring weights a byte, the first in the low half, as MatMulNBits reads."""
    packed = matrix.nibbles[:, :, 0::2] | (matrix.nibbles[:, :, 1::2] << 4)
    return packed.astype(np.uint8)


def _embeddings(graph: _Graph) -> str:
    """Add the normalized sum of word, position and segment embeddings of each token."""
    model = graph.model
    table = graph.constant("positions", model.floats("emb.pos", model.positions, model.width))
    start = graph.constant("start", np.array([0]))
    length = graph.node("Shape", ["input_ids"], "length")
    position = graph.node("Slice", [table, start, length], "position")
    segment = graph.constant("segment", model.floats("emb.type", model.width))
    placed = graph.node("Add", [_words(graph), position], "placed")
    return graph.norm(graph.node("Add", [placed, segment], "summed"), "emb.ln", "embedded")


def _words(graph: _Graph) -> str:
    """Add the unpacked word embedding of each token: (nibble - 8) * scale of its block."""
    model = graph.model
    matrix = model.matrix("emb.word", model.vocabulary_size, model.width)
    packed = graph.constant("words", _packed(matrix).reshape(model.vocabulary_size, -1))
    scales = graph.constant("words.scales", matrix.scales)
    rows = graph.node("Gather", [packed, "input_ids"], "rows")  # (tokens, width / 2)
    low = graph.node("BitwiseAnd", [rows, graph.constant("mask", np.uint8(15))], "low")
    shift = graph.constant("shift", np.uint8(4))
    high = graph.node("BitShift", [rows, shift], "high", direction="RIGHT")
    last = graph.constant("last", np.array([2]))
    halves = [graph.node("Unsqueeze", [half, last], f"{half}.column") for half in (low, high)]
    pairs = graph.node("Concat", halves, "pairs", axis=2)  # (tokens, width / 2, 2)
    numbers = graph.node("Cast", [pairs], "numbers", to=TensorProto.FLOAT)
    signed = graph.node("Sub", [numbers, graph.constant("eight", np.float32(8))], "signed")
    shape = graph.constant("blocks.shape", np.array([-1, model.width // BLOCK, BLOCK]))
    blocks = graph.node("Reshape", [signed, shape], "blocks")
    chosen = graph.node("Gather", [scales, "input_ids"], "chosen")
    scale = graph.node("Cast", [chosen], "scale", to=TensorProto.FLOAT)
    column = graph.node("Unsqueeze", [scale, last], "scale.column")
    scaled = graph.node("Mul", [blocks, column], "scaled")
    flat = graph.constant("words.shape", np.array([-1, model.width]))
    return graph.node("Reshape", [scaled, flat], "word")


def _layer(graph: _Graph, value: str, layer: int) -> str:
    """Add a transformer layer: attention, then two linear maps with GELU between them."""
    width, inner, stored, prefix = (
        graph.model.width, graph.model.inner_width, f"l{layer}", f"layer{layer}.",
    )  # fmt: skip
    context = _attention(graph, value, stored, prefix)
    mixed = graph.linear(context, f"{stored}.ao", f"{prefix}mixed", inputs=width, outputs=width)
    summed = graph.node("Add", [mixed, value], f"{prefix}mixed.sum")
    value = graph.norm(summed, f"{stored}.aln", f"{prefix}mixed.norm")
    grown = graph.linear(value, f"{stored}.fi", f"{prefix}inner", inputs=width, outputs=inner)
    active = graph.node("Gelu", [grown], f"{prefix}gelu", domain=MICROSOFT)
    outer = graph.linear(active, f"{stored}.fo", f"{prefix}outer", inputs=inner, outputs=width)
    summed = graph.node("Add", [outer, value], f"{prefix}outer.sum")
    return graph.norm(summed, f"{stored}.oln", f"{prefix}outer.norm")


def _attention(graph: _Graph, value: str, stored: str, prefix: str) -> str:
    width, heads = graph.model.width, graph.model.heads
    split = graph.constant(f"{prefix}split", np.array([-1, heads, width // heads]))
    flat = graph.constant(f"{prefix}flat", np.array([-1, width]))
    scale = graph.constant(f"{prefix}scale", np.float32((width // heads) ** -0.5))
    turned = {}
    for part, order in (("q", [1, 0, 2]), ("k", [1, 2, 0]), ("v", [1, 0, 2])):
        name = f"{prefix}{part}"
        line = graph.linear(value, f"{stored}.{part}", name, inputs=width, outputs=width)
        parted = graph.node("Reshape", [line, split], f"{name}.heads")
        turned[part] = graph.node("Transpose", [parted], f"{name}.turned", perm=order)
    score = graph.node("MatMul", [turned["q"], turned["k"]], f"{prefix}score")
    scaled = graph.node("Mul", [score, scale], f"{prefix}scaled")
    weight = graph.node("Softmax", [scaled], f"{prefix}weight")
    context = graph.node("MatMul", [weight, turned["v"]], f"{prefix}context")
    back = graph.node("Transpose", [context], f"{prefix}back", perm=[1, 0, 2])
    return graph.node("Reshape", [back, flat], f"{prefix}joined")
