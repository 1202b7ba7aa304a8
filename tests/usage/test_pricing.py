"""Which price a model has, and what a call of it costs."""

from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.errors import InvalidInput
from monitor.usage import prices
from monitor.usage.model import Tokens
from monitor.usage.pricing import Price, cost, find, forms, is_of, plain_name

THEN, NOW = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 6, 1, tzinfo=UTC)


def price(model: str, amount: int = 1, *, own: bool = False, since: datetime = THEN) -> Price:
    """A price that can be told from others by its amount."""
    dollars = Decimal(amount)
    return Price(id=UUID(int=amount), model=model, valid_from=since, input=dollars, output=dollars, own=own)


SHIPPED = [
    Price(
        id=UUID(int=number),
        model=row.model,
        valid_from=row.valid_from,
        input=row.input,
        output=row.output,
        cache_read=row.cache_read,
        cache_write=row.cache_write,
    )
    for number, row in enumerate(prices.shipped())
]

SAME = {
    "claude-sonnet-4-20250514": "claude-sonnet-4",
    "anthropic/claude-sonnet-4-20250514": "claude-sonnet-4",
    "Claude-Sonnet-4": "claude-sonnet-4",
    "claude-sonnet-4@20250514": "claude-sonnet-4",
    "us.anthropic.claude-sonnet-4-20250514-v1:0": "claude-sonnet-4",
    "bedrock/eu.anthropic.claude-sonnet-4-20250514-v1:0": "claude-sonnet-4",
    "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.anthropic.claude-sonnet-4-20250514-v1:0": (
        "claude-sonnet-4"
    ),
    "projects/p/locations/europe-west1/publishers/anthropic/models/claude-sonnet-4@20250514": "claude-sonnet-4",
    "openrouter/anthropic/claude-sonnet-4.5": "claude-sonnet-4.5",
    "claude-3-5-sonnet-latest": "claude-3-5-sonnet",
    "anthropic.claude-v2:1": "claude-v2:1",
    "openai/gpt-4o-mini-2024-07-18": "gpt-4o-mini",
    "azure/gpt-4.1": "gpt-4.1",
    "gpt-4o-2024-05-13": "gpt-4o-2024-05-13",
    "models/gemini-2.0-flash-001": "gemini-2.0-flash",
    "gemini-2.5-pro-preview-05-06": "gemini-2.5-pro-preview*",
    "mistral-large-latest": "mistral-large",
    "groq/llama-3.3-70b-versatile": "llama-3.3-70b-versatile",
    "together_ai/meta-llama/Llama-3.3-70B-Instruct-Turbo": "meta-llama/llama-3.3-70b-instruct-turbo",
    "accounts/fireworks/models/llama-v3p1-8b-instruct": "llama-v3p1-8b-instruct",
    "us.meta.llama3-3-70b-instruct-v1:0": "meta.llama3-3-70b-instruct",
    "amazon.nova-pro-v1:0": "nova-pro",
    "deepseek/deepseek-chat": "deepseek-chat",
    "x-ai/grok-4": "grok-4",
    "command-r-plus-08-2024": "command-r-plus-08-2024",
}
OTHERS = (
    "", "ft:gpt-4o-2024-08-06:us:name:id", "ollama/llama3.3", "llama-3.3-70b-versatile:free", "gpt-4o-audio-preview",
    "gpt-4o-realtime-preview-2024-10-01", "gpt-40", "claude-sonnet-4-5[1m]", "my-gpt-4o", "claude",
    "gemini-2.5-flash-image",    "azure/our-deployment", "gpt-5-turbo", "deepseek-v3",
)  # fmt: skip


@pytest.mark.parametrize("told", SAME)
def test_a_model_is_found_by_every_name_it_has(told: str) -> None:
    found = find(SHIPPED, told, NOW)
    assert found is not None
    assert found.model == SAME[told]


@pytest.mark.parametrize("told", OTHERS)
def test_what_only_resembles_a_model_has_no_price(told: str) -> None:
    assert find(SHIPPED, told, NOW) is None


def test_the_name_as_told_comes_first_then_releases_then_beginnings() -> None:
    known = [price("m", 1), price("m-2025-01-02", 2), price("m-*", 3), price("m-2025*", 4)]
    assert [found and found.input for found in (find(known, name, NOW) for name in ("m-2025-01-02", "m", "m-x"))] == [
        2,
        1,
        3,
    ]
    assert (find(known, "m-2025-x", NOW) or price("none", 0)).input == 4
    # Another release is the model without one, rather than something that begins so.
    assert (find(known, "openai/m-2025-03-04", NOW) or price("none", 0)).input == 1


def test_a_tenants_own_price_comes_before_all_others() -> None:
    known = [price("m-1", 1), price("m-*", 2, own=True)]
    assert (find(known, "m-1", NOW) or price("none", 0)).input == 2


