# SPDX-License-Identifier: Apache-2.0
"""An HTTP proxy between the bridge and an SQS-compatible server, that fails some SendMessageBatch requests in ways that real servers cannot be made to,
and remembers which entries had arrived when their answer was lost."""

import http.client
import json
import random
import socket
import struct
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

FAULTS = ("cut_request", "lost_reply", "cut_reply", "error_500", "error_503", "throttle", "slow")


class FaultProxy:
    """rates: name of a fault -> share of the requests (0 to 1)."""

    def __init__(self, target_port, seed=1, rates=None):
        self.target_port = target_port
        self.random = random.Random(seed)
        self.rates = rates or {}
        self.operations = (".SendMessageBatch",)  # that faults befall
        self.lock = threading.Lock()
        self.counts = dict.fromkeys(FAULTS, 0)
        self.requests = 0
        self.unconfirmed = 0  # entries that arrived, and whose answer did not
        self.held_operations = ()  # whose answers wait until `release` is set
        self.held = threading.Event()  # one waits
        self.release = threading.Event()
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                proxy.handle(self, body)

            do_PUT = do_POST

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_):
                pass  # connections that were cut on purpose

        self.server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self.thread.start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    def calm(self):
        with self.lock:
            self.rates = {}

    def choose(self, send):
        with self.lock:
            self.requests += 1
            drawn = self.random.random()
            for name in FAULTS:
                drawn -= self.rates.get(name, 0) if send else 0
                if drawn < 0:
                    self.counts[name] += 1
                    return name
        return None

    @staticmethod
    def cut(handler):
        """A reset, as a machine that dies sends it."""
        handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        handler.close_connection = True
        handler.connection.close()

    @staticmethod
    def answer(handler, status, body, headers=()):
        handler.send_response(status)
        for name, value in headers:
            if name.lower() not in ("content-length", "transfer-encoding", "connection", "date", "server"):
                handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    def forward(self, handler, body):
        connection = http.client.HTTPConnection("127.0.0.1", self.target_port, timeout=30)
        try:
            connection.request(handler.command, handler.path, body, {k: v for k, v in handler.headers.items() if k.lower() != "connection"})
            answer = connection.getresponse()
            return answer.status, answer.read(), answer.getheaders()
        finally:
            connection.close()

    def handle(self, handler, body):
        fault = self.choose(handler.headers.get("X-Amz-Target", "").endswith(self.operations))
        if fault == "cut_request":
            self.cut(handler)
        elif fault in ("error_500", "error_503"):
            self.answer(handler, int(fault[-3:]), b"<html>broken</html>", [("Content-Type", "text/html")])
        elif fault == "throttle":
            self.answer(handler, 400, b'{"__type":"com.amazonaws.sqs#RequestThrottled","message":"slow down"}',
                        [("Content-Type", "application/x-amz-json-1.0"), ("x-amzn-query-error", "RequestThrottled;Sender")])
        else:
            status, answer, headers = self.forward(handler, body)
            if fault in ("lost_reply", "cut_reply"):
                with self.lock:
                    self.unconfirmed += len(json.loads(answer or b"{}").get("Successful", [])) if status == 200 else 0
            if self.held_operations and handler.headers.get("X-Amz-Target", "").endswith(self.held_operations):
                self.held.set()
                self.release.wait(60)
            if fault == "lost_reply":
                self.cut(handler)
            elif fault == "cut_reply":
                handler.send_response(status)
                handler.send_header("Content-Length", str(len(answer)))
                handler.end_headers()
                handler.wfile.write(answer[:len(answer) // 2])
                self.cut(handler)
            else:
                self.answer(handler, status, answer, headers)
