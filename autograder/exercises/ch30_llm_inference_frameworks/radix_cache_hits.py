"""Exercise 30.radix_cache_hits: prefix reuse by a token trie of bounded size."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from utils.engines import llm_serving

from ...exercise import Case, Exercise, Misconception

Requests = list[list[int]]


def _prefixes(tokens: list[int]) -> list[tuple]:
    return [tuple(tokens[:n]) for n in range(1, len(tokens) + 1)]


def _trie(*, refresh: bool = True, leaves_only: bool = True, protect: bool = True, evict: str = "lru", count_again: bool = False,
          partial: bool = True, insert_first: bool = False, loses_subtree: bool = False) -> Callable[[Requests, int], list[int]]:
    """The cache as a dictionary from whole prefixes to their last use; with its defaults it is right.

    refresh: a match counts as a use. protect: what the current request touched is never evicted for it. evict: "lru",
    "fifo", "mru", "all" or "none". count_again: a request takes room for all of its tokens. partial: a request that does
    not fit is inserted as far as it does. insert_first: hits are counted after the insertion.
    """

    def answer(requests: Requests, capacity_tokens: int) -> list[int]:
        used: dict[tuple, int] = {}
        born: dict[tuple, int] = {}
        hits, taken = [], 0

        def victim(now: int) -> tuple | None:
            inner = {p[:-1] for p in used} if leaves_only else set()
            open_ones = [p for p in used if p not in inner and (used[p] < now or not protect)]
            if evict == "none" or not open_ones:
                return None
            by = {"lru": used.get, "fifo": born.get, "mru": lambda p: -used[p]}[evict]
            return min(open_ones, key=by)

        for now, tokens in enumerate(requests):
            paths = _prefixes(tokens)
            hit = next((n for n, p in enumerate(paths) if p not in used), len(paths))
            if refresh:
                used.update(dict.fromkeys(paths[:hit], now))
            if count_again:
                taken += hit
            missing = paths[hit:]
            if not partial and len(tokens) > capacity_tokens:
                missing = []
            for path in missing:
                if evict == "all" and taken >= capacity_tokens:
                    for p in [p for p in used if used[p] < now]:
                        del used[p]
                        taken -= 1
                while taken >= capacity_tokens and evict != "all" and (gone := victim(now)) is not None:
                    doomed = [p for p in used if p[:len(gone)] == gone] if loses_subtree else [gone]
                    for p in doomed:
                        del used[p]
                    taken -= len(doomed)
                if taken >= capacity_tokens:
                    break
                used[path] = born[path] = now
                taken += 1
            hits.append(sum(p in used for p in paths) if insert_first else hit)
        return hits

    return answer


def _whole_requests(requests: Requests, capacity_tokens: int) -> list[int]:
    """A cache keyed by the whole request, least recently used first out."""
    kept: dict[tuple, int] = {}
    hits = []
    for tokens in map(tuple, requests):
        hits.append(len(tokens) if tokens in kept else 0)
        kept.pop(tokens, None)
        if len(tokens) <= capacity_tokens:
            kept[tokens] = len(tokens)
        while sum(kept.values()) > capacity_tokens:
            kept.pop(next(iter(kept)))
    return hits


def _whole_requests_unbounded(requests: Requests, capacity_tokens: int) -> list[int]:
    return [len(tokens) if capacity_tokens and tokens in requests[:i] else 0 for i, tokens in enumerate(requests)]


def _request_list(*, refresh: bool, shared_once: bool) -> Callable[[Requests, int], list[int]]:
    """A list of whole requests: prefixes are matched, but whole requests are evicted."""

    def size(kept: Requests) -> int:
        return len({p for tokens in kept for p in _prefixes(tokens)}) if shared_once else sum(map(len, kept))

    def answer(requests: Requests, capacity_tokens: int) -> list[int]:
        kept: Requests = []
        hits = []
        for tokens in requests:
            common = [next((n for n, (a, b) in enumerate(zip(tokens, old)) if a != b), min(len(tokens), len(old))) for old in kept]
            hits.append(max(common, default=0))
            if refresh and hits[-1]:
                kept.append(kept.pop(common.index(hits[-1])))
            kept.append(tokens)
            while size(kept) > capacity_tokens:
                kept.pop(0)
        return hits

    return answer


def _anywhere(requests: Requests, capacity_tokens: int) -> list[int]:
    """The longest run of tokens of a request that stands anywhere in an earlier one."""
    hits, runs = [], set()
    for tokens in requests:
        own = [tuple(tokens[a:b]) for a in range(len(tokens)) for b in range(a + 1, len(tokens) + 1)]
        hits.append(max((len(r) for r in own if r in runs), default=0) if capacity_tokens else 0)
        runs.update(own)
    return hits


def _head_anywhere(requests: Requests, capacity_tokens: int) -> list[int]:
    """The longest prefix of a request that stands anywhere in an earlier one."""
    hits, runs = [], set()
    for tokens in requests:
        hits.append(max((n for n, p in enumerate(_prefixes(tokens), 1) if p in runs), default=0) if capacity_tokens else 0)
        runs.update(tuple(tokens[a:b]) for a in range(len(tokens)) for b in range(a + 1, len(tokens) + 1))
    return hits


def _known_tokens(requests: Requests, capacity_tokens: int) -> list[int]:
    hits, seen = [], set()
    for tokens in requests:
        hits.append(sum(t in seen for t in tokens) if capacity_tokens else 0)
        seen.update(tokens)
    return hits


def _last_request_only(requests: Requests, capacity_tokens: int) -> list[int]:
    hits, before = [], []
    for tokens in requests:
        hits.append(next((n for n, (a, b) in enumerate(zip(tokens, before)) if a != b), min(len(tokens), len(before))))
        before = tokens[:capacity_tokens]
    return hits


def _unbounded(requests: Requests, capacity_tokens: int) -> list[int]:
    return llm_serving.radix_cache_hits(requests, 10**9)


def _nested_dicts(requests: Requests, capacity_tokens: int) -> list[int]:
    """A node is a dictionary of children; leaves are found by walking the whole tree."""
    root: dict = {"kids": {}, "used": -1}
    size, hits = 0, []

    def oldest_leaf(node: dict, now: int) -> tuple[int, dict, int] | None:
        found = None
        for token, kid in node["kids"].items():
            told = oldest_leaf(kid, now) if kid["kids"] else (kid["used"], node, token) if kid["used"] < now else None
            if told and (found is None or told[0] < found[0]):
                found = told
        return found

    for now, tokens in enumerate(requests):
        node, hit = root, 0
        while hit < len(tokens) and tokens[hit] in node["kids"]:
            node = node["kids"][tokens[hit]]
            node["used"] = now
            hit += 1
        hits.append(hit)
        for token in tokens[hit:]:
            if size >= capacity_tokens:
                leaf = oldest_leaf(root, now)
                if leaf is None:
                    break
                del leaf[1]["kids"][leaf[2]]
                size -= 1
            node["kids"][token] = node = {"kids": {}, "used": now}
            size += 1
    return hits


def _parent_arrays(requests: Requests, capacity_tokens: int) -> list[int]:
    """Nodes are numbers; parent, number of children and last use lie in dictionaries."""
    child: dict[tuple[int, int], int] = {}
    place: dict[int, tuple[int, int]] = {}
    kids, used, hits, fresh = {0: 0}, {}, [], 1
    for now, tokens in enumerate(requests):
        at, hit = 0, 0
        for token in tokens:
            if (at, token) not in child:
                break
            at = child[at, token]
            used[at], hit = now, hit + 1
        hits.append(hit)
        for token in tokens[hit:]:
            if len(place) >= capacity_tokens:
                gone = min((n for n in place if not kids[n] and used[n] != now), key=used.get, default=None)
                if gone is None:
                    break
                kids[place[gone][0]] -= 1
                del child[place.pop(gone)]
            child[at, token], place[fresh] = fresh, (at, token)
            kids[at], kids[fresh], used[fresh] = kids[at] + 1, 0, now
            at, fresh = fresh, fresh + 1
    return hits


def _draw(rng: np.random.Generator) -> Case:
    """Few different tokens, so that prefixes are shared; few places, so that leaves are evicted."""
    n, alphabet = int(rng.integers(2, 16)), int(rng.integers(2, 4))
    requests = [rng.integers(1, alphabet + 1, int(rng.integers(0, 7))).tolist() for _ in range(n)]
    capacity = int(rng.choice([0, 1, 100, rng.integers(2, 14)], p=[0.04, 0.04, 0.12, 0.8]))
    return Case(requests, capacity, label=f"{n} requests of at most 6 tokens, room for {capacity}")


def _chats(users: int, turns: int, system: int, capacity: int) -> Case:
    """Every turn of a chat repeats the system's tokens and all turns before."""
    requests = [[*range(1000, 1000 + system), *(100 * user + t for t in range(4 * turn + 4))] for turn in range(turns) for user in range(users)]
    return Case(requests, capacity, label=f"{users} chats of {turns} turns after {system} common tokens, room for {capacity}")


