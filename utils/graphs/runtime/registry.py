"""The table of operators: a kernel is a function of arrays whose keyword arguments are the ONNX attributes."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

# What a kernel may ask for beside its operator's attributes: the opset, where a meaning has changed, and the number
# of outputs that the node names, where they are optional.
CONTEXT = frozenset({"opset", "n_outputs"})


@dataclass(frozen=True)
class Kernel:
    """A kernel and the keyword arguments that it takes."""

    function: Callable[..., Any]
    keywords: frozenset[str]
    open: bool = False  # takes attributes that it does not name: old ones without a meaning today

    @property
    def attributes(self) -> frozenset[str]:
        """The attributes of the operator that the kernel knows."""
        return self.keywords - CONTEXT


KERNELS: dict[str, Kernel] = {}


def operator(*names: str) -> Callable[[Callable], Callable]:
    """Enter a function into KERNELS under the names of the operators of the default domain that it computes.

    Positional arguments are the node's inputs (None for an absent one), keyword-only ones its attributes.
    """

    def enter(function: Callable) -> Callable:
        parameters = list(inspect.signature(function).parameters.values())
        takes_any = any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters)
        keywords = frozenset(p.name for p in parameters if p.kind is inspect.Parameter.KEYWORD_ONLY)
        for name in names:
            KERNELS[name] = Kernel(function, keywords, takes_any)
        return function

    return enter
