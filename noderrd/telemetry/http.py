"""`/livez`, `/readyz` and `/metrics`, served by hypercorn on trio, on a loopback address unless configured otherwise."""

import json
from collections.abc import Awaitable, Callable
from typing import Any

import trio
from hypercorn.config import Config
from hypercorn.trio import serve
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

Send = Callable[[dict[str, Any]], Awaitable[None]]
Receive = Callable[[], Awaitable[dict[str, Any]]]


class Application:
    """The ASGI application. `unready` gives what keeps the node from trading, [] when nothing does."""

    def __init__(self, registry: CollectorRegistry, unready: Callable[[], list[str]]) -> None:
        self._registry, self._unready = registry, unready

    def answer(self, method: str, path: str, accept: str) -> tuple[int, str, bytes]:
        """Give status, content type and body."""
        if method not in {"GET", "HEAD"}:
            return 405, "text/plain", b"GET or HEAD\n"
        if path == "/livez":
            return 200, "application/json", b'{"live": true}\n'
        if path == "/readyz":
            missing = self._unready()
            return (503 if missing else 200), "application/json", json.dumps({"ready": not missing, "missing": missing}).encode() + b"\n"
        if path == "/metrics":
            encode, kind = choose_encoder(accept)
            return 200, kind, encode(self._registry)
        return 404, "text/plain", b"there are /livez, /readyz and /metrics\n"

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        """Speak ASGI 3 (https://asgi.readthedocs.io/en/latest/specs/www.html)."""
        if scope["type"] == "lifespan":
            while True:
                said = await receive()
                await send({"type": said["type"] + ".complete"})
                if said["type"] == "lifespan.shutdown":
                    return
        if scope["type"] != "http":
            return
        headers = dict(scope["headers"])
        status, kind, body = self.answer(scope["method"], scope["path"], headers.get(b"accept", b"").decode("latin-1"))
        sent = [(b"content-type", kind.encode()), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": status, "headers": sent})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})


async def run(application: Application, listen: str, *, task_status: "trio.TaskStatus[str]" = trio.TASK_STATUS_IGNORED) -> None:
    """Serve until cancelled; starts with the address that it listens on. Raises OSError when that is taken."""
    config = Config()
    config.bind = [listen]
    config.accesslog = config.errorlog = None
    config.h11_max_incomplete_size = 16 << 10
    config.keep_alive_timeout = 5.0
    config.graceful_timeout = 0.5
    sockets = config.create_sockets()
    host, port = sockets.insecure_sockets[0].getsockname()[:2]
    config.bind = [f"fd://{sockets.insecure_sockets[0].detach()}"]
    async with trio.open_nursery() as nursery:
        await nursery.start(_serve, application, config)
        task_status.started(f"{host}:{port}")


async def _serve(application: Application, config: Config, *, task_status: "trio.TaskStatus[Any]") -> None:
    await serve(application, config, task_status=task_status, mode="asgi")  # type: ignore[arg-type]  # its types are TypedDicts of every ASGI message


__all__ = ["Application", "run"]
