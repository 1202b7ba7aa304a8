"""Label sets: sorted, hashable (name, value) pairs, and the join of the sets that two leaves yield."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from typing import TypeAlias

Labels: TypeAlias = tuple[tuple[str, str], ...]
"""One label set: pairs sorted by name, each name once. `()` has no labels and agrees with every set."""


def make_labels(pairs: Mapping[str, str] | Iterable[tuple[str, str]]) -> Labels:
    """The label set of a mapping or of pairs; of two pairs with one name the later wins."""
    return tuple(sorted(dict(pairs).items()))


def agree(left: Labels, right: Labels) -> bool:
    """Whether two sets give the same value to every name that both have."""
    values = dict(left)
    return all(values.get(name, value) == value for name, value in right)


def join(left: Collection[Labels], right: Collection[Labels]) -> set[Labels]:
    """The full outer join of two collections of sets on the names they share.

    Sets that agree are merged, a set that agrees with none of the other side stays as it is, and sets that
    share no name combine with each other; so `()` combines with everything.
    """
    joined: set[Labels] = set()
    matched_left: set[Labels] = set()
    matched_right: set[Labels] = set()
    for left_names, left_sets in _by_names(left).items():
        for right_names, right_sets in _by_names(right).items():
            shared = left_names & right_names
            partners = defaultdict(list)
            for labels in right_sets:
                partners[only(labels, shared)].append(labels)
            for labels in left_sets:
                for partner in partners.get(only(labels, shared), ()):
                    joined.add(make_labels(labels + partner))
                    matched_left.add(labels)
                    matched_right.add(partner)
    return joined | (set(left) - matched_left) | (set(right) - matched_right)


def only(labels: Labels, names: Collection[str]) -> Labels:
    """The part of a set that has one of these names."""
    return tuple(pair for pair in labels if pair[0] in names)


def _by_names(sets: Collection[Labels]) -> dict[frozenset[str], list[Labels]]:
    grouped: dict[frozenset[str], list[Labels]] = defaultdict(list)
    for labels in sets:
        grouped[frozenset(name for name, _ in labels)].append(labels)
    return grouped
