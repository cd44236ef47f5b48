"""The MCP client over HTTP: its exchanges are recorded and played offline."""

from __future__ import annotations

import threading

import pytest

from otel_agent_replay import tool

mcp = pytest.importorskip("mcp")
mcpserver = pytest.importorskip("mcp.server.mcpserver")
uvicorn = pytest.importorskip("uvicorn")


class McpServer:
    """An MCP server on 127.0.0.1 with one tool, running while entered."""

    def __init__(self) -> None:
        self.requests: list[str] = []
        self.called: list[tuple[int, int]] = []
        made = mcpserver.MCPServer("sums")
        made.tool()(self.add)
        self.app = made.streamable_http_app()
        settings = {"interface": "asgi3", "host": "127.0.0.1", "port": 0}
        self.running = uvicorn.Server(
            uvicorn.Config(self.count, log_level="error", **settings)
        )
        self.thread = threading.Thread(target=self.running.run)

    def add(self, a: int, b: int) -> int:
        """Add two numbers."""
        self.called.append((a, b))
        return a + b

    async def count(self, scope, receive, send) -> None:
        """Note a request, and let the server answer it."""
        if scope["type"] == "http":
            self.requests.append(scope["method"])
        await self.app(scope, receive, send)

    def __enter__(self):
        self.thread.start()
        while not self.running.started:
            self.thread.join(0.01)
        (listening,) = self.running.servers
        port = listening.sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{port}/mcp"
        return self

    def __exit__(self, *_) -> None:
        self.running.should_exit = True
        self.thread.join()


async def directly(server):
    async with mcp.Client(server.url) as client:
        found = []
        for number in range(2):
            answer = await client.call_tool("add", {"a": number, "b": 40})
            found.append(answer.structured_content["result"])
        return found


async def as_a_tool(server):
    @tool
    async def add(a: int, b: int) -> int:
        async with mcp.Client(server.url) as client:
            answer = await client.call_tool("add", {"a": a, "b": b})
            return answer.structured_content["result"]

    return [await add(0, 40), await add(1, 40)]


@pytest.mark.parametrize("program", [directly, as_a_tool])
async def test_tool_calls(program, around):
    """Tools of a server are answered with the server gone."""
    server = McpServer()
    played = await around(program, server)

    assert played.result == [40, 41]
    assert server.called == [(0, 40), (1, 40)]
    expected = {"http"} if program is directly else {"tool", "http"}
    assert {step.call.kind for step in played.run.steps} == expected
    for step in played.run.steps:
        assert step.outcome.ended == "complete", step
