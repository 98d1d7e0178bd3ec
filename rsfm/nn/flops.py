"""Floating-point operations and parameters of a function or module, counted from its jaxpr without running it."""

import math
from collections.abc import Callable
from typing import Any

import jax
from flax import nnx


def count_flops(function: Callable[..., Any], *args: Any) -> int:
    """Multiplications and additions of all matrix products and convolutions; a loop of known length counts each turn.

    Args:
        function: any traceable function.
        args: arrays or `jax.ShapeDtypeStruct`s.

    >>> count_flops(jax.numpy.matmul, jax.ShapeDtypeStruct((2, 3), "float32"), jax.ShapeDtypeStruct((3, 5), "float32"))
    60
    """
    return _of_jaxpr(jax.make_jaxpr(function)(*args).jaxpr)


def count_parameters(module: nnx.Module) -> int:
    """Numbers a module has to learn; works on an abstract module, too."""
    return sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(nnx.state(module, nnx.Param)))


def parameter_bytes(module: nnx.Module) -> int:
    """Memory of a module's parameters in bytes."""
    leaves = jax.tree.leaves(nnx.state(module, nnx.Param))
    return sum(math.prod(leaf.shape) * leaf.dtype.itemsize for leaf in leaves)


def _of_jaxpr(jaxpr: Any) -> int:
    return sum(_of_equation(equation) for equation in jaxpr.eqns)


def _of_equation(equation: Any) -> int:
    name, params = equation.primitive.name, equation.params
    if name == "dot_general":
        (contracted, _), _ = params["dimension_numbers"]
        left = equation.invars[0].aval.shape
        return 2 * math.prod(equation.outvars[0].aval.shape) * math.prod(left[axis] for axis in contracted)
    if name == "ragged_dot_general":  # every row meets one group's matrix
        left, right = (variable.aval.shape for variable in equation.invars[:2])
        return 2 * math.prod(left) * right[-1]
    if name == "conv_general_dilated":
        kernel = equation.invars[1].aval.shape
        outputs = kernel[params["dimension_numbers"].rhs_spec[0]]
        return 2 * math.prod(equation.outvars[0].aval.shape) * math.prod(kernel) // outputs
    turns = params["length"] if name == "scan" else 1
    if name == "cond":
        return max(_of_jaxpr(branch.jaxpr) for branch in params["branches"])
    return turns * sum(_of_jaxpr(inner) for inner in _inner_jaxprs(params))


def _inner_jaxprs(params: dict[str, Any]) -> list[Any]:
    """Jaxprs that an equation carries: of a jit, a scan, a while loop's body, a custom derivative."""
    found = []
    for value in params.values():
        for item in value if isinstance(value, (tuple, list)) else (value,):
            if hasattr(item, "eqns"):
                found.append(item)
            elif hasattr(item, "jaxpr") and hasattr(item.jaxpr, "eqns"):
                found.append(item.jaxpr)
    return found
