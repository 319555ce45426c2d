"""A tiny ONNX model, byte by byte: one convolution of 1×1×1 and a sigmoid.

Source: onnx.proto of ONNX 1.23 (field numbers) and the protocol buffers' encoding; the real ONNX Runtime reads it.
"""

from __future__ import annotations

import struct

FLOAT = 1  # TensorProto.DataType


def varint(number: int) -> bytes:
    low, rest = number & 0x7F, number >> 7
    return bytes([low | 0x80]) + varint(rest) if rest else bytes([low])


def field(number: int, value: int | bytes | str) -> bytes:
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    content = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(content)) + content


def tensor(name: str, shape: tuple[int, ...], values: tuple[float, ...]) -> bytes:
    dims = b"".join(field(1, size) for size in shape)
    return dims + field(2, FLOAT) + field(8, name) + field(9, struct.pack(f"<{len(values)}f", *values))


def node(kind: str, inputs: tuple[str, ...], output: str) -> bytes:
    return b"".join(field(1, name) for name in inputs) + field(2, output) + field(4, kind)


def value(name: str, channels: int) -> bytes:
    sizes = (1, channels, "slices", "rows", "columns")
    dims = b"".join(field(1, field(1, s) if isinstance(s, int) else field(2, s)) for s in sizes)
    return field(1, name) + field(2, field(1, field(1, FLOAT) + field(2, dims)))


def threshold_model(weights: tuple[float, ...], bias: float) -> bytes:
    """sigmoid(Σ weight·channel + bias), for frames of any size."""
    graph = (
        field(1, node("Conv", ("x", "w", "b"), "logit"))
        + field(1, node("Sigmoid", ("logit",), "y"))
        + field(2, "threshold")
        + field(5, tensor("w", (1, len(weights), 1, 1, 1), weights))
        + field(5, tensor("b", (1,), (bias,)))
        + field(11, value("x", len(weights)))
        + field(12, value("y", 1))
    )
    return model(graph)


def sum_model(inputs: tuple[str, ...]) -> bytes:
    """The sum of one-channel images and of a constant."""
    graph = (
        field(1, node("Sum", (*inputs, "b"), "y"))
        + field(2, "sum")
        + field(5, tensor("b", (1, 1, 1, 1, 1), (0.5,)))
        + b"".join(field(11, value(name, 1)) for name in inputs)
        + field(12, value("y", 1))
    )
    return model(graph)


def model(graph: bytes) -> bytes:
    return field(1, 8) + field(7, graph) + field(8, field(1, "") + field(2, 17))
