"""A stub of OpenAI's API for instrumented clients: answers that are known to the token."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

MODEL = "gpt-4o-mini-2024-07-18"
USAGE = {
    "prompt_tokens": 1200,
    "completion_tokens": 80,
    "total_tokens": 1280,
    "prompt_tokens_details": {"cached_tokens": 1000, "audio_tokens": 0},
    "completion_tokens_details": {
        "reasoning_tokens": 30,
        "audio_tokens": 0,
        "accepted_prediction_tokens": 0,
        "rejected_prediction_tokens": 0,
    },
}
BROKEN = "break-the-model"
"""A model that the API does not have."""

CALL = {"id": "call_1", "type": "function", "function": {"name": "get_weather", "arguments": '{"city": "Oslo"}'}}


def _completion(body: dict[str, Any]) -> dict[str, Any]:
    """A call of the tool while none has answered, then words."""
    asks = bool(body.get("tools")) and not any(message.get("role") == "tool" for message in body["messages"])
    message: dict[str, Any] = {"role": "assistant", "content": None if asks else "It rains.", "refusal": None}
    if asks:
        message["tool_calls"] = [CALL]
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1764000000,
        "model": MODEL,
        "choices": [
            {"index": 0, "message": message, "finish_reason": "tool_calls" if asks else "stop", "logprobs": None}
        ],
        "usage": USAGE,
        "service_tier": "default",
        "system_fingerprint": "fp_1",
    }


def _chunks(whole: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """A completion in pieces; the last one brings the usage."""
    base = {**whole, "object": "chat.completion.chunk"}
    del base["usage"]
    for delta, reason in (({"role": "assistant", "content": "It "}, None), ({"content": "rains."}, None), ({}, "stop")):
        yield {**base, "choices": [{"index": 0, "delta": delta, "finish_reason": reason, "logprobs": None}]}
    yield {**base, "choices": [], "usage": whole["usage"]}


def _embeddings(body: dict[str, Any]) -> dict[str, Any]:
    return {
        "object": "list",
        "model": body["model"],
        "data": [{"object": "embedding", "index": 0, "embedding": [0.1, 0.2]}],
        "usage": {"prompt_tokens": 7, "total_tokens": 7},
    }


def _response(body: dict[str, Any]) -> dict[str, Any]:
    """What the Responses API says: first to call a tool, after its answer to hand over, after that words."""
    said = [item.get("type") for item in body["input"] if isinstance(item, dict)] if body["input"] else []
    answers = said.count("function_call_output")
    tools = {tool["name"] for tool in body.get("tools", ())}
    call = None
    if answers == 0 and "get_weather" in tools:
        call = ("get_weather", '{"city": "Oslo"}')
    elif "transfer_to_billing" in tools:
        call = ("transfer_to_billing", "{}")
    if call is None:
        text = {"type": "output_text", "text": "It rains.", "annotations": [], "logprobs": []}
        output: dict[str, Any] = {"id": "msg_1", "type": "message", "role": "assistant", "content": [text]}
    else:
        output = {"id": "fc_1", "type": "function_call", "call_id": f"call_{answers}"}
        output |= {"name": call[0], "arguments": call[1]}
    return {
        "id": f"resp_{answers}",
        "object": "response",
        "created_at": 1764000000,
        "status": "completed",
        "model": MODEL,
        "output": [output | {"status": "completed"}],
        "parallel_tool_calls": False,
        "tool_choice": "auto",
        "tools": [],
        "usage": {
            "input_tokens": 1200,
            "input_tokens_details": {"cached_tokens": 1000, "cache_write_tokens": 0},
            "output_tokens": 80,
            "output_tokens_details": {"reasoning_tokens": 30},
            "total_tokens": 1280,
        },
    }


class _Handler(BaseHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  the base class names it so
        """Say nothing."""

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if body["model"] == BROKEN:
            error = {
                "message": "no such model",
                "type": "invalid_request_error",
                "param": None,
                "code": "model_not_found",
            }
            return self._send(404, "application/json", json.dumps({"error": error}))
        if self.path.endswith("/embeddings"):
            return self._send(200, "application/json", json.dumps(_embeddings(body)))
        if self.path.endswith("/responses"):
            return self._send(200, "application/json", json.dumps(_response(body)))
        whole = _completion(body)
        if not body.get("stream"):
            return self._send(200, "application/json", json.dumps(whole))
        lines = [f"data: {json.dumps(chunk)}\n\n" for chunk in _chunks(whole)]
        return self._send(200, "text/event-stream", "".join([*lines, "data: [DONE]\n\n"]))

    def _send(self, status: int, kind: str, text: str) -> None:
        data = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


@contextmanager
def openai_stub() -> Iterator[str]:
    """The base URL of a running stub."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
