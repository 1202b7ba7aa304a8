"""What a call costs: which price is a model's, and the sum. Pure, exact.

A price is looked up by the model's name, in this order, and the first that is found holds:

1. the name as it was told, in lower case;
2. its other forms (`forms`): without prefixes that name who serves the model (`openrouter/anthropic/…`, `models/…`,
   an ARN, `us.anthropic.…`), and without suffixes that name a release of it (`-v1:0`, `@20250514`, `-2024-08-06`,
   `-001`, `-latest`);
3. the longest price whose name ends with `*` and begins one of these forms.

Nothing else is ever taken for a model: `ft:gpt-4o:…`, `ollama/llama3.3` or `llama-3.3:free` are not what they resemble.
A tenant's own prices come before the platform's, in all three ways. Of several prices of one name, the newest that
was valid when the call began.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_HALF_EVEN, Decimal
from functools import lru_cache
from uuid import UUID

from msgspec.structs import astuple, replace

from monitor.usage.model import Call, Tokens

MILLION = Decimal(1_000_000)
PLACES = Decimal("0.0000000001")
"""Costs are kept to ten decimal places: a call's is rounded to them, half to even, and sums are exact from there."""
MAX_COST = Decimal(100_000)
MAX_TOKENS = 100_000_000
"""A call that says it was larger, or less than nothing, says nothing."""
MAX_TEXT = 200
"""Characters of a model's name, a provider, a user, a workflow or an environment that the ledger keeps."""
ANY = "*"

