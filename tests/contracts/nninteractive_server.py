"""A server that speaks the protocol of nnInteractive 2.6 and thresholds instead of thinking.

Paths, headers, status codes and array coding are those of ``nnInteractive/inference/server/app.py``; arrays are packed
by the client's own functions.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np

CAPABILITIES = {
    "supported_interactions": {"scribble": True, "lasso": True, "points": True, "bbox2d": True, "bbox3d": False},
    "channel_mapping": {"prev_seg": 0, "bbox2d": [1, 2], "lasso": [1, 2], "points": [3, 4], "scribble": [5, 6]},
    "num_interaction_channels": 7,
    "supports_initial_label": True,
    "supports_zero_shot_label_refinement": True,
    "preferred_scribble_thickness": [2, 2, 2],
    "interaction_decay": 0.98,
    "inference_session_version": 2,
    "license": "CC BY-NC-SA 4.0",
}


class Server(ThreadingHTTPServer):
    """Remembers what it was asked."""

    daemon_threads = True

    def __init__(self, threshold: float, key: str | None, sessions: int, capabilities: dict[str, Any]) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.threshold, self.key, self.free, self.capabilities = threshold, key, sessions, capabilities
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.image: Any = None

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: Any) -> None:
        pass

    def reply(self, content: bytes, status: int = 200, meta: dict[str, Any] | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        if meta is not None:
            self.send_header("X-Meta", json.dumps(meta))
        self.end_headers()
        self.wfile.write(content)

    def say(self, record: dict[str, Any], status: int = 200) -> None:
        self.reply(json.dumps(record).encode(), status)

    def do_GET(self) -> None:
        self.say(self.server.capabilities)

    def do_POST(self) -> None:
        from nnInteractive.inference.remote.serialization import pack_array, unpack_array

        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.server.key is not None and self.headers.get("Authorization") != f"Bearer {self.server.key}":
            return self.say({"detail": "Missing bearer token"}, 401)
        if self.path == "/claim":
            if self.server.free == 0:
                return self.say({"detail": "server is at capacity"}, 503)
            self.server.free -= 1
            return self.say({"lease_token": "t", "idle_timeout_seconds": 600, "liveness_timeout_seconds": 0})
        if self.path == "/release":
            self.server.free += 1
            return self.say({"released": True})
        if self.headers.get("X-Lease-Token") != "t":
            return self.say({"detail": "lease token missing"}, 410)
        if self.path == "/set_image":
            self.server.image = unpack_array(body)
            return self.say({"original_image_shape": list(self.server.image.shape)})
        if self.path == "/set_target_buffer":
            return self.say({})
        asked = json.loads(self.headers["X-Meta"]) if "X-Meta" in self.headers else json.loads(body)
        if "X-Meta" in self.headers:
            asked["array"] = unpack_array(body)
        self.server.asked.append((self.path, asked))
        if not asked["run_prediction"]:
            return self.reply(b"", meta={"ran_prediction": False, "bbox": None})
        found = (self.server.image[0] > self.server.threshold).astype(np.uint8)
        whole = [[0, size] for size in found.shape]
        return self.reply(pack_array(found), meta={"ran_prediction": True, "bbox": whole})


@contextmanager
def serving(
    threshold: float, *, key: str | None = None, sessions: int = 1, capabilities: dict[str, Any] | None = None
) -> Iterator[Server]:
    with Server(threshold, key, sessions, capabilities or CAPABILITIES) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()