_FOUR = [[1, 2, 3, 4], [1, 2, 3, 5], [9, 9], [1, 2, 3, 4, 6]]

radix_cache_hits = Exercise(
    id="30.radix_cache_hits", points=5, difficulty=3, minutes=25, idea="only prefixes can be reused, and only leaves evicted",
    reference=llm_serving.radix_cache_hits,
    cases=[Case(_FOUR, 100), Case(_FOUR, 6), Case([[1, 2, 3], [1, 2, 3]], 2)],
    hidden=[
        Case([], 5), Case([[]], 5), Case([[], [1], [], [1]], 5), Case([[1, 2], [1, 2]], 0),
        Case([[1, 2, 3], [1, 2, 3], [3], [1, 2, 3]], 3), Case([[1, 2], [3, 4], [1, 2], [5, 6], [1, 2], [3, 4]], 4),
        Case([[1, 2, 3], [2, 3], [3], [1, 2, 3]], 100), Case([[1, 2], [1, 3], [1, 4], [1, 2], [1, 5], [1, 3]], 4),
        Case([[1, 2, 3, 4], [5, 6], [1, 2], [7], [1, 2, 3, 4]], 6), Case([[1], [2], [3], [2], [4], [1], [2], [3]], 3),
        Case([[1, 1, 1], [1, 1, 1, 1], [1, 1]], 4), Case([[7, 8, 9], [1, 2, 3, 4, 5], [7, 8, 9], [1, 2, 3, 4, 5]], 4),
        _chats(4, 3, 20, 1000), _chats(4, 3, 20, 45), _chats(3, 4, 6, 16),
    ],
    draw=_draw, draws=60,
    misconceptions=[
        Misconception(
            "anywhere", _anywhere,
            "You look for known tokens anywhere. The keys and values of a token depend on *all* tokens before it, so only a common beginning can be "
            "reused: count from the first token until the first difference.",
            "Only prefixes can be reused.", also=(_head_anywhere, _known_tokens)),
        Misconception(
            "whole_requests", _whole_requests,
            "You find a request again only if all of its tokens are the same. Two requests that differ in the last token share everything before "
            "it.",
            "Requests are not all or nothing.", also=(_whole_requests_unbounded,)),
        Misconception(
            "evicts_requests", _request_list(refresh=False, shared_once=True),
            "You keep whole requests and throw whole requests away. Tokens are evicted one at a time, from the end of a branch: the beginning of an "
            "old request, or of one that is too long, is still worth keeping.",
            "Tokens are evicted, not requests.",
            also=(_request_list(refresh=True, shared_once=True), _request_list(refresh=False, shared_once=False),
                  _request_list(refresh=True, shared_once=False))),
        Misconception(
            "last_request_only", _last_request_only,
            "You compare with the request just before. All earlier ones are in the cache until they are evicted.",
            "The cache remembers more than one request."),
        Misconception(
            "unbounded", _unbounded,
            "Nothing is ever evicted: you keep more than `capacity_tokens` tokens.",
            "The capacity is ignored."),
        Misconception(
            "never_evicts", _trie(evict="none"),
            "When the cache is full you stop inserting. First look for a leaf that this request has not touched; only if there is none, stop.",
            "A full cache makes room."),
        Misconception(
            "inner_nodes", _trie(leaves_only=False),
            "You evict tokens that others stand behind. Without its beginning the rest of a prefix can never be found, and it still takes room. "
            "Evict leaves only: tokens with nothing cached after them.",
            "Only leaves may go.", also=(_trie(leaves_only=False, loses_subtree=True),)),
        Misconception(
            "no_refresh", _trie(refresh=False, protect=False),
            "A match does not count as a use in your cache. So prefixes that every request needs grow old and are evicted. Matched tokens are "
            "touched like inserted ones.",
            "A hit is a use.", also=(_trie(evict="fifo"), _trie(refresh=False))),
        Misconception(
            "evicts_its_own", _trie(protect=False),
            "You evict a token that the current request has just matched or inserted, and hang the next one behind it. When no other leaf is left, "
            "stop inserting.",
            "A request evicts its own tokens."),
        Misconception(
            "most_recent", _trie(evict="mru"),
            "You evict the leaf that was used last. It is the likeliest to be asked for again: take the one whose use is longest ago.",
            "The wrong end of the order."),
        Misconception(
            "counts_twice", _trie(count_again=True),
            "You charge each request for all of its tokens. A token that is in the cache already is shared and takes no room again.",
            "Shared tokens count once."),
        Misconception(
            "clears_all", _trie(evict="all"),
            "When the cache is full you throw away everything that this request does not use. Evict one leaf for each token that needs room.",
            "Too much is thrown away."),
        Misconception(
            "all_or_nothing", _trie(partial=False),
            "A request longer than the capacity leaves nothing in your cache. Its tokens are inserted one by one, as far as there is room.",
            "A part of a request is worth keeping."),
        Misconception(
            "hits_after_insertion", _trie(insert_first=True),
            "You count after the request has been inserted, so that everything is a hit. Match first, insert after.",
            "A request cannot reuse itself."),
    ],
    alternatives=[_trie(), _nested_dicts, _parent_arrays],
    hints=(
        "A token can be keyed by the whole prefix that ends in it: `tuple(tokens[:n])`. Keep a dictionary from such tuples to the number of the "
        "request that touched them last.",
        "A prefix is a leaf when no cached prefix is one token longer and begins with it.",
        "For each missing token: if the cache is full, remove the leaf with the smallest number below the current one. If there is none, stop.",
    ),
    worth_knowing="vLLM finds prefixes by hashes of whole blocks of 16 tokens, SGLang by a tree like this one. Chapter 45 builds the first.",
)
