"""Graphs written down node by node, with their gradients, instead of traced.

TensorFlow's tracing takes 0.3 to 0.6 ms of Python for every node, and a sampled network has a thousand: as long as
fifty gradient steps. Here a node is one record, a kernel's gradient one rule, and the finished list becomes a function
that TensorFlow prepares and runs as any other. What it takes of TensorFlow's inner modules is in :class:`Function`.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import tensorflow as tf
from tensorflow.core.framework import function_pb2, node_def_pb2, types_pb2
from tensorflow.python.eager import context, execute

_OUTPUTS = {
    "AddV2": "z",
    "AddN": "sum",
    "FusedBatchNorm": ("y", "batch_mean", "batch_variance", "reserve_space_1", "reserve_space_2"),
    "FusedBatchNormGrad": ("x_backprop", "scale_backprop", "offset_backprop"),
    "MatMul": "product",
    "Mul": "z",
    "Relu": "activations",
    "ReluGrad": "backprops",
    "Rsqrt": "y",
    "Square": "y",
    "SoftmaxCrossEntropyWithLogits": ("loss", "backprop"),
    "Sub": "z",
    "ZerosLike": "y",
}
"""Names of outputs; ``output`` where nothing is said."""
_NUMBERS = itertools.count()
_TYPES = {
    tf.float32: types_pb2.DT_FLOAT,
    tf.int32: types_pb2.DT_INT32,
    tf.int64: types_pb2.DT_INT64,
    tf.uint8: types_pb2.DT_UINT8,
}


@dataclass(frozen=True)
class Value:
    """A tensor of a written graph.

    Args:
        name: of the output of a node, as a function's definition spells it.
        shape: -1 where any number will do.
        varies: whether gradients are asked for.
    """

    name: str
    shape: tuple[int, ...]
    varies: bool


Backward = Callable[[Value], Sequence[Value | None]]


class Graph:
    """A graph that is being written. Numbers are float32 unless an argument says otherwise, shapes and axes int32."""

    def __init__(self) -> None:
        self._nodes: list[node_def_pb2.NodeDef] = []
        self._arguments: list[tuple[str, tf.DType]] = []
        self._called: list[tf.types.experimental.ConcreteFunction] = []
        self._constants: dict[object, str] = {}
        self._rules: list[tuple[Value, tuple[Value, ...], Backward]] = []

    def argument(self, shape: tuple[int, ...], *, varies: bool = False, dtype: tf.DType = tf.float32) -> Value:
        """The next argument of the function."""
        value = Value(f"argument{len(self._arguments)}", shape, varies)
        self._arguments.append((value.name, dtype))
        return value

    def call(self, function: tf.types.experimental.ConcreteFunction, inputs: Sequence[Value]) -> list[Value]:
        """Results of a traced function without variables; they do not vary."""
        results = function.outputs
        names = self.node(
            "PartitionedCall",
            inputs,
            len(results),
            f=function,
            Tin=[tensor.dtype for tensor in function.inputs],
            Tout=[tensor.dtype for tensor in results],
        )
        # TensorFlow forgets a function with its Python object.
        self._called.append(function)
        return [
            Value(name, tuple(-1 if length is None else length for length in tensor.shape), False)
            for name, tensor in zip(names, results, strict=True)
        ]

    def node(
        self, op: str, inputs: Sequence[object], /, outputs: int = 1, after: str = "", **attributes: Any
    ) -> list[str]:
        """Writes a node and returns the names of its outputs.

        Args:
            op: as TensorFlow calls it.
            inputs: values or names.
            outputs: how many there are, where the kernel has as many as one wishes.
            after: the name of a value that has to be there before the node runs.
            attributes: numbers, words, lists of numbers, types, lists of types, functions.
        """
        node = node_def_pb2.NodeDef(name=f"n{len(self._nodes)}", op=op)
        node.input.extend(value.name if isinstance(value, Value) else str(value) for value in inputs)
        if after:
            node.input.append("^" + after.partition(":")[0])
        for name, value in attributes.items():
            _set(node.attr[name], value)
        self._nodes.append(node)
        names = _OUTPUTS.get(op, "output")
        if isinstance(names, tuple):
            return [f"{node.name}:{name}:0" for name in names]
        return [f"{node.name}:{names}:{place}" for place in range(outputs)]

    def constant(self, value: Any, dtype: tf.DType = tf.int32) -> str:
        """A constant, written once; ``value`` is a number or nested tuples."""
        key = (value, dtype)
        if key not in self._constants:
            node = node_def_pb2.NodeDef(name=f"n{len(self._nodes)}", op="Const")
            node.attr["dtype"].type = _TYPES[dtype]
            node.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(value, dtype))
            self._nodes.append(node)
            self._constants[key] = f"{node.name}:output:0"
        return self._constants[key]

    def filled(self, value: float, shape: tuple[int, ...]) -> str:
        """A float constant of one number."""
        key = ("filled", value, shape)
        if key not in self._constants:
            node = node_def_pb2.NodeDef(name=f"n{len(self._nodes)}", op="Const")
            node.attr["dtype"].type = types_pb2.DT_FLOAT
            tensor = node.attr["value"].tensor
            tensor.dtype = types_pb2.DT_FLOAT
            for length in shape:
                tensor.tensor_shape.dim.add(size=length)
            tensor.float_val.append(value)
            self._nodes.append(node)
            self._constants[key] = f"{node.name}:output:0"
        return self._constants[key]

    def result(self, name: str, shape: tuple[int, ...], inputs: Sequence[Value], backward: Backward | None) -> Value:
        """The value of a node; ``backward`` makes the gradients of ``inputs`` from the value's, where they vary."""
        varies = backward is not None and any(value.varies for value in inputs)
        value = Value(name, shape, varies)
        if varies:
            assert backward is not None
            self._rules.append((value, tuple(inputs), backward))
        return value

    def gradients(self, of: Value, upstream: Value, wanted: Sequence[Value]) -> list[Value | None]:
        """Writes the gradients of ``wanted`` on the way from ``of``, whose gradient is ``upstream``; None for none."""
        found: dict[str, list[Value]] = {of.name: [upstream]}
        for value, inputs, backward in reversed(self._rules):
            if value.name not in found:
                continue
            for source, gradient in zip(inputs, backward(self._sum(found.pop(value.name))), strict=True):
                if gradient is not None and source.varies:
                    found.setdefault(source.name, []).append(gradient)
        return [self._sum(found[value.name]) if value.name in found else None for value in wanted]

    def _sum(self, parts: Sequence[Value]) -> Value:
        if len(parts) == 1:
            return parts[0]
        [name] = self.node("AddN", parts, N=len(parts), T=tf.float32)
        return Value(name, parts[0].shape, False)

    def function(self, results: Sequence[Value]) -> Function:
        """The function from the arguments to ``results``."""
        return Function(self._nodes, self._arguments, [value.name for value in results], self._called)


