"""OpenInference, which Arize Phoenix's instrumentations speak (openinference-semantic-conventions).

`llm.token_count.prompt` includes the cache, `llm.token_count.completion` the reasoning. `input.value` and
`output.value` tell the contents of every kind of span; what they are depends on its kind (INPUT, OUTPUT).
"""

from monitor.ingest.normalise.dialect import Dialect, Field, content, count, dollars, name, names, text, words
from monitor.runs.steps import StepKind

KINDS = {
    "LLM": StepKind.CALL,
    "EMBEDDING": StepKind.CALL,
    "DECISION": StepKind.CALL,
    "AGENT": StepKind.AGENT,
    "TOOL": StepKind.TOOL,
    "CHAIN": StepKind.OTHER,
    "RETRIEVER": StepKind.OTHER,
    "RERANKER": StepKind.OTHER,
    "GUARDRAIL": StepKind.OTHER,
    "EVALUATOR": StepKind.OTHER,
    "PROMPT": StepKind.OTHER,
    "UNKNOWN": StepKind.OTHER,
}

FIELDS = {
    "openinference.span.kind": Field("_openinference"),
    "llm.response.model_name": Field("model", name),
    "llm.model_name": Field("model", name),
    "embedding.model_name": Field("model", name),
    "decision.response.model_name": Field("model", name),
    "decision.model_name": Field("model", name),
    "reranker.model_name": Field("model", name),
    "llm.request.model_name": Field("request_model", name),
    "decision.request.model_name": Field("request_model", name),
    "llm.provider": Field("provider"),
    "llm.system": Field("provider"),
    "decision.provider": Field("provider"),
    "decision.system": Field("provider"),
    "llm.token_count.prompt": Field("input_tokens", count),
    "decision.token_count.input": Field("input_tokens", count),
    "llm.token_count.completion": Field("output_tokens", count),
    "decision.token_count.output": Field("output_tokens", count),
    "llm.token_count.prompt_details.cache_read": Field("cache_read_tokens", count),
    "llm.token_count.prompt_details.cache_input": Field("cache_read_tokens", count),
    "llm.token_count.prompt_details.cache_write": Field("cache_write_tokens", count),
    "llm.token_count.completion_details.reasoning": Field("reasoning_tokens", count),
    "llm.token_count.total": Field("_total_tokens", count),
    "llm.cost.total": Field("cost_usd", dollars),
    "llm.cost.prompt": Field("_cost_input", dollars),
    "llm.cost.completion": Field("_cost_output", dollars),
    "llm.finish_reason": Field("finish_reasons", words),
    "tool.name": Field("tool", name),
    "tool.id": Field("tool_call_id"),
    "tool_call.id": Field("tool_call_id"),
    "tool_call.function.name": Field("tool", name),
    "tool_call.function.arguments": Field("arguments", content),
    "agent.name": Field("_agent", name),
    "session.id": Field("conversation"),
    "user.id": Field("user"),
    "input.value": Field("_input", content),
    "output.value": Field("_output", content),
    "reranker.query": Field("input", content),
    "llm.invocation_parameters": Field("arguments", content),
    "embedding.invocation_parameters": Field("arguments", content),
    "llm.function_call": Field("output", content),
    "graph.node.id": Field("_graph_node", text),
    "llm.prompt_template.template": Field("system", content),
    "llm.prompt_template.variables": Field("input", content),
}

DIALECT = Dialect(
    name="openinference",
    fields=FIELDS,
    families={
        "llm.input_messages": Field("input", content),
        "llm.prompts": Field("input", content),
        "input.images": Field("input", content),
        "input.documents": Field("input", content),
        "embedding.embeddings": Field("input", content),
        "embedding.text": Field("input", content),
        "reranker.input_documents": Field("input", content),
        "llm.output_messages": Field("output", content),
        "llm.choices": Field("output", content),
        "output.images": Field("output", content),
        "output.documents": Field("output", content),
        "retrieval.documents": Field("output", content),
        "reranker.output_documents": Field("output", content),
    },
    kinds={"_openinference": KINDS},
    kept=names(
        """
        input.mime_type output.mime_type llm.tools llm.prompt_template.version reranker.top_k
        """
    ),
    kept_families=frozenset({"llm.tools", "llm.cost", "llm.token_count"}),
    namespaces=frozenset({"openinference", "llm", "embedding", "retrieval", "reranker", "decision"}),
)

INPUT = {StepKind.TOOL: "arguments"}
"""Which fact `input.value` tells, by kind: `input` where none is named. Likewise for other dialects' inputs."""

OUTPUT = {StepKind.TOOL: "result"}

UNNAMED_AGENT_IS_WORKFLOW = frozenset({"openinference.instrumentation.openai_agents"})
"""Scopes whose unnamed AGENT span is the run as a whole, of which the agents' own spans are parts."""
