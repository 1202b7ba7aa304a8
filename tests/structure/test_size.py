"""Files and functions stay small enough to be read in one go."""

from pathlib import Path

from tests.structure.tree import EVERYTHING, ROOT, functions, python_files

FILE_LINES = 300
FUNCTION_LINES = 45
TEST_FUNCTION_LINES = 60

WHY_LONG_FUNCTION: dict[tuple[str, str], str] = {}
"""File and name of functions that may be longer, with the reason. Revisions in sql/versions are lists of statements."""


def _is_revision(path: Path) -> bool:
    return path.is_relative_to("sql/versions")


def test_no_file_is_longer_than_its_limit() -> None:
    lengths = {path: len((ROOT / path).read_text().splitlines()) for path in python_files(*EVERYTHING)}
    long = [f"{path}: {lines}" for path, lines in lengths.items() if lines > FILE_LINES and not _is_revision(path)]
    assert long == []


def test_no_function_is_longer_than_its_limit() -> None:
    long = []
    for path in python_files(*EVERYTHING):
        limit = TEST_FUNCTION_LINES if path.parts[0] == "tests" else FUNCTION_LINES
        for function in functions(path):
            lines = (function.end_lineno or 0) - function.lineno + 1
            if lines > limit and not _is_revision(path) and (str(path), function.name) not in WHY_LONG_FUNCTION:
                long.append(f"{path}:{function.lineno} {function.name}: {lines}")
    assert long == []


def test_every_exception_is_still_needed() -> None:
    long = {
        (str(path), function.name)
        for path in {Path(name) for name, _function in WHY_LONG_FUNCTION}
        for function in functions(path)
        if (function.end_lineno or 0) - function.lineno + 1 > FUNCTION_LINES
    }
    assert set(WHY_LONG_FUNCTION) == long
