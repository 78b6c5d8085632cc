"""Prefix reuse by a tree of tokens: the idea of SGLang's RadixAttention (Zheng et al. 2023), a token a node.

The keys and values of a token depend on all tokens before it, so what can be reused is a common *prefix*. A radix
tree proper stores runs of tokens on its edges; one node a token keeps the same hits and evictions easy to read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from heapq import heapify, heappop, heappush

from utils.cost.checks import non_negative


@dataclass(eq=False)
class _Node:
    token: int | None = None
    parent: _Node | None = None
    children: dict[int, _Node] = field(default_factory=dict)
    used: int = 0  # number of the last request that matched or inserted it


class RadixCache:
    """A trie of at most `capacity_tokens` token nodes; the least recently used leaf is evicted first.

    Leaves only: a token is of no use without those before it. What the current request has matched or inserted is
    never evicted for it. Raises ValueError for a negative capacity.

    >>> cache = RadixCache(100)
    >>> [cache.match_and_insert(t) for t in ([1, 2, 3, 4], [1, 2, 3, 5], [9, 9], [1, 2, 3, 4, 6])]
    [0, 3, 0, 4]
    """

    def __init__(self, capacity_tokens: int) -> None:
        non_negative(capacity_tokens=capacity_tokens)
        self.capacity_tokens = capacity_tokens
        self.evicted = 0
        self._root = _Node()
        self._size = self._now = self._pushes = 0
        self._leaves: list[tuple[int, int, _Node]] = []  # a heap of (used, push, node); out-of-date entries are skipped

    def __len__(self) -> int:
        """Tokens held now; a token that several requests share counts once."""
        return self._size

    def match(self, tokens: Sequence[int]) -> int:
        """Length of the longest cached prefix of `tokens`; changes nothing."""
        return len(self._path(tokens))

    def match_and_insert(self, tokens: Sequence[int]) -> int:
        """Tokens of the longest cached prefix; then the rest is inserted, as far as there is room."""
        self._now += 1
        path = self._path(tokens)
        node = path[-1] if path else self._root
        for touched in path:
            touched.used = self._now
        for token in tokens[len(path):]:
            if self._size >= self.capacity_tokens and not self._evict():
                break
            node.children[token] = child = _Node(token, node, used=self._now)
            self._size += 1
            node = child
        self._offer(node)
        return len(path)

    def _path(self, tokens: Sequence[int]) -> list[_Node]:
        node, path = self._root, []
        for token in tokens:
            node = node.children.get(token)
            if node is None:
                break
            path.append(node)
        return path

    def _offer(self, node: _Node) -> None:
        """Put a node into the heap when it is a leaf."""
        if node is not self._root and not node.children:
            self._pushes += 1  # breaks ties, so that nodes are never compared
            heappush(self._leaves, (node.used, self._pushes, node))
        if len(self._leaves) > 2 * self._size + 16:  # repeated prompts would let old entries pile up
            self._leaves = [entry for entry in self._leaves if self._is_current(entry)]
            heapify(self._leaves)

    @staticmethod
    def _is_current(entry: tuple[int, int, _Node]) -> bool:
        used, _, node = entry
        return node.parent is not None and not node.children and node.used == used

    def _evict(self) -> bool:
        """Drop the least recently used leaf that the current request has not touched; False when there is none."""
        while self._leaves and self._leaves[0][0] < self._now:
            entry = heappop(self._leaves)
            if self._is_current(entry):
                node = entry[2]
                parent, node.parent = node.parent, None
                del parent.children[node.token]
                self._size, self.evicted = self._size - 1, self.evicted + 1
                self._offer(parent)
                return True
        return False


def radix_cache_hits(requests: list[list[int]], capacity_tokens: int) -> list[int]:
    """Tokens that each request reuses from a token trie of bounded size that all of them share."""
    cache = RadixCache(capacity_tokens)
    return [cache.match_and_insert(tokens) for tokens in requests]