class Function:
    """A written graph that TensorFlow can run: tensors in, float32 tensors out. Forgotten with the object.

    Args:
        nodes: of the graph.
        arguments: names of values, and their types.
        results: names of values.
        called: functions that nodes call.
    """

    def __init__(
        self,
        nodes: Sequence[node_def_pb2.NodeDef],
        arguments: Sequence[tuple[str, tf.DType]],
        results: Sequence[str],
        called: Sequence[tf.types.experimental.ConcreteFunction] = (),
    ) -> None:
        definition = function_pb2.FunctionDef()
        self._context = context.context()
        self._called = tuple(called)
        self._name = definition.signature.name = f"__inference_written_{next(_NUMBERS)}"
        for argument, dtype in arguments:
            definition.signature.input_arg.add(name=argument, type=_TYPES[dtype])
        for place, name in enumerate(results):
            definition.signature.output_arg.add(name=f"result{place}", type=types_pb2.DT_FLOAT)
            definition.ret[f"result{place}"] = name
        definition.node_def.extend(nodes)
        self._results = len(results)
        self._context.ensure_initialized()
        self._context.add_function_def(definition)
        self._config = self._context.function_call_options.config_proto_serialized

    def __call__(self, *arguments: tf.Tensor) -> list[tf.Tensor]:
        """The results."""
        attributes = ("executor_type", "", "config_proto", self._config)
        return execute.execute(self._name, self._results, list(arguments), attrs=attributes, ctx=self._context)

    def __del__(self) -> None:
        self._context.remove_function(self._name)


def _set(attribute: Any, value: Any) -> None:
    """Writes an attribute of a node."""
    match value:
        case bool():
            attribute.b = value
        case int():
            attribute.i = value
        case float():
            attribute.f = value
        case str():
            attribute.s = value.encode()
        case tf.DType():
            attribute.type = _TYPES[value]
        case tf.types.experimental.ConcreteFunction():
            attribute.func.name = value.name
        case [tf.DType(), *_]:
            attribute.list.type.extend(_TYPES[dtype] for dtype in value)
        case _:
            attribute.list.i.extend(int(number) for number in value)
