"""OpenTelemetry's conventions for GenAI, names of today and of before (open-telemetry/semantic-conventions-genai).

`gen_ai.usage.input_tokens` includes what came from the cache and what was written to it, `output_tokens` includes the
reasoning. Names with `cache_read_input_tokens` and the like in one part are those of libraries that were ahead of the
conventions, and of OpenLLMetry before 0.5; `gen_ai.usage.cost` is OpenLIT's.
"""

from monitor.ingest.normalise.dialect import (
    Dialect,
    Field,
    content,
    count,
    dollars,
    name,
    names,
    number,
    prose,
    seconds,
    words,
)
from monitor.runs.steps import StepKind

OPERATIONS = {
    "chat": StepKind.CALL,
    "text_completion": StepKind.CALL,
    "generate_content": StepKind.CALL,
    "embeddings": StepKind.CALL,
    "completion": StepKind.CALL,
    "embedding": StepKind.CALL,
    "llm_request": StepKind.CALL,
    "speech": StepKind.CALL,
    "transcription": StepKind.CALL,
    "image_generation": StepKind.CALL,
    "execute_tool": StepKind.TOOL,
    "invoke_agent": StepKind.AGENT,
    "invoke_workflow": StepKind.WORKFLOW,
    "handoff": StepKind.HANDOFF,
    "agent_handoff": StepKind.HANDOFF,
    # Making an agent is no work of it; what it takes to plan, to remember and to look up are calls and tools within.
    "create_agent": StepKind.OTHER,
    "plan": StepKind.OTHER,
    "retrieval": StepKind.OTHER,
    "rerank": StepKind.OTHER,
    "agent_step": StepKind.OTHER,
    "execute_task": StepKind.OTHER,
    "create_memory": StepKind.OTHER,
    "search_memory": StepKind.OTHER,
    "update_memory": StepKind.OTHER,
    "upsert_memory": StepKind.OTHER,
    "delete_memory": StepKind.OTHER,
    "create_memory_store": StepKind.OTHER,
    "delete_memory_store": StepKind.OTHER,
}

