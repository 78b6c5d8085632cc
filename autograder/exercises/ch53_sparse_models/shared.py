"""What both CSR exercises have in common: libraries that would do the work."""

from __future__ import annotations

import ast

BANNED = ("scipy", "csr_matrix", "csr_array", "to_sparse_csr", "to_sparse", "sparse_csr_tensor", "sparse_coo_tensor")


def no_sparse_library(tree: ast.AST) -> str | None:
    """SciPy's and torch's sparse types would do the whole exercise."""
    for node in ast.walk(tree):
        names = [node.attr] if isinstance(node, ast.Attribute) else [node.id] if isinstance(node, ast.Name) else []
        if isinstance(node, ast.alias):
            names = node.name.split(".")
        if isinstance(node, ast.ImportFrom):
            names = (node.module or "").split(".")
        for name in names:
            if name in BANNED:
                return f"`{name}` does the work for you. Build the three arrays, or walk through them, yourself."
    return None
