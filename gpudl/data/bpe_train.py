"""How byte pair encoding learns its merges."""

from __future__ import annotations

import heapq
import itertools
from collections import defaultdict
from collections.abc import Sequence

Pair = tuple[int, int]


def learn(words: Sequence[tuple[list[int], int]], tokens: list[str], room: int, least: int) -> list[tuple[str, str]]:
    """The pairs of tokens to merge, best first.

    Counts are kept up to date; only the words that have a pair are looked at when it is merged.

    Args:
        words: the numbers of their tokens, and how often each comes; the numbers are overwritten.
        tokens: number -> token; those that are made are appended.
        room: for how many.
        least: how often a pair must come.
    """
    counts: dict[Pair, int] = defaultdict(int)
    places: dict[Pair, set[int]] = defaultdict(set)
    for place, (numbers, times) in enumerate(words):
        for pair in itertools.pairwise(numbers):
            counts[pair] += times
            places[pair].add(place)
    heap = [(-count, pair) for pair, count in counts.items()]
    heapq.heapify(heap)
    number_of = {token: number for number, token in enumerate(tokens)}
    merges: dict[tuple[str, str], None] = {}
    most = len(tokens) + room
    while len(tokens) < most and heap:
        count, pair = heapq.heappop(heap)
        if counts[pair] != -count:  # it has changed since; if it is not gone, it stands in the heap once more
            continue
        if -count < least:
            break
        first, second = (tokens[number] for number in pair)
        merges[first, second] = None
        if first + second not in number_of:  # else another pair has made the same token
            number_of[first + second] = len(tokens)
            tokens.append(first + second)
        changed: dict[Pair, int] = defaultdict(int)
        for place in places.pop(pair):
            numbers, times = words[place]
            for old in itertools.pairwise(numbers):
                changed[old] -= times
            _merge(numbers, pair, number_of[first + second])
            for new in itertools.pairwise(numbers):
                changed[new] += times
                places[new].add(place)
        for other, change in changed.items():
            if change:
                counts[other] += change
                if counts[other] > 0:
                    heapq.heappush(heap, (-counts[other], other))
    return list(merges)


def _merge(numbers: list[int], pair: Pair, merged: int) -> None:
    """Put `merged` in place of each `pair`, left to right."""
    kept, place = 0, 0
    while place < len(numbers):
        here = place + 1 < len(numbers) and (numbers[place], numbers[place + 1]) == pair
        numbers[kept] = merged if here else numbers[place]
        kept, place = kept + 1, place + 1 + here
    del numbers[kept:]
