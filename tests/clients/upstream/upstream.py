"""A model server of four wires whose answers are scripted: the last user text chooses, what was asked is kept.

    python upstream.py [BODY_LIMIT]

It prints `ready: URL` and serves until its standard input ends. `GET /asked/NONCE` tells every request whose last user
text bore that nonce: its path, headers and body, how it was understood, and what became of it.
"""

import base64
import json
import select
import socket
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import wire_bedrock
import wire_chat
import wire_messages
import wire_responses
from scenario import Fault, Wrong, play

LIMIT = int(sys.argv[1]) if len(sys.argv) > 1 else 1 << 26
WIRES = {path: wire for wire in (wire_chat, wire_responses, wire_messages) for path in wire.PATHS}
asked = {}
lock = threading.Lock()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *_):
        pass

    def do_GET(self):
        name = self.path.rsplit("/", 1)[-1]
        if self.path.startswith("/asked/"):
            with lock:
                return self.answer(200, asked.get(name, []))
        if self.path.split("?")[0] == "/v1/models":
            return self.answer(200, {"object": "list", "data": [], "has_more": False})
        return self.answer(404, {"error": {"message": "nothing is here"}})

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        wire = WIRES.get(self.path) or (wire_bedrock if wire_bedrock.PATH.fullmatch(self.path) else None)
        if wire is None:
            return self.answer(404, {"error": {"message": f"nothing is at {self.path}"}})
        if len(body) > LIMIT:
            return self.fault(wire, 413, "the body is too large")
        entry = None
        try:
            request = json.loads(body)
            heard = wire.read(self.path, request)
            entry = self.note(request, heard)
            if self.path.endswith(("embeddings", "invoke")):
                return self.answer(200, wire.vectors(request))
            answer = play(heard)
        except Fault as asked_for:
            return self.fault(wire, asked_for.status, asked_for.message, asked_for.headers)
        except (Wrong, LookupError, TypeError, ValueError) as wrong:
            return self.fault(wire, 400, f"the upstream refuses it: {wrong!r}")
        if heard.stream:
            self.stream(wire, wire.events(heard, answer), answer, entry)
        elif answer.broken:
            return self.fault(wire, 500, "only a stream can be broken")
        else:
            self.answer(200, wire.whole(heard, answer))
        return None

    def note(self, request, heard):
        headers = {name.lower(): value for name, value in self.headers.items()}
        understood = {**vars(heard), "images": [described(image) for image in heard.images]}
        entry = {"path": self.path, "headers": headers, "body": request, "heard": understood, "closed": None}
        with lock:
            asked.setdefault(heard.mark()[1], []).append(entry)
        return entry

    def fault(self, wire, status, message, headers=None):
        own, body = wire.error(status, message)
        self.answer(status, body, {**own, **(headers or {})})

    def answer(self, status, body, headers=None):
        body = json.dumps(body, ensure_ascii=False).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def stream(self, wire, events, answer, entry):
        kind = "application/vnd.amazon.eventstream" if wire is wire_bedrock else "text/event-stream"
        self.send_response(200)
        self.send_header("content-type", kind)
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        for number, event in enumerate(events):
            if answer.broken and number == 10:
                break
            if answer.pace and self.left_within(answer.pace):
                entry["closed"] = time.time()
                self.close_connection = True
                return
            self.wfile.write(f"{len(event):x}\r\n".encode() + event + b"\r\n")
            self.wfile.flush()
        if answer.broken == "cut":
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
        else:
            self.wfile.write(b"0\r\n\r\n")

    def left_within(self, seconds):
        """Whether the caller closes its connection meanwhile."""
        readable, _, _ = select.select([self.connection], [], [], seconds)
        try:
            return bool(readable) and not self.connection.recv(1, socket.MSG_PEEK)
        except ConnectionError:
            return True


def described(image):
    """An image, its data decoded: what isn't base64 is refused."""
    return {"mime": image["mime"], "size": len(base64.b64decode(image["data"], validate=True))}


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, request, address):
        """A caller that left is no news."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, address)


server = Server(("127.0.0.1", 0), Handler)
print(f"ready: http://127.0.0.1:{server.server_port}", flush=True)
threading.Thread(target=server.serve_forever, daemon=True).start()
sys.stdin.read()
