"""Packs of rules that are shipped, and what they become with a tenant's overrides."""

import hashlib
import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from alerts.configs import Draft, draft
from alerts.core.condition import ConditionError
from monitor.errors import InvalidInput, NotFound

_FOR_ALL = ("selector", "channels", "severity", "repeat")
_OPTIONAL = (
    "selector", "for", "keep_firing_for", "repeat", "escalate", "flapping", "channels", "labels", "runbook", "owner",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Pack:
    """Some rules by their keys, written as the API takes them. `digest` changes whenever one of them does."""

    name: str
    title: str
    about: str
    rules: Mapping[str, Mapping[str, Any]]
    digest: str


@cache
def shipped() -> Mapping[str, Pack]:
    """All packs by name."""
    return parse(files("alerts").joinpath("packs.toml").read_text(encoding="utf-8"))


def parse(text: str) -> Mapping[str, Pack]:
    """Packs in TOML, as `packs.toml` is written."""
    packs = {}
    for name, raw in tomllib.loads(text).items():
        rules = {
            rule["key"]: {field: value for field, value in rule.items() if field != "key"} for rule in raw["rules"]
        }
        digest = hashlib.sha256(json.dumps(rules, sort_keys=True).encode()).hexdigest()
        packs[name] = Pack(name, raw["title"], raw["about"], rules, digest)
    return packs


def find(name: str) -> Pack:
    """A pack by its name. Raises NotFound."""
    if name not in shipped():
        raise NotFound(f"there is no such pack; there are {', '.join(shipped())}")
    return shipped()[name]


def drafts(pack: Pack, overrides: Mapping[str, Any]) -> dict[str, Draft]:
    """The rules of a pack as one tenant has them, by key. Raises InvalidInput with the path of a fault.

    `overrides`: `selector`, `channels`, `severity`, `repeat` for all of them, and under `rules` for one of them by its
    key; there `conditions` is laid over the shipped one, field by field.
    """
    own = overrides.get("rules", {})
    for key in own:
        if key not in pack.rules:
            raise InvalidInput(f"the pack has no such rule; it has {', '.join(pack.rules)}", path=f"rules.{key}")
    common = {name: overrides[name] for name in _FOR_ALL if overrides.get(name) is not None}
    return {key: _draft(key, rule, common, own.get(key, {})) for key, rule in pack.rules.items()}


def _draft(key: str, rule: Mapping[str, Any], common: Mapping[str, Any], own: Mapping[str, Any]) -> Draft:
    said = {name: value for name, value in own.items() if value is not None}
    conditions = {**rule["conditions"], **said.pop("conditions", {})}
    raw = {**dict.fromkeys(_OPTIONAL), "enabled": True, **rule, **common, **said, "conditions": conditions}
    try:
        return draft(raw, agent_id=None)
    except ConditionError as fault:
        path = f"rules.{key}.{fault.path}" if fault.path.split(".")[0] not in common or own else fault.path
        raise InvalidInput(fault.message, path=path) from fault
