"""Rules as YAML: what is refused, the tests that they carry, and the way into a tenant and out again."""

import asyncio
import re
import sys
from pathlib import Path

import pytest

from alerts.core.covering import cover
from alerts.rule_files import Imported, read_file
from alerts.rule_tests import run_tests
from monitor import rules_admin
from monitor.db import Database
from monitor.embedded import EmbeddedPostgres
from monitor.errors import InvalidInput
from monitor.settings import load
from tests.conftest import urls
from tests.factories import make_tenant
from tests.stage import MAIN, ROOT, VARIABLES

FILE = """
rules:
  - name: Slow answers
    selector: {agent_type: coder}
    conditions: {metric: latency_ms, reduce: p95, window: 5m, op: ">", threshold: 2000, by: [model]}
    for: 2m
    channels: {email: ops@example.com}
    severity: critical
  - name: Akira fails
    agent: akira-001
    conditions: {status: error, consecutive_failures: 3}
    repeat: 1h
    channels: {channel: ops}
tests:
  - name: slow answers page once they have lasted
    input:
      - {agent: akira-001, metric: latency_ms, tags: {model: opus}, every: 1m, values: "100x5 2500x10 100x15"}
    expect:
      - {at: 6m, alerts: []}
      - {at: 8m, alerts: [{rule: Slow answers, agent: akira-001, labels: {model: opus}}]}
      - {at: 25m, alerts: []}
    messages:
      - {at: 430s, reason: FIRST, to: ops@example.com, agents: [akira-001]}
      - {at: 1150s, reason: RESOLVED, to: ops@example.com}
  - name: three failures in a row
    input:
      - {agent: akira-001, log: error, at: [5s, 15s, 25s], message: no}
      - {agent: akira-001, log: success, at: 2h}
    messages:
      - {at: 30s, reason: FIRST, to: ops}
      - {at: 3630s, reason: REPEAT, to: ops}
      - {at: 7210s, reason: RESOLVED, to: ops}
"""


def test_a_secret_address_is_named_in_tests_whole_or_as_it_is_shown() -> None:
    url = "https://hooks.slack.com/services/T0/B0/s3cret"
    for given in (url, cover(url)):
        for to in (url, cover(url)):
            document = FILE.replace("email: ops@example.com", f'slack: "{given}"').replace(
                "to: ops@example.com", f'to: "{to}"'
            )
            assert [one.faults for one in run_tests(read_file(document))] == [(), ()], (given, to)


def test_the_tests_of_a_file_run_through_the_machine() -> None:
    results = run_tests(read_file(FILE))
    assert [(one.name, one.faults) for one in results] == [
        ("slow answers page once they have lasted", ()),
        ("three failures in a row", ()),
    ]


def test_a_test_that_fails_says_what_was_other_than_expected() -> None:
    wrong = FILE.replace("at: 6m, alerts: []", "at: 10m, alerts: []").replace("at: 30s, reason", "at: 20s, reason")
    first, second = run_tests(read_file(wrong))
    assert first.faults == ("at 10m: 'Slow answers' for akira-001 (model=opus) fires and should not",)
    assert second.faults == (
        "at 20s: FIRST to ops should be sent and is not",
        "at 30s: FIRST to ops about akira-001 is sent and should not be",
    )


@pytest.mark.parametrize(
    ("changed", "to", "path"),
    [
        ("threshold: 2000", "threshold: high", "rules[0].conditions.threshold"),
        ("severity: critical", "severity: loud", "rules[0].severity"),
        ("name: Akira fails", "name: Slow answers", "rules[1].name"),
        ("repeat: 1h", "repeats: 1h", "rules[1].repeats"),
        ("2500x10", "2500*10", "tests[0].input[0].values"),
        ("tests:", "test:", "test"),
    ],
)
def test_a_fault_is_told_with_its_place(changed: str, to: str, path: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        run_tests(read_file(FILE.replace(changed, to)))
    assert caught.value.path == path


def test_yaml_makes_nothing_but_plain_values() -> None:
    with pytest.raises(InvalidInput):
        read_file("rules: !!python/object/apply:os.getcwd []")


async def test_rules_go_into_a_tenant_and_out_again_without_a_difference(
    postgres: EmbeddedPostgres, database_name: str, db: Database
) -> None:
    settings = load({VARIABLES[role]: url for role, url in urls(postgres, database_name).items()})
    slug = (await make_tenant(db)).slug
    document = FILE.replace("channels: {channel: ops}", "channels: {slack: '#ops'}")
    assert await rules_admin.bring_in(settings, slug, document) == Imported(created=2)
    out, count = await rules_admin.export(settings, slug)
    assert count == 2
    assert await rules_admin.bring_in(settings, slug, out) == Imported(same=2)
    assert await rules_admin.export(settings, slug) == (out, 2)
    changed = out.replace("critical", "info")
    assert await rules_admin.bring_in(settings, slug, changed) == Imported(changed=1, same=1)
    asked = rules_admin.Asked(tenant=slug, document=changed, rule=None, since="1h", time_zone="UTC")
    said = await rules_admin.look_back(settings, asked)
    assert any(line.startswith("Akira fails: over 1h") and "would have paged 0 times" in line for line in said)


async def test_a_test_that_fails_makes_the_command_fail(tmp_path: Path) -> None:
    file = tmp_path / "rules.yaml"
    file.write_text(FILE.replace("at: 30s, reason", "at: 20s, reason"))
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", MAIN, "rules", "test", str(file), cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )
    said, _ = await process.communicate()
    lines = said.decode().splitlines()
    assert (process.returncode, lines[0]) == (1, "ok    slow answers page once they have lasted")
    assert lines[1] == "FAIL  three failures in a row"


def test_the_example_of_the_readme_passes_its_own_tests() -> None:
    blocks = re.findall(r"```yaml\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    examples = [block for block in blocks if block.startswith("rules:")]
    assert examples, "the README shows no rules"
    for example in examples:
        results = run_tests(read_file(example))
        assert results, "an example without tests"
        assert [(one.name, one.faults) for one in results if one.faults] == []
        # They can fail: with another threshold nothing of it is so.
        assert any(one.faults for one in run_tests(read_file(example.replace("threshold: 2000", "threshold: 2600"))))
