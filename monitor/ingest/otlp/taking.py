"""What becomes of a request, whichever way it came: read, made into what is stored, committed, and said."""

import asyncio
from collections.abc import Callable, Sequence
from typing import TypeVar

from monitor.ingest import exemplars
from monitor.ingest.normalise.events import steps_of_logs
from monitor.ingest.normalise.outcome import Normalised
from monitor.ingest.normalise.spans import steps_of_spans
from monitor.ingest.otlp import lines, points, protocol
from monitor.ingest.otlp.logs import logs
from monitor.ingest.otlp.metrics import metrics
from monitor.ingest.otlp.protocol import LOGS, METRICS, TRACES, Encoding, Signal
from monitor.ingest.otlp.traces import spans
from monitor.ingest.payloads import Outcome
from monitor.ingest.scores import keep_evaluations
from monitor.ingest.service import THREAD_BYTES, Ingest
from monitor.ingest.unmapped import Counts
from monitor.principal import Principal

Made = TypeVar("Made")


class Taking:
    """Takes the three signals in."""

    def __init__(self, ingest: Ingest) -> None:
        """`ingest` is the process' one way in."""
        self.ingest = ingest
        self._memory = points.Memory()

    async def take(self, signal: Signal, principal: Principal, body: bytes, encoding: Encoding) -> Outcome:
        """What became of a request's spans, data points or log records, once it is committed.

        Raises Unreadable and TooLarge for the body, and what committing raises.
        """
        outcome = Outcome()
        if signal is TRACES:
            await self._traces(principal, body, encoding, outcome)
        elif signal is METRICS:
            await self._metrics(principal, body, encoding, outcome)
        else:
            await self._logs(principal, body, encoding, outcome)
        self.ingest.metrics.rows(signal.noun, accepted=outcome.accepted, rejected=len(outcome.rejected))
        return outcome

    async def _traces(self, principal: Principal, body: bytes, encoding: Encoding, outcome: Outcome) -> None:
        def read() -> tuple[list[int], Normalised]:
            made = spans(*protocol.read(TRACES, body, encoding), outcome)
            return list(made), steps_of_spans(made.values())

        places, normalised = await _apart(body, read)
        # Each span is one step, in its order.
        steps = Outcome()
        await self.ingest.keep_steps(principal, normalised.steps, steps, unmapped=_unmapped(normalised))
        await keep_evaluations(self.ingest, principal, normalised.scores)
        outcome.accepted = steps.accepted
        outcome.rejected += [(places[index], error) for index, error in steps.rejected]
        outcome.warnings += [(places[index], text) for index, text in steps.warnings]

    async def _metrics(self, principal: Principal, body: bytes, encoding: Encoding, outcome: Outcome) -> None:
        window, tenant_id = self.ingest.window(), principal.tenant_id

        def read() -> points.Converted:
            made = metrics(*protocol.read(METRICS, body, encoding))
            return points.convert(made, tenant_id=tenant_id, window=window, memory=self._memory, outcome=outcome)

        made = await _apart(body, read)
        await self.ingest.keep_points(principal, made.drafts, outcome)
        await exemplars.keep(self.ingest, principal, made.exemplars)

    async def _logs(self, principal: Principal, body: bytes, encoding: Encoding, outcome: Outcome) -> None:
        window = self.ingest.window()
        policy = await self.ingest.privacy.of(principal.tenant_id)

        def read() -> tuple[Sequence[lines.LineDraft], Normalised]:
            made = list(logs(*protocol.read(LOGS, body, encoding)))
            kept = (lines.withheld(record, policy) for record in made)
            return lines.drafts(kept, window, outcome), steps_of_logs(made)

        made, normalised = await _apart(body, read)
        await self.ingest.keep_logs(principal, made, outcome)
        # What becomes of an event's step is not told: the record itself is kept.
        await self.ingest.keep_steps(principal, normalised.steps, Outcome(), unmapped=_unmapped(normalised))
        await keep_evaluations(self.ingest, principal, normalised.scores)


def _unmapped(normalised: Normalised) -> dict[str, Counts]:
    return {"unknown": normalised.unmapped, "misfit": normalised.misfits}


async def _apart(body: bytes, work: Callable[[], Made]) -> Made:
    """The work's result; that of a large body is done in a thread, so that others are answered meanwhile."""
    return await asyncio.to_thread(work) if len(body) > THREAD_BYTES else work()
