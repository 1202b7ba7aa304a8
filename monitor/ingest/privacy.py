"""What is stored of what people and models said, and what is taken out of everything else, before it is stored.

Contents of telemetry (prompts, completions, arguments and results of tools) are kept only where the tenant says so; in
their place stand their length and a keyed hash, so that the same content is recognised and none can be read or guessed.
A tenant's redaction rules hold for every way in. Both stand in `tenants.settings` and take effect within a second.
"""

import asyncio
import functools
import hashlib
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
from msgspec.structs import replace
from sqlalchemy import select

from monitor.db import Database
from monitor.identity.tables import Tenant
from monitor.ingest.logs import LogDraft
from monitor.ingest.redaction import Category, OwnPattern, Redactor
from monitor.runs.steps import Facts, Step

CACHE_SECONDS = 0.9
CACHE_SIZE = 10_000
SETTING = "privacy"
"""Its place in `tenants.settings`."""
HASH_BYTES = 8
# Logs of one request that are redacted in a thread, so that others are answered meanwhile.
_MANY = 500

_CONTENTS = ("input", "output", "system", "arguments", "result")
_TEXTS = ("description", "error_message", "traceback", "error_code")
# Whose they are has to stay distinguishable: see `Policy.name`.
_NAMES = ("user", "conversation")
# The last part of a dotted name says what a value is; numbers after it count things.
_CONTENT_NAME = re.compile(
    r"(?:^|[._])(?:prompts?|completions?|contents?|messages|inputs?|outputs?)(?:\.\d+)*$"
    r"|(?:^|\.)(?:text|results?|args|arguments|documents|explanation|reasoning|thinking)(?:\.\d+)*$"
    r"|(?:^|[._])(?:tool|function|call)_(?:results?|responses?|parameters|arguments)$"
    r"|^responses?$|(?:^|[._])(?:bash|full)_command$"
    r"|(?:^|[._])system_instructions$|(?:^|[._])(?:request|response)[._](?:body|text)$|^body$|^(?:input|output)\.value$"
    r"|^(?:llm\.(?:input_messages|output_messages|prompt_template)|ai\.(?:prompt|response|toolCall))\.",
    re.IGNORECASE,
)
# Names that look like contents and are none: figures and kinds of them.
_HARMLESS = re.compile(
    r"(?:tokens|length|size|count|id|ids|name|version|type|role|model|format|finish_?reasons?|timestamp|mime_type|hash|index)$",
    re.IGNORECASE,
)


@functools.lru_cache(maxsize=10_000)
def is_content(name: str) -> bool:
    """Whether an attribute of this name holds what people or models said."""
    return _CONTENT_NAME.search(name) is not None and _HARMLESS.search(name) is None


def is_said(event: str | None) -> bool:
    """Whether an event of this name holds in its body what people or models said (`gen_ai.user.message` and such)."""
    return event is not None and event.startswith("gen_ai.")


class Rules(NamedTuple):
    """What a tenant wants. `contents`: whether those of telemetry are kept."""

    contents: bool = False
    redact: tuple[Category, ...] = ()
    patterns: tuple[OwnPattern, ...] = ()

    @classmethod
    def of(cls, settings: dict[str, Any]) -> "Rules":
        """As they stand in `tenants.settings`."""
        given = settings.get(SETTING, {})
        return cls(
            bool(given.get("contents", False)),
            tuple(Category(name) for name in given.get("redact", ())),
            tuple(OwnPattern(one["name"], one["pattern"]) for one in given.get("patterns", ())),
        )

    def said(self) -> dict[str, Any]:
        """For `tenants.settings`."""
        patterns = [{"name": one.name, "pattern": one.pattern} for one in self.patterns]
        return {"contents": self.contents, "redact": [str(name) for name in self.redact], "patterns": patterns}


