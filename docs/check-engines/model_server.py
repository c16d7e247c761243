#!/usr/bin/env python3
"""A server on loopback that speaks the model APIs of the engines well enough for one short turn.

Usage: model_server.py            prints its port, and serves until it is ended.

The first part of a path is the case: success, tool, error, limit, login or refusal. What follows is the API's own path:
Anthropic Messages, OpenAI Responses or Gemini. Nothing is kept, and nothing is asked of anybody.
"""

import json
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

RESET_S = 2 * 60 * 60
ANSWER = "All is done."
COMMAND = "echo from the tool"


class Reply:
    """Status, headers and body of one answer."""

    def __init__(self, status, body, headers=None, content_type="application/json"):
        self.status, self.headers, self.content_type = status, headers or {}, content_type
        self.body = body if isinstance(body, str) else json.dumps(body)


def events(named):
    text = "".join(f"event: {name}\ndata: {json.dumps(data)}\n\n" for name, data in named)
    return Reply(200, text, content_type="text/event-stream")


def anthropic(case, request):
    def error(status, kind, message, headers=None):
        headers = {"x-should-retry": "false", **(headers or {})}
        return Reply(status, {"type": "error", "error": {"type": kind, "message": message}}, headers)

    if case == "error":
        return error(500, "api_error", "Internal server error")
    if case == "login":
        return error(401, "authentication_error", "invalid x-api-key")
    if case == "limit":
        reset = str(int(time.time()) + RESET_S)
        unified = "anthropic-ratelimit-unified-"
        headers = {
            unified + "status": "rejected",
            unified + "reset": reset,
            unified + "representative-claim": "five_hour",
            unified + "5h-status": "rejected",
            unified + "5h-reset": reset,
            unified + "overage-status": "rejected",
        }
        return error(429, "rate_limit_error", "This request would exceed your account's rate limit.", headers)
    usage = {"input_tokens": 120, "output_tokens": 1, "cache_read_input_tokens": 30, "cache_creation_input_tokens": 0}
    start = {
        "type": "message_start",
        "message": {
            "id": "msg_1", "type": "message", "role": "assistant", "model": request.get("model", "m"), "content": [],
            "stop_reason": None, "stop_sequence": None, "usage": usage,
        },
    }
    asked = json.dumps(request.get("messages", []))
    tools = {tool.get("name") for tool in request.get("tools", [])}
    shell = next((name for name in ("Bash", "bash") if name in tools), None)
    if case == "tool" and shell and "tool_result" not in asked:
        block = {"type": "tool_use", "id": "toolu_1", "name": shell, "input": {}}
        given = json.dumps({"command": COMMAND, "description": "Print a line"})
        delta, stop = {"type": "input_json_delta", "partial_json": given}, "tool_use"
    else:
        block = {"type": "text", "text": ""}
        delta, stop = {"type": "text_delta", "text": ANSWER}, "end_turn"
    if case == "refusal":
        delta, stop = {"type": "text_delta", "text": ""}, "refusal"
    return events([
        ("message_start", start),
        ("content_block_start", {"type": "content_block_start", "index": 0, "content_block": block}),
        ("content_block_delta", {"type": "content_block_delta", "index": 0, "delta": delta}),
        ("content_block_stop", {"type": "content_block_stop", "index": 0}),
        ("message_delta", {
            "type": "message_delta", "delta": {"stop_reason": stop, "stop_sequence": None},
            "usage": {"output_tokens": 7},
        }),
        ("message_stop", {"type": "message_stop"}),
    ])


