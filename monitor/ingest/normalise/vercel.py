"""Vercel's AI SDK up to version 6: `ai.*` beside some `gen_ai.*`. From version 7 it speaks OpenTelemetry's conventions.

`ai.generateText` and its like enclose the rounds of a conversation with its tools and tell their sum: an agent.
`….doGenerate` and `….doStream` are the calls. Anthropic's input tokens leave the cache out, unless the parts are told
as well (`ai.usage.inputTokenDetails.…`, from version 6): see CACHE_OUTSIDE.
"""

from monitor.ingest.normalise.dialect import Dialect, Field, content, count, milliseconds, name, names, words
from monitor.runs.steps import StepKind

OPERATIONS = {
    "ai.generateText": StepKind.AGENT,
    "ai.streamText": StepKind.AGENT,
    "ai.generateObject": StepKind.AGENT,
    "ai.streamObject": StepKind.AGENT,
    "ai.generateText.doGenerate": StepKind.CALL,
    "ai.streamText.doStream": StepKind.CALL,
    "ai.generateObject.doGenerate": StepKind.CALL,
    "ai.streamObject.doStream": StepKind.CALL,
    "ai.embed.doEmbed": StepKind.CALL,
    "ai.embedMany.doEmbed": StepKind.CALL,
    "ai.toolCall": StepKind.TOOL,
    "ai.embed": StepKind.OTHER,
    "ai.embedMany": StepKind.OTHER,
    "ai.rerank": StepKind.OTHER,
    "ai.rerank.doRerank": StepKind.OTHER,
}

FIELDS = {
    "ai.operationId": Field("_vercel"),
    "ai.model.id": Field("request_model", name),
    "ai.response.model": Field("model", name),
    "ai.model.provider": Field("provider"),
    "ai.usage.inputTokens": Field("input_tokens", count),
    "ai.usage.promptTokens": Field("input_tokens", count),
    "ai.usage.tokens": Field("input_tokens", count),
    "ai.usage.outputTokens": Field("output_tokens", count),
    "ai.usage.completionTokens": Field("output_tokens", count),
    "ai.usage.inputTokenDetails.cacheReadTokens": Field("cache_read_tokens", count),
    "ai.usage.cachedInputTokens": Field("cache_read_tokens", count),
    "ai.usage.inputTokenDetails.cacheWriteTokens": Field("cache_write_tokens", count),
    "ai.usage.cacheCreationInputTokens": Field("cache_write_tokens", count),
    "ai.usage.inputTokenDetails.noCacheTokens": Field("_parts_told", count),
    "ai.usage.outputTokenDetails.reasoningTokens": Field("reasoning_tokens", count),
    "ai.usage.reasoningTokens": Field("reasoning_tokens", count),
    "ai.usage.totalTokens": Field("_total_tokens", count),
    "ai.response.finishReason": Field("finish_reasons", words),
    "ai.response.msToFirstChunk": Field("time_to_first_token_ms", milliseconds),
    "ai.response.id": Field("response_id"),
    "ai.telemetry.functionId": Field("_function", name),
    "ai.telemetry.metadata.agent": Field("_agent", name),
    "ai.telemetry.metadata.sessionId": Field("conversation"),
    "ai.telemetry.metadata.userId": Field("user"),
    "ai.toolCall.name": Field("tool", name),
    "ai.toolCall.id": Field("tool_call_id"),
    "ai.toolCall.args": Field("arguments", content),
    "ai.toolCall.result": Field("result", content),
    "ai.prompt.messages": Field("input", content),
    "ai.prompt": Field("input", content),
    "ai.value": Field("input", content),
    "ai.values": Field("input", content),
    "ai.response.text": Field("output", content),
    "ai.response.object": Field("output", content),
    "ai.response.toolCalls": Field("output", content),
    "ai.response.reasoning": Field("output", content),
    "ai.result.text": Field("output", content),
    "ai.result.object": Field("output", content),
    "ai.result.toolCalls": Field("output", content),
    "ai.embedding": Field("output", content),
    "ai.embeddings": Field("output", content),
}

DIALECT = Dialect(
    name="vercel",
    fields=FIELDS,
    families={"ai.prompt": Field("input", content)},
    kinds={"_vercel": OPERATIONS},
    kept=names(
        """
        ai.prompt.tools ai.prompt.toolChoice ai.response.timestamp ai.response.msToFinish
        ai.response.avgCompletionTokensPerSecond ai.response.avgOutputTokensPerSecond ai.response.providerMetadata
        ai.response.files ai.schema ai.schema.name ai.schema.description ai.stream.msToFirstChunk
        ai.usage.outputTokenDetails.textTokens
        """
    ),
    kept_families=frozenset({"ai.telemetry", "ai.settings", "ai.request", "ai.usage"}),
    namespaces=frozenset({"ai"}),
)

CACHE_OUTSIDE = "anthropic"
"""Providers whose names begin so tell this dialect input tokens without the cache."""