@dataclass(frozen=True, slots=True)
class Policy:
    """One tenant's rules at work. `redactor` is None where nothing is taken out."""

    contents: bool
    redactor: Redactor | None
    key: bytes

    def step(self, step: Step) -> Step:
        """A step as it may be stored: contents kept or withheld, everything else redacted."""
        if self.redactor is None and self.contents:
            return step
        facts = self._facts(step.facts)
        attributes = self.attributes(step.attributes) if step.attributes else step.attributes
        events = [self.attributes(event) for event in step.events] if step.events else step.events
        if self.redactor is None:
            if facts is step.facts and attributes is step.attributes and events == step.events:
                return step
            return replace(step, facts=facts, attributes=attributes, events=events)
        links = [self.details(link) for link in step.links]
        return replace(step, name=self.text(step.name), facts=facts, attributes=attributes, events=events, links=links)

    def _facts(self, facts: Facts) -> Facts:
        held = [name for name in _CONTENTS if name in facts]
        if not held and self.redactor is None:
            return facts
        made: dict[str, Any] = dict(facts)
        for name in held:
            made[name] = self.content(made[name])
        if self.redactor is not None:
            for name in _TEXTS:
                if name in made:
                    made[name] = self.text(made[name])
            for name in _NAMES:
                if name in made:
                    made[name] = self.name(made[name])
        return made  # type: ignore[return-value]

    def content(self, value: Any) -> Any:
        """What was said: redacted where the tenant keeps contents, else `{"length": …, "hash": …}` (characters of the
        text, or of the value as JSON; 16 hex digits)."""
        if value is None or value == "":
            return value
        if self.contents:
            return self.value(value)
        said = value.encode(errors="replace") if isinstance(value, str) else _json(value)
        length = len(value) if isinstance(value, str) else len(said.decode())
        return {"length": length, "hash": self._hash(said)}

    def attributes(self, attributes: dict[str, Any]) -> dict[str, Any]:
        """Attributes of telemetry: those that hold contents by their name are treated as such, the others redacted.

        Texts and structures only: a number or a flag is nobody's content.
        """
        if self.contents:
            return self.details(attributes)
        if self.redactor is not None:
            attributes = self.redactor.details(attributes)
        return _withheld(self, attributes)

    def text(self, text: str) -> str:
        """A text, redacted."""
        return text if self.redactor is None else self.redactor.text(text)

    def value(self, value: Any) -> Any:
        """A JSON value, redacted."""
        return value if self.redactor is None else self.redactor.value(value)

    def details(self, details: dict[str, Any]) -> dict[str, Any]:
        """An object, redacted."""
        return details if self.redactor is None else self.redactor.details(details)

    def name(self, name: str) -> str:
        """What tells people or conversations apart: where it would be redacted, a hash stands for it."""
        kept = self.text(name)
        return name if kept == name else f"redacted-{self._hash(name.encode(errors='replace'))}"

    def _hash(self, said: bytes) -> str:
        return hashlib.blake2b(said, key=self.key, digest_size=HASH_BYTES).hexdigest()

    async def logs(self, drafts: Sequence[LogDraft]) -> Sequence[LogDraft]:
        """Drafts of logs with their messages and details redacted: the same ones where there are no rules."""
        if self.redactor is None:
            return drafts
        if len(drafts) < _MANY:
            return [self._log(draft) for draft in drafts]
        return await asyncio.to_thread(lambda: [self._log(draft) for draft in drafts])

    def _log(self, draft: LogDraft) -> LogDraft:
        message, details = draft.message, draft.details
        if message is not None:
            message = self.text(message)
        if details is not None:
            details = msgspec.json.encode(self.details(msgspec.json.decode(details)))
        return draft._replace(message=message, details=details)


def _withheld(policy: Policy, given: dict[str, Any]) -> dict[str, Any]:
    """The same dict where no name in it is a content's: most are such."""
    changed: dict[str, Any] = {}
    for name, item in given.items():
        kind = type(item)
        if kind is str or kind is list or kind is dict:
            if is_content(name):
                changed[name] = policy.content(item)
            elif kind is dict:
                inner = _withheld(policy, item)
                if inner is not item:
                    changed[name] = inner
            elif kind is list and any(type(one) is dict for one in item):
                changed[name] = [_withheld(policy, one) if type(one) is dict else one for one in item]
    return given | changed if changed else given


def _json(value: Any) -> bytes:
    try:
        return msgspec.json.encode(value, order="deterministic", enc_hook=str)
    except UnicodeEncodeError:
        return repr(value).encode(errors="replace")


class Privacy:
    """The policies of all tenants, each believed for under a second. One for each process."""

    def __init__(self, db: Database, *, secret_keys: Sequence[str]) -> None:
        """`secret_keys`: the key ring; hashes of contents are made with its newest key."""
        self._db = db
        self._secret = hashlib.sha256((secret_keys[0] if secret_keys else "").encode()).digest()
        self._known: dict[UUID, tuple[float, Rules, Policy]] = {}
        self._looking: dict[UUID, asyncio.Task[Policy]] = {}

    async def of(self, tenant_id: UUID) -> Policy:
        """A tenant's policy. Raises DatabaseDown where it is not known: nothing is stored without it."""
        known = self._known.get(tenant_id)
        elapsed = time.monotonic()
        if known is not None and elapsed - known[0] <= CACHE_SECONDS:
            return known[2]
        looking = self._looking.get(tenant_id)
        if looking is None:
            looking = self._looking[tenant_id] = asyncio.create_task(self._look_up(tenant_id, elapsed))
            looking.add_done_callback(lambda _: self._looking.pop(tenant_id, None))
        return await asyncio.shield(looking)

    async def _look_up(self, tenant_id: UUID, elapsed: float) -> Policy:
        async with self._db.tenant(tenant_id) as connection:
            settings = (await connection.execute(select(Tenant.settings).where(Tenant.id == tenant_id))).scalar()
        rules = Rules.of(settings or {})
        known = self._known.get(tenant_id)
        # Patterns are compiled when they change, not each second.
        policy = known[2] if known is not None and known[1] == rules else self._made(tenant_id, rules)
        if len(self._known) >= CACHE_SIZE:
            self._known.clear()
        self._known[tenant_id] = elapsed, rules, policy
        return policy

    def _made(self, tenant_id: UUID, rules: Rules) -> Policy:
        redactor = Redactor(rules.redact, rules.patterns) if rules.redact or rules.patterns else None
        # Of another tenant's contents not even the equality shows.
        return Policy(rules.contents, redactor, hashlib.blake2b(tenant_id.bytes, key=self._secret).digest())
