"""The image: two stages, versions pinned, nobody's account but its own, no secrets, a health check of ours."""

import re

import pytest

from tests.stage import ROOT
from tests.structure.tree import PRODUCT


@pytest.fixture(scope="module")
def steps() -> list[tuple[str, str]]:
    """Instructions and their words, lines joined."""
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    lines = re.sub(r"\\\n\s*", " ", re.sub(r"(?m)^#.*\n", "", text)).splitlines()
    return [(line.partition(" ")[0], line.partition(" ")[2]) for line in lines if line.strip()]


def words(steps: list[tuple[str, str]], instruction: str) -> list[str]:
    """What stands behind every instruction of one kind."""
    return [rest for name, rest in steps if name == instruction]


def test_two_stages_from_a_version(steps: list[tuple[str, str]]) -> None:
    bases = [rest.split()[0] for rest in words(steps, "FROM")]
    assert len(bases) == 2
    assert all(re.fullmatch(r"python:3\.\d+-slim-\w+", base) for base in bases)
    assert any("--from=build" in rest for rest in words(steps, "COPY"))


def test_nobodys_account_but_its_own(steps: list[tuple[str, str]]) -> None:
    users = words(steps, "USER")
    assert len(users) == 1
    assert re.fullmatch(r"[1-9]\d{3,}:[1-9]\d{3,}", users[0])
    names = [name for name, _rest in steps]
    assert names.index("USER") > max(i for i, (name, _) in enumerate(steps) if name in {"RUN", "COPY"})


def test_it_says_how_it_is_by_our_own_command(steps: list[tuple[str, str]]) -> None:
    (check,) = words(steps, "HEALTHCHECK")
    assert check.endswith('CMD ["agent-monitor", "health"]')
    assert words(steps, "ENTRYPOINT") == ['["agent-monitor"]']


def test_versions_are_the_constraints(steps: list[tuple[str, str]]) -> None:
    installs = [part for rest in words(steps, "RUN") for part in rest.split("&&") if "pip install" in part]
    assert installs
    assert all("--constraint constraints.txt" in part for part in installs)


def test_no_secret_is_baked_in(steps: list[tuple[str, str]]) -> None:
    given = " ".join(words(steps, "ENV") + words(steps, "ARG"))
    assert re.search(r"(?i)password|secret|token|_url", given) is None
    assert words(steps, "ADD") == []


def test_only_what_is_needed_gets_in(steps: list[tuple[str, str]]) -> None:
    ignored = (ROOT / ".dockerignore").read_text().split("\n")
    assert ignored[1] == "*"
    allowed = {line[1:] for line in ignored if line.startswith("!")}
    copied = {word for rest in words(steps, "COPY") if "--from" not in rest for word in rest.split()[:-1]}
    assert copied == allowed
    assert set(PRODUCT) <= allowed
    assert {"tests", ".secrets", ".git"}.isdisjoint(allowed)
