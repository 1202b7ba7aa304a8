"""Vectors on their way to pgvector, which keeps single precision and compares by the cosine of their angle."""

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec
import numpy as np

from monitor.errors import InvalidInput

INDEXED: Final[Mapping[int, str]] = {384: "vector", 768: "vector", 1024: "vector", 1536: "vector", 3072: "halfvec"}
"""Dimensions that embedding models have, for which chunks have an HNSW index, and the type that it holds: pgvector
takes at most 2,000 dimensions of `vector` there, and 4,000 of `halfvec`."""

LONGEST = 16_000
"""The most that a `vector` can have."""


def literal(values: Sequence[float], path: str) -> str:
    """The text form of a vector. Raises InvalidInput for one without a direction: zero, or out of single precision."""
    with np.errstate(over="ignore", under="ignore"):
        single = np.asarray(values, np.float32)
        length = float(np.dot(single, single))
    if not np.isfinite(length) or length < float(np.finfo(np.float32).tiny):
        raise InvalidInput("must be a vector of finite numbers in single precision that is not zero", path=path)
    return msgspec.json.encode(single.tolist()).decode()


def check_dimensions(found: int, wanted: int | None, path: str) -> int:
    """The dimensions of a collection's vectors: those of the first. Raises InvalidInput for others."""
    if wanted is not None and found != wanted:
        raise InvalidInput(f"has {found} dimensions, and the collection's vectors have {wanted}", path=path)
    return found
