"""What the built package and the environment hold: packages, data files, dependencies and their versions."""

import ast
import re
import sys
from importlib.metadata import packages_distributions
from pathlib import Path, PurePath

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.structure.tree import EVERYTHING, PRODUCT, ROOT, parse, pyproject, python_files

PART_OF_ANOTHER = {"starlette": "fastapi"}
"""Distributions that we import and that another one, which we declare, is made of."""


def _requirements(*, dev: bool) -> dict[str, Requirement]:
    project = pyproject()["project"]
    lines = list(project["dependencies"])
    for name, extra in project["optional-dependencies"].items():
        if dev or name != "dev":
            lines += extra
    return {canonicalize_name(parsed.name): parsed for parsed in map(Requirement, lines)}


def _constraints() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text().split()
    return {canonicalize_name(name): version for name, _sign, version in (line.partition("==") for line in lines)}


def test_every_package_on_disk_is_listed() -> None:
    on_disk = {".".join(path.parent.parts) for path in python_files(*PRODUCT)}
    assert set(pyproject()["tool"]["setuptools"]["packages"]) == on_disk


def test_every_folder_with_python_is_a_package() -> None:
    bare = {path.parent for path in python_files(*EVERYTHING) if not (ROOT / path.parent / "__init__.py").exists()}
    assert bare == set()


def test_every_data_file_is_shipped() -> None:
    shipped = pyproject()["tool"]["setuptools"]["package-data"]
    packages = {Path(*name.split(".")) for name in pyproject()["tool"]["setuptools"]["packages"]}
    left_behind = []
    for file in (path.relative_to(ROOT) for top in PRODUCT for path in (ROOT / top).rglob("*") if path.is_file()):
        if file.suffix in {".py", ".pyc"}:
            continue
        package = next(parent for parent in file.parents if parent in packages)
        patterns = shipped.get(".".join(package.parts), [])
        inside = PurePath(file.relative_to(package))
        if not any(len(PurePath(p).parts) == len(inside.parts) and inside.match(p) for p in patterns):
            left_behind.append(str(file))
    assert left_behind == []


def test_every_dependency_says_why_it_is_there() -> None:
    text = (ROOT / "pyproject.toml").read_text()
    for name in _requirements(dev=True):
        pattern = "[-_.]".join(map(re.escape, name.split("-")))
        line = re.search(rf'^\s*"{pattern}[^\w-].*$|^\s*"{pattern}".*$', text, re.MULTILINE | re.IGNORECASE)
        assert line is not None, name
        assert re.search(r",\s+# \S", line[0]), f"{name} has no reason beside it"


def test_every_import_is_declared() -> None:
    owners = packages_distributions()
    declared = set[str](_requirements(dev=False))
    undeclared = set()
    for path in python_files(*PRODUCT):
        for module in _imported(parse(path)):
            if module in sys.stdlib_module_names or module in PRODUCT:
                continue
            names = [canonicalize_name(name) for name in owners.get(module, [module])]
            if declared.isdisjoint(PART_OF_ANOTHER.get(name, name) for name in names):
                undeclared.add(f"{path}: {module}")
    assert undeclared == set()


def _imported(tree: ast.Module) -> set[str]:
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            found.add(node.module.partition(".")[0])
    return found


def test_constraints_are_names_and_versions_only() -> None:
    text = (ROOT / "constraints.txt").read_text()
    assert "://" not in text
    assert [line for line in text.splitlines() if not re.fullmatch(r"[\w.-]+==[\w.!+]+", line)] == []


def test_constraints_pin_every_dependency_to_a_version_it_allows() -> None:
    pins = _constraints()
    wanted = _requirements(dev=True)
    assert set(wanted) - set(pins) == set()
    assert [str(need) for name, need in wanted.items() if pins[name] not in need.specifier] == []
