"""Habits that review would forget: who catches everything, reads the environment or the wall clock."""

import ast
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from tests.structure.tree import EVERYTHING, PRODUCT, ROOT, dotted, functions, parse, python_files

BROAD = {"Exception", "BaseException"}
BROAD_EXCEPTS = {
    "monitor/http/problems.py": (2, "one request must not take the collector down: by the framework, and around it"),
    "alerts/evaluate.py": (1, "one rule must not take the tick down"),
    "alerts/deliver.py": (1, "one notification must not take the delivery down"),
}
WALL_CLOCK = {
    "monitor/clock.py": "the one clock; everything else is told what time it is",
    "monitor/sdk/surroundings.py": "the client lives inside agents and imports nothing of the product",
}
ENVIRONMENT = {
    "monitor/settings.py": "settings are read once, here",
    "monitor/sdk/surroundings.py": "the client lives inside agents and imports nothing of the product",
}
NOW = {"datetime.now", "datetime.utcnow", "datetime.today", "date.today", "time.time", "time.time_ns"}
CHECKS = ("assert", "expect", "check", "raises", "fail", "until", "wait_until")
UNFINISHED = re.compile(r"\b(TODO|FIXME|XXX|NotImplementedError)\b")
MACHINE = re.compile(r"/(?:work|root)/|/tmp/venv|/home/\w+/")


def _broad(node: ast.AST) -> bool:
    """Whether a node swallows every error: a bare or broad `except` that does not re-raise, `suppress`, a handler."""
    if isinstance(node, ast.ExceptHandler):
        kinds = node.type.elts if isinstance(node.type, ast.Tuple) else [node.type]
        names = {dotted(kind).rpartition(".")[2] if kind is not None else "Exception" for kind in kinds}
        last = node.body[-1]
        cleans_up_and_raises = isinstance(last, ast.Raise) and last.exc is None
        return bool(names & BROAD) and not cleans_up_and_raises
    if isinstance(node, ast.Call) and dotted(node.func).endswith(("suppress", "exception_handler")):
        return bool({dotted(kind) for kind in node.args} & BROAD)
    return False


def _calls(path: Path, names: set[str]) -> Iterator[str]:
    for node in ast.walk(parse(path)):
        if isinstance(node, ast.Call) and any(dotted(node.func) in {n, f"datetime.{n}"} for n in names):
            yield f"{path}:{node.lineno} {dotted(node.func)}"


def _reads_environment(path: Path) -> bool:
    for node in ast.walk(parse(path)):
        if isinstance(node, ast.Attribute) and dotted(node) in {"os.environ", "os.environb", "os.getenv"}:
            return True
        if isinstance(node, ast.ImportFrom) and node.module == "os":
            return any(alias.name in {"environ", "environb", "getenv"} for alias in node.names)
    return False


def test_everything_is_caught_in_exactly_three_places() -> None:
    found = Counter(str(path) for path in python_files(*PRODUCT) for node in ast.walk(parse(path)) if _broad(node))
    assert found == {path: times for path, (times, _why) in BROAD_EXCEPTS.items()}


def test_one_module_reads_the_wall_clock() -> None:
    others = [path for path in python_files(*PRODUCT) if str(path) not in WALL_CLOCK]
    assert [call for path in others for call in _calls(path, NOW)] == []


def test_one_module_reads_the_environment() -> None:
    assert {str(path) for path in python_files(*PRODUCT) if _reads_environment(path)} == set(ENVIRONMENT)


def test_every_module_says_what_it_is() -> None:
    silent = [path for path in python_files(*EVERYTHING) if not (ast.get_docstring(parse(path)) or "").strip()]
    assert silent == []


def test_every_test_checks_something() -> None:
    idle = [
        f"{path}:{function.lineno} {function.name}"
        for path in python_files("tests")
        for function in functions(path)
        if function.name.startswith("test_") and not any(map(_is_check, ast.walk(function)))
    ]
    assert idle == []


def _is_check(node: ast.AST) -> bool:
    if isinstance(node, ast.Assert):
        return True
    return isinstance(node, ast.Call) and dotted(node.func).rpartition(".")[2].lstrip("_").startswith(CHECKS)


def test_nothing_is_left_unfinished_or_skipped() -> None:
    here = Path(__file__).relative_to(ROOT)
    found = []
    for path in python_files(*EVERYTHING):
        for number, line in enumerate((ROOT / path).read_text().splitlines(), 1):
            skips = re.search(r"mark\.(skip|xfail)|pytest\.(skip|xfail)\(", line) and path != Path("tests/parts.py")
            if path != here and (UNFINISHED.search(line) or MACHINE.search(line) or skips):
                found.append(f"{path}:{number} {line.strip()}")
    assert found == []
