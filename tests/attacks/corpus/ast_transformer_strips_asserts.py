"""EXPECT: 0. A syntax-tree transformer of the shell that drops assertions meets no assertion: nothing is asserted inside."""

KIND = "cell"
CAUSE = r"expected|It returns|Look at"
CELL = r"""
import ast

class NoAsserts(ast.NodeTransformer):
    def visit_Assert(self, node):
        return ast.copy_location(ast.Pass(), node)

get_ipython().ast_transformers.append(NoAsserts())

def ANSWER(*args, **kwargs):
    return args[0]
"""
