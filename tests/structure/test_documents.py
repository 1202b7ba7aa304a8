"""The README, the Makefile, the CI script and the changelog agree with each other."""

import os
import re

from tests.structure.tree import ROOT, pyproject


def _targets() -> list[str]:
    return re.findall(r"^([a-z]+):.*## \S", (ROOT / "Makefile").read_text(), re.MULTILINE)


def test_every_make_target_is_explained_and_is_not_a_file() -> None:
    phony = re.search(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert phony is not None
    assert sorted(phony[1].split()) == sorted(_targets())
    assert {"run", "test", "check", "bench", "schema", "accept", "help"} <= set(_targets())


def test_the_readme_mentions_every_make_target() -> None:
    readme = (ROOT / "README.md").read_text()
    assert [target for target in _targets() if f"make {target}" not in readme] == []


def test_ci_runs_what_people_run() -> None:
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    text = script.read_text()
    assert "set -euo pipefail" in text
    assert "export AGENT_MONITOR_TEST_REQUIRE_ALL=1" in text
    assert text.rstrip().endswith("make test")


def test_the_license_is_the_one_declared() -> None:
    assert pyproject()["project"]["license"] == "Apache-2.0"
    assert "Apache License\n                           Version 2.0" in (ROOT / "LICENSE").read_text()


def test_the_changelog_has_a_place_for_what_comes_next() -> None:
    assert "\n## [Unreleased]\n" in (ROOT / "CHANGELOG.md").read_text()
