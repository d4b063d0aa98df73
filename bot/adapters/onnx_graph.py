"""MiniLM tensors -> an ONNX graph (token ids in, unit vector out), written with onnx.helper alone.

One sentence per call and so no padding and no attention mask: 4-5 ms on one thread.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from bot.adapters.weights import Tensors

LAYERS, HEADS, WIDTH = 6, 12, 384
OPSET, IR = 18, 9


class _Graph:
    """Collects nodes and constants under unique names."""

    def __init__(self, tensors: Tensors) -> None:
        self.tensors = tensors
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def constant(self, name: str, value: object) -> str:
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def node(self, operation: str, inputs: Sequence[str], output: str, **attributes: object) -> str:
        self.nodes.append(helper.make_node(operation, list(inputs), [output], **attributes))
        return output

    def linear(self, value: str, weights: str, output: str) -> str:
        matrix = self.constant(f"{weights}.W", self.tensors[f"{weights}.weight"].T)
        bias = self.constant(f"{weights}.b", self.tensors[f"{weights}.bias"])
        return self.node(
            "Add", [self.node("MatMul", [value, matrix], f"{output}.mm"), bias], output
        )

    def norm(self, value: str, weights: str, output: str) -> str:
        scale = self.constant(f"{weights}.g", self.tensors[f"{weights}.weight"])
        bias = self.constant(f"{weights}.b", self.tensors[f"{weights}.bias"])
        inputs = [value, scale, bias]
        return self.node("LayerNormalization", inputs, output, axis=-1, epsilon=1e-12)


def export(tensors: Tensors, path: Path) -> None:
    """Write the model to `path`, whole or not at all."""
    graph = _Graph(tensors)
    value = _embeddings(graph)
    for layer in range(LAYERS):
        value = _layer(graph, value, f"encoder.layer.{layer}.")
    axes = graph.constant("mean_axis", np.array([0]))
    mean = graph.node("ReduceMean", [value, axes], "mean", keepdims=1)
    graph.node("LpNormalization", [mean], "embedding", axis=-1, p=2)
    model = helper.make_model(
        helper.make_graph(
            graph.nodes,
            "minilm",
            [helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["tokens"])],
            [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, [1, WIDTH])],
            graph.constants,
        ),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR,
    )
    onnx.checker.check_model(model)
    part = path.with_suffix(".part")
    onnx.save(model, part)
    part.replace(path)


def _embeddings(graph: _Graph) -> str:
    words = graph.constant("words", graph.tensors["embeddings.word_embeddings.weight"])
    spots = graph.constant("spots", graph.tensors["embeddings.position_embeddings.weight"])
    kind = graph.constant("kind", graph.tensors["embeddings.token_type_embeddings.weight"][0])
    start = graph.constant("start", np.array([0]))
    word = graph.node("Gather", [words, "input_ids"], "word")
    length = graph.node("Shape", ["input_ids"], "length")
    spot = graph.node("Slice", [spots, start, length], "spot")
    total = graph.node("Add", [graph.node("Add", [word, spot], "placed"), kind], "typed")
    return graph.norm(total, "embeddings.LayerNorm", "embedded")


def _layer(graph: _Graph, value: str, prefix: str) -> str:
    mixed = graph.linear(
        _attention(graph, value, prefix), prefix + "attention.output.dense", prefix + "o"
    )
    summed = graph.node("Add", [mixed, value], prefix + "sum1")
    value = graph.norm(summed, prefix + "attention.output.LayerNorm", prefix + "n1")
    inner = _gelu(graph, graph.linear(value, prefix + "intermediate.dense", prefix + "i"), prefix)
    outer = graph.linear(inner, prefix + "output.dense", prefix + "d")
    summed = graph.node("Add", [outer, value], prefix + "sum2")
    return graph.norm(summed, prefix + "output.LayerNorm", prefix + "n2")


def _attention(graph: _Graph, value: str, prefix: str) -> str:
    split = graph.constant(prefix + "split", np.array([-1, HEADS, WIDTH // HEADS]))
    flat = graph.constant(prefix + "flat", np.array([-1, WIDTH]))
    scale = graph.constant(prefix + "scale", np.float32((WIDTH // HEADS) ** -0.5))
    turned = {}
    for name, order in (("query", [1, 0, 2]), ("key", [1, 2, 0]), ("value", [1, 0, 2])):
        line = graph.linear(value, f"{prefix}attention.self.{name}", prefix + name)
        parted = graph.node("Reshape", [line, split], f"{prefix}{name}.heads")
        turned[name] = graph.node("Transpose", [parted], f"{prefix}{name}.turned", perm=order)
    score = graph.node("MatMul", [turned["query"], turned["key"]], prefix + "score")
    weight = graph.node(
        "Softmax", [graph.node("Mul", [score, scale], prefix + "scaled")], prefix + "weight"
    )
    context = graph.node("MatMul", [weight, turned["value"]], prefix + "context")
    back = graph.node("Transpose", [context], prefix + "back", perm=[1, 0, 2])
    return graph.node("Reshape", [back, flat], prefix + "joined")


def _gelu(graph: _Graph, value: str, prefix: str) -> str:
    root = graph.constant(prefix + "root", np.float32(2**-0.5))
    one, half = (
        graph.constant(prefix + "one", np.float32(1)),
        graph.constant(prefix + "half", np.float32(0.5)),
    )
    erf = graph.node("Erf", [graph.node("Mul", [value, root], prefix + "g1")], prefix + "g2")
    gate = graph.node("Mul", [value, graph.node("Add", [erf, one], prefix + "g3")], prefix + "g4")
    return graph.node("Mul", [gate, half], prefix + "g5")