def openai(case, request):
    if case == "error":
        return Reply(500, {"error": {"message": "The server had an error.", "type": "server_error", "code": None}})
    if case == "login":
        message = "Incorrect API key provided: none."
        return Reply(401, {"error": {"message": message, "type": "invalid_request_error", "code": "invalid_api_key"}})
    if case == "limit":
        limit = {"type": "usage_limit_reached", "message": "The usage limit has been reached", "plan_type": "plus",
                 "resets_at": int(time.time()) + RESET_S, "resets_in_seconds": RESET_S}
        return Reply(429, {"error": limit})
    response = {"id": "resp_1", "object": "response", "model": request.get("model", "m"), "output": []}
    asked = json.dumps(request.get("input", []))
    shell = next((tool["name"] for tool in request.get("tools", [])
                  if tool.get("name") in ("exec_command", "shell", "shell_command")), None)
    if case == "tool" and shell and "function_call_output" not in asked:
        given = {"cmd": COMMAND} if shell == "exec_command" else {"command": ["sh", "-c", COMMAND]}
        given = {"command": COMMAND} if shell == "shell_command" else given
        item = {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": shell, "arguments": json.dumps(given)}
    else:
        item = {"type": "message", "id": "msg_1", "role": "assistant",
                "content": [{"type": "output_text", "text": ANSWER, "annotations": []}]}
    if case == "refusal":
        item["content"] = [{"type": "refusal", "refusal": "I can't help with that."}]
    usage = {
        "input_tokens": 120, "input_tokens_details": {"cached_tokens": 30}, "output_tokens": 7,
        "output_tokens_details": {"reasoning_tokens": 2}, "total_tokens": 127,
    }
    done = {**response, "status": "completed", "output": [item], "usage": usage}
    return events([
        ("response.created", {"type": "response.created", "response": {**response, "status": "in_progress"}}),
        ("response.output_item.added", {"type": "response.output_item.added", "output_index": 0, "item": item}),
        ("response.output_item.done", {"type": "response.output_item.done", "output_index": 0, "item": item}),
        ("response.completed", {"type": "response.completed", "response": done}),
    ])


def gemini(case, request):
    def error(code, status, message, details=()):
        return Reply(code, {"error": {"code": code, "message": message, "status": status, "details": list(details)}})

    if case == "error":
        return error(500, "INTERNAL", "An internal error has occurred.")
    if case == "login":
        kind = "type.googleapis.com/google.rpc.ErrorInfo"
        detail = {"@type": kind, "reason": "API_KEY_INVALID", "domain": "googleapis.com"}
        return error(400, "INVALID_ARGUMENT", "API key not valid. Please pass a valid API key.", [detail])
    if case == "limit":
        violation = {"quotaMetric": "generate_content_free_tier_requests", "quotaId": "GenerateRequestsPerDayPerProject"}
        details = [
            {"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [violation]},
            {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": f"{RESET_S}s"},
        ]
        return error(429, "RESOURCE_EXHAUSTED", "You exceeded your current quota.", details)
    asked = json.dumps(request.get("contents", []))
    if case == "tool" and "functionResponse" not in asked:
        call = {"name": "run_shell_command", "args": {"command": COMMAND, "description": "Print a line"}}
        part = {"functionCall": call}
    else:
        part = {"text": ANSWER}
    candidate = {"content": {"role": "model", "parts": [part]}, "finishReason": "STOP", "index": 0}
    if case == "refusal":
        candidate = {"content": {"role": "model", "parts": []}, "finishReason": "SAFETY", "index": 0}
    usage = {"promptTokenCount": 120, "candidatesTokenCount": 7, "totalTokenCount": 127, "cachedContentTokenCount": 30}
    body = {"candidates": [candidate], "usageMetadata": usage, "modelVersion": "m", "responseId": "r1"}
    return Reply(200, f"data: {json.dumps(body)}\n\n", content_type="text/event-stream")


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        length = int(self.headers.get("Content-Length", 0))
        raw = self.rfile.read(length)
        try:
            request = json.loads(raw or b"{}")
        except ValueError:
            request = {}
        self.answer(self.reply(request if isinstance(request, dict) else {}))

    def do_GET(self):
        self.answer(self.reply({}))

    do_HEAD = do_GET

    def reply(self, request):
        case, _, path = self.path.lstrip("/").partition("/")
        if "count_tokens" in path or ":countTokens" in path:
            return Reply(200, {"input_tokens": 120, "totalTokens": 120})
        if path.startswith(("v1/messages", "messages")):
            return anthropic(case, request)
        if path.startswith("v1/responses"):
            return openai(case, request)
        if "enerateContent" in path:
            reply = gemini(case, request)
            if ":generateContent" in path and reply.body.startswith("data: "):
                return Reply(200, reply.body.removeprefix("data: "))
            return reply
        return Reply(404, {"error": {"message": "no such path", "type": "not_found"}})

    def answer(self, reply):
        body = reply.body.encode()
        self.send_response(reply.status)
        for name, value in {**reply.headers, "Content-Type": reply.content_type}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format, *arguments):
        print(self.command, self.path, *arguments[1:2], file=sys.stderr)


def main():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    print(server.server_port, flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