# Who serves a model, in the names that OpenRouter, LiteLLM, Vertex AI and the vendors' own interfaces use.
_SERVED_BY = frozenset((
    "ai21", "amazon", "anthropic", "azure", "azure_ai", "bedrock", "bedrock_converse", "cohere", "converse", "deepseek",
    "deepseek-ai", "fireworks", "fireworks_ai", "gemini", "google", "groq", "invoke", "litellm", "meta", "meta-llama",
    "mistral", "mistralai", "models", "openai", "openrouter", "perplexity", "qwen", "together", "together_ai",
    "vertex_ai", "x-ai", "xai",
))  # fmt: skip
_PATH = re.compile(
    r"(arn:aws[a-z-]*:bedrock:[^/]*:(foundation-model|inference-profile)/"
    r"|projects/[^/]+/locations/[^/]+/|publishers/[a-z0-9-]+/models/|accounts/fireworks/models/)"
)
# Bedrock: a region of inference, then the maker.
_REGION = re.compile(r"(us|us-gov|eu|apac|ap|au|ca|jp|sa|global)\.(?=[a-z0-9]+\.)")
_MAKER = re.compile(r"(ai21|amazon|anthropic|cohere|deepseek|meta|mistral|openai|qwen)\.")
_RELEASE = re.compile(
    r"(-v\d+:\d+(:\d+k)?|[@-]20\d{6}|-20\d\d-\d\d-\d\d|@default|@latest|-latest|(?<=flash|-lite|\d-pro)-00\d)$"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """What a model costs from `valid_from` on, in US dollars for a million tokens. `own`: the tenant's own price."""

    id: UUID
    model: str
    valid_from: datetime
    input: Decimal
    output: Decimal
    cache_read: Decimal | None = None
    cache_write: Decimal | None = None
    reasoning: Decimal | None = None
    own: bool = False


@lru_cache(maxsize=10_000)
def forms(model: str) -> tuple[str, ...]:
    """The names under which a model is looked up, the one that says most first."""
    name = model.strip().lower()
    found = [name]
    while (shorter := _without_prefix(name)) != name:
        name = shorter
        found.append(name)
    # Each of them without its release: the release of one that says more comes before it.
    for form in list(found):
        while (shorter := _RELEASE.sub("", form)) != form and shorter:
            form = shorter
            found.append(form)
    return tuple(dict.fromkeys(found))


def _without_prefix(name: str) -> str:
    for pattern in (_PATH, _REGION, _MAKER):
        match = pattern.match(name)
        if match and match.end() < len(name):
            return name[match.end() :]
    first, slash, rest = name.partition("/")
    return rest if slash and rest and first in _SERVED_BY else name


def plain_name(model: str) -> str:
    """A model's name without who serves it and without its release: how budgets know it."""
    return forms(model)[-1]


def ranked(prices: Iterable[Price], model: str) -> list[Price]:
    """The prices that may be a model's, the one that holds before others first, whatever the time."""
    names = {name: rank for rank, name in enumerate(forms(model))}
    found: list[tuple[bool, int, float, Price]] = []
    for price in prices:
        rank = names.get(price.model)
        if rank is None and is_of(price.model, model):
            # After every name, the longest first.
            rank = len(names) + MAX_TEXT - len(price.model)
        if rank is not None:
            found.append((not price.own, rank, -price.valid_from.timestamp(), price))
    return [price for *_, price in sorted(found, key=lambda each: each[:3])]


def valid(prices: Sequence[Price], at: datetime) -> Price | None:
    """The first of ranked prices that held at a time."""
    return next((price for price in prices if price.valid_from <= at), None)


def find(prices: Iterable[Price], model: str, at: datetime) -> Price | None:
    """The price of a call of `model` that began at `at`, or None where nobody knows it."""
    return valid(ranked(prices, model), at)


def is_of(pattern: str, model: str) -> bool:
    """Whether a price of this name could be the model's."""
    if pattern.endswith(ANY):
        return any(name.startswith(pattern[:-1]) for name in forms(model))
    return pattern in forms(model)


def cost(tokens: Tokens, price: Price) -> Decimal:
    """US dollars. What was read from a cache or written into it, and reasoning, are parts, and not paid twice.

    Without a price of their own cached tokens cost what others do, and reasoning what other output does.
    """
    fresh = max(0, tokens.input - tokens.cache_read - tokens.cache_write)
    said = max(0, tokens.output - tokens.reasoning)
    parts = (
        (fresh, price.input),
        (tokens.cache_read, price.input if price.cache_read is None else price.cache_read),
        (tokens.cache_write, price.input if price.cache_write is None else price.cache_write),
        (said, price.output),
        (tokens.reasoning, price.output if price.reasoning is None else price.reasoning),
    )
    return rounded(sum((count * each for count, each in parts if count), Decimal(0)) / MILLION)


def rounded(amount: Decimal) -> Decimal:
    """To ten decimal places."""
    return amount.quantize(PLACES, ROUND_HALF_EVEN)


def sound(call: Call) -> Call:
    """The call as the ledger can hold it: texts cut; counts and a cost that cannot be are left out and kept aside."""
    counted, given = astuple(call.tokens), call.given_cost
    if given is None and _fits(call) and min(counted) >= 0 and max(counted) <= MAX_TOKENS:
        return call
    counts = dict(zip(call.tokens.__struct_fields__, counted, strict=True))
    refused = {name: str(count) for name, count in counts.items() if not 0 <= count <= MAX_TOKENS}
    if given is not None and not (given.is_finite() and 0 <= given <= MAX_COST):
        refused["cost"] = str(given)
        given = None
    return replace(
        call,
        tokens=Tokens(**{name: 0 if name in refused else count for name, count in counts.items()}),
        given_cost=None if given is None else rounded(given),
        metadata=call.metadata | ({"refused": refused} if refused else {}),
        model=_cut(call.model),
        provider=_cut(call.provider),
        user=_cut(call.user),
        workflow=_cut(call.workflow),
        environment=_cut(call.environment),
    )


def _fits(call: Call) -> bool:
    texts = (call.model, call.provider, call.user, call.workflow, call.environment)
    return all(text is None or (0 < len(text) <= MAX_TEXT and "\x00" not in text) for text in texts)


def _cut(text: str | None) -> str | None:
    return text[:MAX_TEXT].replace("\x00", "\ufffd") if text else None