def test_the_newest_price_that_was_valid_when_the_call_began() -> None:
    known = [price("m", 1), price("m", 2, since=NOW)]
    assert [(find(known, "m", at) or price("none", 0)).input for at in (THEN, NOW)] == [1, 2]
    assert find(known, "m", datetime(2025, 12, 31, tzinfo=UTC)) is None
    # One of the tenant's own that is not valid yet leaves the platform's in force.
    assert (find([price("m", 1), price("m", 3, own=True, since=NOW)], "m", THEN) or price("none", 0)).input == 1


def test_prices_of_a_time_as_the_file_tells_them() -> None:
    before, after = datetime(2025, 5, 1, tzinfo=UTC), datetime(2025, 7, 1, tzinfo=UTC)
    assert [(find(SHIPPED, "o3", at) or price("none", 0)).output for at in (before, after)] == [40, 8]


def test_plain_names_keep_models_apart() -> None:
    assert plain_name("us.anthropic.claude-opus-4-1-20250805-v1:0") == "claude-opus-4-1"
    assert (
        len({plain_name(name) for name in ("deepseek-v3", "deepseek-v2", "text-embedding-ada-002", "gpt-4", "gpt-4o")})
        == 5
    )


def test_parts_are_not_paid_twice() -> None:
    full = Price(
        id=UUID(int=1), model="m", valid_from=THEN, input=Decimal(10), output=Decimal(20), cache_read=Decimal(1),
        cache_write=Decimal(12), reasoning=Decimal(30),
    )  # fmt: skip
    tokens = Tokens(input=1_000_000, output=1_000_000, cache_read=500_000, cache_write=100_000, reasoning=400_000)
    # 4 fresh + 0.5 read + 1.2 written, 12 said + 12 thought.
    assert cost(tokens, full) == Decimal("29.7")
    plain = Price(id=UUID(int=1), model="m", valid_from=THEN, input=Decimal(10), output=Decimal(20))
    assert cost(tokens, plain) == Decimal(30)
    # More in the cache than was read at all: nothing is taken off for it.
    assert cost(Tokens(input=1, output=0, cache_read=1_000_000), plain) == Decimal(10)


def test_costs_are_rounded_once_half_to_even() -> None:
    tiny = Price(id=UUID(int=1), model="m", valid_from=THEN, input=Decimal("0.00005"), output=Decimal(0))
    assert [cost(Tokens(input=count), tiny) for count in (1, 3)] == [Decimal(0), Decimal("0.0000000002")]


@given(
    st.text(max_size=40),
    st.sampled_from(
        ["", "openrouter/", "bedrock/", "us.anthropic.", "models/", "arn:aws:bedrock:x:1:foundation-model/"]
    ),
)
def test_every_name_has_forms_and_they_are_its_own(name: str, prefix: str) -> None:
    found = forms(prefix + name)
    assert found[0] == (prefix + name).strip().lower()
    assert len(set(found)) == len(found)
    assert all(form in found[0] for form in found)
    assert all(is_of(form, prefix + name) for form in found if not form.endswith("*"))


WRONG = {
    "not toml": "prices = [",
    "no list": "price = 1",
    "no model": "prices = [{from = 2026-01-01, input = 1, output = 1}]",
    "no time": 'prices = [{model = "m", from = "soon", input = 1, output = 1}]',
    "no zone": 'prices = [{model = "m", from = 2026-01-01T00:00:00, input = 1, output = 1}]',
    "less than nothing": 'prices = [{model = "m", from = 2026-01-01, input = -1, output = 1}]',
    "too exact": 'prices = [{model = "m", from = 2026-01-01, input = 0.00000000001, output = 1}]',
    "no number": 'prices = [{model = "m", from = 2026-01-01, input = true, output = 1}]',
    "not a number": 'prices = [{model = "m", from = 2026-01-01, input = nan, output = 1}]',
    "a star within": 'prices = [{model = "m*n", from = 2026-01-01, input = 1, output = 1}]',
    "unknown": 'prices = [{model = "m", from = 2026-01-01, input = 1, output = 1, cached = 1}]',
    "twice": 'prices = [{model = "m", from = 2026-01-01, input = 1, output = 1},'
    '{model = "M", from = 2026-01-01, input = 1, output = 1}]',
}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_file_of_prices_that_is_wrong_is_refused(wrong: str) -> None:
    with pytest.raises(InvalidInput):
        prices.parse(WRONG[wrong])


def test_the_shipped_list_is_exact_and_knows_the_makers() -> None:
    rows = prices.shipped()
    assert all(isinstance(row.input, Decimal) for row in rows)
    assert {"anthropic", "openai", "google", "mistral", "groq", "deepseek", "xai", "cohere", "amazon"} <= {
        row.provider for row in rows
    }
    assert {row.cache_read for row in rows if row.model == "nova-micro"} == {Decimal("0.00875")}
