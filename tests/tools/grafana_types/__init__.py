"""Grafana's own types of a dashboard, as it publishes them, and TypeScript's compiler to hold JSON against them."""

import json
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.tools import npm

HERE = Path(__file__).parent
NAME = "grafana-types"
FILES = ("package.json", "tsconfig.json", "page.ts")


def folder() -> Path:
    """Where it is installed, now where it was not before. Raises npm.NotInstalledError."""
    return npm.installed(NAME, HERE, FILES)


def faults(pages: Sequence[Any]) -> list[str]:
    """What the compiler says against these dashboards, each given as JSON data. Takes about two seconds."""
    home = folder()
    with tempfile.TemporaryDirectory(prefix="pages-", dir=home) as made:
        work = Path(made)
        for number, page in enumerate(pages):
            words = json.dumps(page, indent=1, sort_keys=True)
            text = f'import type {{ Page }} from "../page";\nexport const page: Page = {words};\n'
            (work / f"page{number}.ts").write_text(text, encoding="utf-8")
        (work / "tsconfig.json").write_text('{"extends": "../tsconfig.json", "include": ["*.ts"]}')
        compiler = home / "node_modules" / "typescript" / "bin" / "tsc"
        command = ["node", str(compiler), "--project", str(work), "--pretty", "false"]
        done = subprocess.run(command, cwd=work, capture_output=True, text=True, check=False, timeout=120)
    said = done.stdout.splitlines()
    assert bool(said) == (done.returncode != 0), done.stderr
    return said


def current_schema() -> int:
    """The schema version that these types are of."""
    program = 'import { defaultDashboard } from "@grafana/schema"; console.log(defaultDashboard.schemaVersion);'
    command = ["node", "--input-type=module", "--eval", program]
    return int(subprocess.run(command, cwd=folder(), capture_output=True, text=True, check=True).stdout)