FIELDS = {
    "gen_ai.operation.name": Field("operation"),
    "gen_ai.provider.name": Field("provider"),
    "gen_ai.system": Field("provider"),
    "gen_ai.response.model": Field("model", name),
    "gen_ai.request.model": Field("request_model", name),
    "gen_ai.agent.name": Field("_agent", name),
    "gen_ai.agent.id": Field("agent_id"),
    "gen_ai.agent.version": Field("agent_version"),
    "gen_ai.conversation.id": Field("conversation"),
    "gen_ai.workflow.name": Field("workflow", name),
    "gen_ai.task.name": Field("task_type"),
    "gen_ai.user": Field("user"),
    "gen_ai.usage.input_tokens": Field("input_tokens", count),
    "gen_ai.usage.prompt_tokens": Field("input_tokens", count),
    "gen_ai.usage.output_tokens": Field("output_tokens", count),
    "gen_ai.usage.completion_tokens": Field("output_tokens", count),
    "gen_ai.usage.cache_read.input_tokens": Field("cache_read_tokens", count),
    "gen_ai.usage.cache_read_input_tokens": Field("cache_read_tokens", count),
    "gen_ai.usage.cache_write.input_tokens": Field("cache_write_tokens", count),
    "gen_ai.usage.cache_creation.input_tokens": Field("cache_write_tokens", count),
    "gen_ai.usage.cache_creation_input_tokens": Field("cache_write_tokens", count),
    "gen_ai.usage.reasoning.output_tokens": Field("reasoning_tokens", count),
    "gen_ai.usage.reasoning_tokens": Field("reasoning_tokens", count),
    "gen_ai.usage.total_tokens": Field("_total_tokens", count),
    "gen_ai.usage.cost": Field("cost_usd", dollars),
    "gen_ai.response.finish_reasons": Field("finish_reasons", words),
    "gen_ai.response.finish_reason": Field("finish_reasons", words),
    "gen_ai.response.stop_reason": Field("finish_reasons", words),
    "gen_ai.response.time_to_first_chunk": Field("time_to_first_token_ms", seconds),
    "gen_ai.server.time_to_first_token": Field("time_to_first_token_ms", seconds),
    "gen_ai.response.id": Field("response_id"),
    "gen_ai.tool.name": Field("tool", name),
    "gen_ai.tool.type": Field("tool_type"),
    "gen_ai.tool.call.id": Field("tool_call_id"),
    "gen_ai.tool.call.arguments": Field("arguments", content),
    "gen_ai.tool.call.result": Field("result", content),
    "gen_ai.handoff.to_agent": Field("handoff_to", name),
    "gen_ai.input.messages": Field("input", content),
    "gen_ai.prompt": Field("input", content),
    "gen_ai.task.input": Field("input", content),
    "gen_ai.retrieval.query.text": Field("input", content),
    "gen_ai.output.messages": Field("output", content),
    "gen_ai.completion": Field("output", content),
    "gen_ai.task.output": Field("output", content),
    "gen_ai.retrieval.documents": Field("output", content),
    "gen_ai.system_instructions": Field("system", content),
    "gen_ai.evaluation.name": Field("_score_name", name),
    "gen_ai.evaluation.score.value": Field("_score_value", number),
    "gen_ai.evaluation.score.label": Field("_score_label"),
    "gen_ai.evaluation.explanation": Field("_score_explanation", prose),
    # pydantic-ai tells these without a namespace.
    "agent_name": Field("_agent", name),
    "operation.cost": Field("cost_usd", dollars),
    "tool_arguments": Field("arguments", content),
    "tool_response": Field("result", content),
    "pydantic_ai.all_messages": Field("input", content),
    "all_messages_events": Field("input", content),
    "final_result": Field("output", content),
}

USUAL = {
    StepKind.CALL: "chat",
    StepKind.AGENT: "invoke_agent",
    StepKind.TOOL: "execute_tool",
    StepKind.WORKFLOW: "invoke_workflow",
    StepKind.HANDOFF: "handoff",
}
"""What a step's operation is called where its dialect has no name for it."""

KEPT = names(
    """
    agent.description conversation.compacted data_source.id embeddings.dimension.count handoff.from_agent
    handoff.parent_agent headers is_streaming openai.api_base openai.api_type openai.api_version
    openai.request.response_format openai.request.seed openai.request.service_tier openai.response.service_tier
    openai.response.system_fingerprint openai.system_fingerprint output.type prompt.name prompt.version
    request.choice.count request.encoding_formats request.frequency_penalty request.max_completion_tokens
    request.max_tokens request.n request.presence_penalty request.previous_response.id request.reasoning.level
    request.reasoning_effort request.reasoning_summary request.repetition_penalty request.seed
    request.stop_sequences request.stream request.stream_cursor request.structured_output_schema
    request.temperature request.top_k request.top_p response.reasoning_effort response.status retrieval.top_k
    task.id task.kind task.parent.id task.status token.type tool.definitions tool.description usage.token_type
    workflow.edges workflow.nodes
    """,
    prefix="gen_ai.",
)

DIALECT = Dialect(
    name="otel",
    fields=FIELDS,
    # The messages of OpenLLMetry before 0.5, and the variables of a prompt.
    families={"gen_ai.prompt": Field("input", content), "gen_ai.completion": Field("output", content)},
    kinds={"operation": OPERATIONS},
    kept=KEPT,
    # Tokens by modality (`gen_ai.usage.audio.input_tokens`) are parts of those that are counted.
    kept_families=frozenset(f"gen_ai.usage.{part}" for part in ("text", "audio", "image", "details")),
    namespaces=frozenset({"gen_ai", "pydantic_ai"}),
)
