"""Sealing: only the ring's own keys open, for the tenant and the place, and nothing altered."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.errors import Unavailable
from monitor.sealing import Ring, is_sealed

ONE, TWO = UUID(int=1), UUID(int=2)
OLD, NEW = "the key of last year", "the key of this year"


@given(text=st.text(st.characters(exclude_categories=["Cs"])))
def test_what_is_sealed_opens_and_shows_nothing(text: str) -> None:
    ring = Ring([NEW])
    sealed = ring.seal(text, tenant_id=ONE, place="here")
    assert is_sealed(sealed)
    assert len(text) < 8 or text not in sealed
    assert ring.open(sealed, tenant_id=ONE, place="here") == text
    assert ring.seal(text, tenant_id=ONE, place="here") != sealed


def test_another_tenant_place_or_ring_opens_nothing() -> None:
    ring = Ring([NEW])
    sealed = ring.seal("xoxb-1", tenant_id=ONE, place="here")
    for other, tenant_id, place in ((ring, TWO, "here"), (ring, ONE, "there"), (Ring([OLD]), ONE, "here")):
        with pytest.raises(Unavailable):
            other.open(sealed, tenant_id=tenant_id, place=place)


@pytest.mark.parametrize("at", [12, 30, -1])
def test_an_altered_one_does_not_open(at: int) -> None:
    ring = Ring([NEW])
    sealed = ring.seal("a secret of some length", tenant_id=ONE, place="here")
    letter = "A" if sealed[at] != "A" else "Q"
    altered = sealed[:at] + letter + (sealed[at + 1 :] if at != -1 else "")
    with pytest.raises(Unavailable):
        ring.open(altered, tenant_id=ONE, place="here")


def test_a_ring_opens_with_every_key_and_seals_with_the_newest() -> None:
    before = Ring([OLD]).seal("kept", tenant_id=ONE, place="here")
    ring = Ring([NEW, OLD])
    assert ring.open(before, tenant_id=ONE, place="here") == "kept"
    assert not ring.current(before)
    after = ring.seal("kept", tenant_id=ONE, place="here")
    assert ring.current(after)
    assert Ring([NEW]).open(after, tenant_id=ONE, place="here") == "kept"


def test_without_keys_nothing_is_sealed_and_what_need_not_be_stays_as_it_is() -> None:
    ring = Ring([])
    with pytest.raises(Unavailable, match="SECRET_KEYS"):
        ring.seal("plain", tenant_id=ONE, place="here")
    assert ring.keep("plain", tenant_id=ONE, place="here") == "plain"
    assert ring.reveal("plain", tenant_id=ONE, place="here") == "plain"
    assert Ring([NEW]).keep(None, tenant_id=ONE, place="here") is None
