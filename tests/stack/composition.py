"""docker-compose.yml, parsed."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from tests.stage import ROOT

PATH = ROOT / "docker-compose.yml"
_INTERPOLATED = re.compile(r"(?<!\$)\$\{(\w+)(?::-([^}]*))?\}")


@dataclass(frozen=True, slots=True)
class Service:
    """One service, as the file says it, with variables at their defaults."""

    name: str
    said: Mapping[str, Any]

    @property
    def image(self) -> str:
        """Its image."""
        return str(self.said["image"])

    @property
    def ours(self) -> bool:
        """Whether it is our image."""
        return self.image.startswith("agent-monitor:")

    @property
    def command(self) -> list[str]:
        """Its words."""
        return [str(word) for word in self.said.get("command", [])]

    @property
    def environment(self) -> dict[str, str]:
        """Its variables."""
        return {name: str(value) for name, value in self.said.get("environment", {}).items()}

    @property
    def secrets(self) -> list[str]:
        """The secrets mounted into it."""
        return list(self.said.get("secrets", []))

    def mounts(self) -> Iterator[tuple[str, str]]:
        """What is mounted, and where."""
        for volume in self.said.get("volumes", []):
            source, target = str(volume).split(":")[:2]
            yield source, target


@dataclass(frozen=True, slots=True)
class Composition:
    """The file."""

    text: str
    said: Mapping[str, Any]

    @property
    def services(self) -> dict[str, Service]:
        """By name."""
        return {name: Service(name, said) for name, said in self.said["services"].items()}

    @property
    def variables(self) -> set[str]:
        """What it takes from the environment of `docker compose`."""
        return {found[1] for found in _INTERPOLATED.finditer(self.text)}


def read() -> Composition:
    """Parse the file, with every variable at its default."""
    text = PATH.read_text(encoding="utf-8")
    return Composition(text, yaml.safe_load(_INTERPOLATED.sub(lambda found: found[2] or "", text)))
