"""The import order holds, and its contract names every module."""

import subprocess
import sys

from tests.structure.tree import ROOT, pyproject

RUN = "from importlinter.cli import lint_imports_command; lint_imports_command()"


def test_imports_point_down() -> None:
    done = subprocess.run(
        [sys.executable, "-c", RUN, "--no-logo", "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_module_has_its_place_in_the_order() -> None:
    contracts = pyproject()["tool"]["importlinter"]["contracts"]
    order = next(contract for contract in contracts if contract["type"] == "layers")
    placed = {name.strip(" \n()") for layer in order["layers"] for name in layer.replace("|", ":").split(":")}
    modules = {
        f"{top}.{path.stem}"
        for top in ("monitor", "alerts")
        for path in (ROOT / top).iterdir()
        if path.suffix == ".py" or (path / "__init__.py").exists()
    } - {"monitor.__init__", "alerts.__init__"}
    assert modules - placed == set()
