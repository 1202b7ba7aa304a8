"""OpenLLMetry: `traceloop.*`, `gen_ai.*` and older `llm.*` (opentelemetry-semantic-conventions-ai).

Token counts are spelled as in OpenTelemetry's conventions, and include cache and reasoning as there.
"""

from monitor.ingest.normalise.dialect import Dialect, Field, content, count, name, names, words
from monitor.runs.steps import StepKind

KINDS = {
    "workflow": StepKind.WORKFLOW,
    "agent": StepKind.AGENT,
    "tool": StepKind.TOOL,
    "handoff": StepKind.HANDOFF,
    "task": StepKind.OTHER,
    "session": StepKind.OTHER,
    "server": StepKind.OTHER,
    "guardrail": StepKind.OTHER,
    "unknown": StepKind.OTHER,
}

REQUESTS = {
    "chat": StepKind.CALL,
    "completion": StepKind.CALL,
    "embedding": StepKind.CALL,
    "rerank": StepKind.OTHER,
    "unknown": StepKind.OTHER,
}

FIELDS = {
    "traceloop.span.kind": Field("_traceloop"),
    "llm.request.type": Field("_request"),
    "traceloop.entity.name": Field("_entity", name),
    "traceloop.workflow.name": Field("workflow", name),
    "traceloop.entity.input": Field("_input", content),
    "traceloop.entity.output": Field("_output", content),
    "traceloop.association.properties.session_id": Field("conversation"),
    "traceloop.association.properties.chat_id": Field("conversation"),
    "traceloop.association.properties.thread_id": Field("conversation"),
    "traceloop.association.properties.user_id": Field("user"),
    "traceloop.correlation.id": Field("conversation"),
    "traceloop.prompt.template": Field("system", content),
    "llm.user": Field("user"),
    "llm.usage.total_tokens": Field("_total_tokens", count),
    "llm.usage.prompt_tokens": Field("input_tokens", count),
    "llm.usage.completion_tokens": Field("output_tokens", count),
    "llm.usage.reasoning_tokens": Field("reasoning_tokens", count),
    "llm.vendor": Field("provider"),
    "llm.request.model": Field("request_model", name),
    "llm.response.model": Field("model", name),
    "llm.response.finish_reason": Field("finish_reasons", words),
    "llm.response.stop_reason": Field("finish_reasons", words),
    "llm.content.completion.chunk": Field("output", content),
}

DIALECT = Dialect(
    name="traceloop",
    fields=FIELDS,
    families={"llm.completions": Field("output", content)},
    kinds={"_traceloop": KINDS, "_request": REQUESTS},
    kept=names(
        """
        traceloop.entity.path traceloop.entity.version traceloop.prompt.managed traceloop.prompt.key
        traceloop.prompt.version traceloop.prompt.version_name traceloop.prompt.version_hash llm.headers
        llm.is_streaming llm.frequency_penalty llm.presence_penalty llm.top_k llm.temperature llm.top_p
        llm.chat.stop_sequences llm.usage.token_type
        """
    ),
    kept_families=frozenset({"traceloop.association", "llm.request"}),
    namespaces=frozenset({"traceloop"}),
)
