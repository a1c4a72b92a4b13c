# SPDX-License-Identifier: Apache-2.0
"""The security list of the SQS endpoint, by raw sockets against the binary. What is refused has a twin beside it: the same request, well formed, is answered."""

import contextlib
import json
import os
import re
import resource
import signal
import socket
import ssl
import statistics
import subprocess
import time

import botocore.auth
import botocore.awsrequest
import botocore.credentials
import pytest
from rig import BINARY, REGION, Bridge, cpu_seconds, wait_until
from test_tls import make_certificate

KIB, MIB = 1024, 1024 * 1024
BODY_MAX = 7 * MIB  # src/app/daemon.c
SLOW = os.environ.get("BUILD", "").endswith("asan")  # a sanitizer's memory and speed are not the program's


class Raw:
    """A signed request whose every byte can be changed before it is sent."""

    def __init__(self, bridge, action="ListQueues", payload=None, key=None, method="POST", path="/", form=False, signed=(), unsigned=()):
        self.port = bridge.port
        body = payload if isinstance(payload, str) else json.dumps(payload or {})
        headers = {"Content-Type": "application/x-www-form-urlencoded"} if form else {
            "Content-Type": "application/x-amz-json-1.0", "X-Amz-Target": f"AmazonSQS.{action}"}
        request = botocore.awsrequest.AWSRequest(method, bridge.url + path, data=body, headers={"Host": f"127.0.0.1:{self.port}", **headers, **dict(signed)})
        credentials = botocore.credentials.Credentials(*(key or bridge.key).values())
        botocore.auth.SigV4Auth(credentials, "sqs", REGION).add_auth(request)
        self.line = f"{method} {path} HTTP/1.1"
        self.headers = [list(h) for h in request.headers.items()] + [list(h) for h in unsigned] + [["Content-Length", str(len(body))]]
        self.body = body.encode()

    def without(self, name):
        self.headers = [h for h in self.headers if h[0] != name]
        return self

    def set(self, name, change):
        for h in self.headers:
            if h[0] == name:
                h[1] = change(h[1])
        return self

    def head(self, end="\r\n"):
        return (end.join([self.line, *(f"{n}: {v}" for n, v in self.headers)]) + end + end).encode("latin-1")

    def bytes(self):
        return self.head() + self.body


def exchange(port, data, seconds=5.0):
    """What is answered until the server closes, or the first answer is whole: (status or None, all that came)."""
    heard = b""
    with socket.create_connection(("127.0.0.1", port), timeout=seconds) as s:
        with contextlib.suppress(OSError):  # it may hang up while we still send
            s.sendall(data)
        try:
            while not complete(heard, data.startswith(b"HEAD ")):
                got = s.recv(65536)
                if not got:
                    break
                heard += got
        except OSError:
            pass
    found = re.match(rb"HTTP/1\.1 (\d{3})", heard)
    return (int(found[1]) if found else None), heard


def complete(heard, head_alone=False):
    head, end, body = heard.partition(b"\r\n\r\n")
    length = re.search(rb"(?i)\r\ncontent-length: (\d+)", head)
    return bool(end and length and (head_alone or len(body) >= int(length[1])) and b" 100 " not in head[:20])


def ask(request):
    return exchange(request.port, request.bytes())


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """For tests that only ask; it has to be as well afterwards as before."""
    made = Bridge(tmp_path_factory.mktemp("shared"), None, "--queue", "q").start()
    yield made
    assert made.stop() == 0


@pytest.fixture
def bridge(make_bridge):
    return make_bridge("--queue", "q", endpoint=None).start()


def memory_kib(bridge):
    with open(f"/proc/{bridge.server.process.pid}/status") as f:
        return int(re.search(r"VmRSS:\s+(\d+)", f.read())[1])


def open_connections(bridge):
    return int(re.search(r"^stream2sqs_http_connections (\d+)", bridge.admin("/metrics")[1], re.M)[1])


# ---- framing ----


def two(request, name, value):
    request.headers.append([name, value])
    return request.bytes()


def chunked(request, chunks=b"2\r\n{}\r\n0\r\n\r\n", name="Transfer-Encoding", value="chunked"):
    request.without("Content-Length").headers.append([name, value])
    return request.head() + chunks


MALFORMED = {
    "cl_and_te": lambda r: two(r, "Transfer-Encoding", "chunked"),
    "te_and_cl": lambda r: r.head().replace(b"Content-Length", b"Transfer-Encoding: chunked\r\nContent-Length") + b"0\r\n\r\n",
    "te": chunked,
    "te_bare_lf": lambda r: chunked(r, b"2\n{}\n0\n\n"),
    "te_odd": lambda r: chunked(r, value="xchunked"),
    "te_twice": lambda r: chunked(r).replace(b"chunked", b"chunked\r\nTransfer-Encoding: identity"),
    "cl_twice": lambda r: two(r, "Content-Length", "2"),
    "cl_twice_differing": lambda r: two(r, "Content-Length", "3"),
    "cl_list": lambda r: r.set("Content-Length", lambda v: f"{v}, {v}").bytes(),
    "cl_signed": lambda r: r.set("Content-Length", lambda v: f"+{v}").bytes(),
    "cl_negative": lambda r: r.set("Content-Length", lambda _: "-1").bytes(),
    "cl_hex": lambda r: r.set("Content-Length", lambda _: "0x2").bytes(),
    "cl_empty": lambda r: r.set("Content-Length", lambda _: "").bytes(),
    "cl_huge": lambda r: r.set("Content-Length", lambda _: "9" * 40).bytes(),
    "cl_blank_before_colon": lambda r: r.bytes().replace(b"Content-Length:", b"Content-Length :"),
    "host_twice": lambda r: two(r, "Host", "elsewhere"),
    "host_absent": lambda r: r.without("Host").bytes(),
    "host_odd": lambda r: r.set("Host", lambda v: v + '"<').bytes(),
    "nul_in_value": lambda r: two(r, "X-A", "b\0c"),
    "nul_at_end": lambda r: two(r, "X-A", "b\0"),
    "nul_in_signed_value": lambda r: r.set("Host", lambda v: v + "\0.elsewhere").bytes(),
    "nul_in_length": lambda r: r.set("Content-Length", lambda v: v + "\0 5").bytes(),
    "nul_in_name": lambda r: two(r, "X-\0A", "b"),
    "nul_in_path": lambda r: r.bytes().replace(b"POST / ", b"POST /\0x ", 1),
    "nul_in_method": lambda r: r.bytes().replace(b"POST ", b"POST\0 ", 1),
    "nul_in_version": lambda r: r.bytes().replace(b"HTTP/1.1", b"HTTP/1.1\0", 1),
    "control_in_value": lambda r: two(r, "X-A", "\x01"),
    "delete_in_value": lambda r: two(r, "X-A", "\x7f"),
    "escape_in_name": lambda r: two(r, "X-\x1b[2J", "b"),
    "folded": lambda r: two(r, "X-A", "b\r\n c"),
    "folded_first": lambda r: r.bytes().replace(b"\r\n", b"\r\n X-A: b\r\n", 1),
    "no_colon": lambda r: r.bytes().replace(b"\r\n", b"\r\nX-A\r\n", 1),
    "no_name": lambda r: two(r, "", "b"),
    "blank_in_name": lambda r: two(r, "X A", "b"),
    "blank_before_colon": lambda r: two(r, "X-A ", "b"),
    "two_blanks": lambda r: r.bytes().replace(b"POST / ", b"POST  / ", 1),
    "tab": lambda r: r.bytes().replace(b"POST / ", b"POST\t/ ", 1),
    "four_words": lambda r: r.bytes().replace(b"POST / ", b"POST / x ", 1),
    "blank_after_version": lambda r: r.bytes().replace(b"HTTP/1.1", b"HTTP/1.1 ", 1),
    "http_0_9": lambda r: b"GET /\r\n\r\n",
    "http_1_0": lambda r: r.bytes().replace(b"HTTP/1.1", b"HTTP/1.0", 1),
    "http_1_2": lambda r: r.bytes().replace(b"HTTP/1.1", b"HTTP/1.2", 1),
    "http_2": lambda r: b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "put": lambda r: r.bytes().replace(b"POST", b"PUT", 1),
    "connect": lambda r: b"CONNECT elsewhere:443 HTTP/1.1\r\nHost: elsewhere:443\r\n\r\n",
    "not_ascii_in_path": lambda r: r.bytes().replace(b"POST / ", b"POST /\xff ", 1),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_what_is_not_framed_as_the_rfc_says_is_refused(shared, name):
    status, heard = exchange(shared.port, MALFORMED[name](Raw(shared)))
    assert status is None or (status in (400, 405, 411, 413, 505) and b"\r\nConnection: close" in heard), heard
    assert b"QueueUrls" not in heard
    assert ask(Raw(shared))[0] == 200


def test_odd_but_lawful_framing_is_answered(shared):
    fine = Raw(shared)
    assert exchange(shared.port, b"\r\n" + fine.bytes())[0] == 200
    odd = fine.head().replace(b"\r\nHost: ", b"\r\nHOST:\t ").replace(b"\r\n\r\n", b"\r\nX-Empty:\r\nX-Blank: \t a  b \t\r\n\r\n")
    assert exchange(shared.port, odd + fine.body)[0] == 200
    assert exchange(shared.port, Raw(shared, unsigned=[("X-Far", "\xe9")]).bytes())[0] == 200
    with socket.create_connection(("127.0.0.1", shared.port), timeout=5) as s:  # byte by byte, and three requests one behind the other
        for byte in fine.bytes():
            s.sendall(bytes([byte]))
        s.sendall(fine.bytes() * 2)
        heard = b""
        while heard.count(b"HTTP/1.1 200 OK") < 3 or heard.count(b"QueueUrls") < 3:
            got = s.recv(65536)
            assert got, heard
            heard += got


def test_no_line_may_end_with_a_bare_line_feed(shared):
    good = Raw(shared)
    head = good.head()
    assert exchange(shared.port, head + good.body)[0] == 200
    ends = [m.start() for m in re.finditer(rb"\r\n", head)]
    for at in ends:
        status, heard = exchange(shared.port, head[:at] + head[at + 1:] + good.body)
        assert status == 400 and b"QueueUrls" not in heard, (at, heard)
    assert exchange(shared.port, good.head("\n") + good.body)[0] == 400
    for at in ends[:-2]:  # a carriage return alone ends no line, either; of the last two the request never ends
        status, heard = exchange(shared.port, head[:at + 1] + head[at + 2:] + good.body)
        assert status in (400, 403) and b"QueueUrls" not in heard, (at, heard)


def test_a_body_is_never_taken_for_a_request(bridge):
    """What one reader takes for a body must not be the next request to another: the answers are as many as the requests that were framed."""
    smuggled = Raw(bridge, "CreateQueue", {"QueueName": "smuggled"}).bytes().decode()
    for trick in ("cl_and_te", "te", "cl_twice_differing", "cl_blank_before_colon", "nul_in_length"):
        request = MALFORMED[trick](Raw(bridge))
        _, heard = exchange(bridge.port, request + smuggled.encode())
        assert heard.count(b"\r\n\r\n") <= 2 and b"QueueUrl" not in heard, (trick, heard)
    carrier = Raw(bridge, "SendMessage", {"QueueUrl": f"{bridge.url}/000000000000/q", "MessageBody": smuggled})
    status, heard = ask(carrier)
    assert status == 200 and b"MessageId" in heard
    assert json.loads(ask(Raw(bridge))[1].partition(b"\r\n\r\n")[2])["QueueUrls"] == [f"{bridge.url}/000000000000/q"]


# ---- caps ----


def test_headers_have_caps(bridge):
    def with_headers(count):
        request = Raw(bridge)
        request.headers += [[f"X-{i}", "v"] for i in range(count - len(request.headers))]
        return ask(request)[0]

    assert with_headers(100) == 200 and with_headers(101) == 431
    assert ask(Raw(bridge, unsigned=[("X-Long", "x" * 14000)]))[0] == 200
    assert ask(Raw(bridge, unsigned=[("X-Long", "x" * 33000)]))[0] in (None, 400, 413, 431)
    for endless in (b"GET / HTTP/1.1\r\nHost: a\r\nX: ", b"GET / HTTP/1.1\r\nHost: a\r\n", b"GET /", b""):  # a value, headers, a path, a method that never end
        piece = b"X: y\r\n" * 100 if endless.endswith(b"\n") else b"x" * 600
        sent = 0
        with socket.create_connection(("127.0.0.1", bridge.port), timeout=5) as s:
            with contextlib.suppress(OSError):
                s.sendall(endless)
                while sent < 4 * MIB:
                    s.sendall(piece)
                    sent += len(piece)
            assert sent < 4 * MIB, endless
    assert ask(Raw(bridge))[0] == 200


def test_a_body_has_a_cap(bridge):
    def padded(size):
        return Raw(bridge, payload="{" + " " * (size - 2) + "}")

    assert ask(padded(BODY_MAX))[0] == 200
    assert ask(padded(BODY_MAX + 1))[0] == 413
    over = Raw(bridge)
    over.set("Content-Length", lambda _: str(BODY_MAX + 1))
    assert exchange(bridge.port, over.head())[0] == 413  # before a byte of it has come


def test_claimed_bodies_take_no_memory(bridge):
    """600 clients that announce 7 MiB each, more than a machine may have, and send none of it."""
    head = Raw(bridge).set("Content-Length", lambda _: str(BODY_MAX)).head()
    before = memory_kib(bridge)
    with contextlib.ExitStack() as stack:
        for _ in range(600):
            s = stack.enter_context(socket.create_connection(("127.0.0.1", bridge.port), timeout=5))
            s.sendall(head)
        wait_until("they are there", lambda: open_connections(bridge) >= 600)
        assert ask(Raw(bridge))[0] == 200
        with open(f"/proc/{bridge.server.process.pid}/status") as f:
            assert SLOW or int(re.search(r"VmSize:\s+(\d+)", f.read())[1]) < 600 * 256 + 1024 * 1024
        assert SLOW or memory_kib(bridge) - before < 600 * 40


def test_bodies_in_hand_are_bounded_together(bridge):
    """What is not signed by anybody fills at most the memory for bodies: later ones are told to come again, and all is well once the first are gone."""
    part = Raw(bridge).set("Content-Length", lambda _: str(BODY_MAX)).head() + b" " * (BODY_MAX - 1)
    before = memory_kib(bridge)
    with contextlib.ExitStack() as stack:
        status = None
        for _ in range(40):
            s = stack.enter_context(socket.create_connection(("127.0.0.1", bridge.port), timeout=0.2))
            with contextlib.suppress(OSError):
                s.sendall(part)
        status, heard = exchange(bridge.port, part[:-2 * MIB], 2)
        assert status == 503 and b"Retry-After: 1" in heard
        assert SLOW or memory_kib(bridge) - before < 2 * 128 * KIB + 64 * KIB
    wait_until("they are gone", lambda: ask(Raw(bridge, payload="{" + " " * (BODY_MAX - 2) + "}"))[0] == 200)


def test_connections_have_a_cap_and_the_next_one_waits_for_a_place(make_bridge):
    bridge = make_bridge("--queue", "q", "--max-connections", 5, endpoint=None).start()
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_connection(("127.0.0.1", bridge.port), timeout=5)) for _ in range(5)]
        wait_until("five are in", lambda: open_connections(bridge) == 5)
        for s in sockets:
            s.sendall(Raw(bridge).bytes())
            assert s.recv(65536).startswith(b"HTTP/1.1 200")
        sixth = stack.enter_context(socket.create_connection(("127.0.0.1", bridge.port), timeout=0.5))
        sixth.sendall(Raw(bridge).bytes())
        with pytest.raises(TimeoutError):
            sixth.recv(1)
        assert open_connections(bridge) == 5
        sockets[0].close()
        sixth.settimeout(5)
        assert sixth.recv(65536).startswith(b"HTTP/1.1 200")


def test_an_address_has_a_cap_of_its_own(make_bridge):
    bridge = make_bridge("--queue", "q", "--max-connections-per-address", 3, endpoint=None).start()
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_connection(("127.0.0.1", bridge.port), timeout=5)) for _ in range(3)]
        wait_until("three are in", lambda: open_connections(bridge) == 3)
        assert ask(Raw(bridge)) == (None, b"")
        with socket.create_connection(("127.0.0.1", bridge.port), timeout=5, source_address=("127.0.0.2", 0)) as other:
            other.sendall(Raw(bridge).bytes())
            assert other.recv(65536).startswith(b"HTTP/1.1 200")
        sockets[0].close()
        wait_until("there is a place", lambda: ask(Raw(bridge))[0] == 200)


def test_too_few_open_files_are_told_and_the_rest_is_served(make_bridge):
    bridge = make_bridge("--queue", "q", endpoint=None)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))  # a shell's soft limit is raised by itself
        bridge.start()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    with open(f"/proc/{bridge.server.process.pid}/limits") as f:
        assert int(re.search(r"Max open files\s+(\d+)", f.read())[1]) >= min(4096 + 512, hard)
    assert "fewer connections" not in bridge.log() or hard < 4096 + 512
    bridge.stop()
    log = len(bridge.log())
    bridge.server = None
    limited = ["prlimit", "--nofile=1200:1200", str(BINARY)]
    process = subprocess.Popen([*limited, "run", "--ledger", str(bridge.ledger), "--listen", f"127.0.0.1:{bridge.port}", "--admin", "127.0.0.1:0", "--queue", "q"],
                               env=bridge.env, stderr=open(bridge.directory / "bridge.log", "ab"))
    try:
        wait_until("it says so", lambda: "fewer connections" in bridge.log()[log:] and '"ready"' in bridge.log()[log:], process=process)
        with contextlib.ExitStack() as stack:
            sockets = [stack.enter_context(socket.create_connection(("127.0.0.1", bridge.port), timeout=5)) for _ in range(900)]
            for s in sockets[:100]:
                s.sendall(Raw(bridge).bytes())
                assert s.recv(65536).startswith(b"HTTP/1.1 200")
            for s in sockets:
                s.close()
        wait_until("all is well after that", lambda: ask(Raw(bridge))[0] == 200)
    finally:
        process.terminate()
        assert process.wait(20) == 0


# ---- many connections ----


def many(count):
    """Room for so many sockets in this process, and in the one that it starts."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < count + 1024:
        pytest.skip(f"{count} connections want a hard limit of {count + 1024} open files (ulimit -Hn), here it is {hard}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def connect_all(stack, bridge, count, data):
    sockets = []
    for _ in range(count):
        s = stack.enter_context(socket.create_connection(("127.0.0.1", bridge.port), timeout=20))
        s.sendall(data)
        sockets.append(s)
    return sockets


@pytest.mark.parametrize("cap", [10100, 4096])
def test_ten_thousand_hostile_connections_take_bounded_memory(make_bridge, cap):
    """Each fills its headers as far as it may and never ends them. Below the cap they are all in; above it the rest wait outside, and are no cost."""
    many(10000)
    bridge = make_bridge("--queue", "q", "--max-connections", cap, endpoint=None).start()
    ask(Raw(bridge))
    before = memory_kib(bridge)
    inside = min(10000, cap)
    with contextlib.ExitStack() as stack:
        # the kernel's own queue holds 1,024 more
        sockets = connect_all(stack, bridge, 10000 if cap > 10000 else cap + 1000, b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 31000)
        wait_until("they are in", lambda: open_connections(bridge) == inside, 60)
        if cap > 10000:
            assert ask(Raw(bridge))[0] == 200
        wait_until("all that was sent is read", lambda: settled(bridge), 60)
        grown = memory_kib(bridge) - before
        print(f"{inside} hostile connections: {grown / inside:.1f} KiB each")
        assert SLOW or 4 < grown / inside < 40  # a pool of 32 KiB, and what is known of a connection
        for s in sockets:
            s.close()
    wait_until("all is well after that", lambda: ask(Raw(bridge))[0] == 200, 60)
    assert bridge.stop() == 0


def settled(bridge):
    before = memory_kib(bridge)
    time.sleep(0.3)  # a sample: no event tells that nothing more is read
    return memory_kib(bridge) == before


def test_ten_thousand_idle_long_polls_are_cheap(make_bridge):
    many(10000)
    count = 1000 if SLOW else 10000
    bridge = make_bridge("--queue", "q", "--max-connections", 10100, endpoint=None).start()
    ask(Raw(bridge))
    before = memory_kib(bridge)
    poll = Raw(bridge, "ReceiveMessage", {"QueueUrl": f"{bridge.url}/000000000000/q", "WaitTimeSeconds": 20}).bytes()
    with contextlib.ExitStack() as stack:
        sockets = connect_all(stack, bridge, count, poll)
        wait_until("all wait", lambda: f'requests_total{{operation="ReceiveMessage"}} {count}\n' in bridge.admin("/metrics")[1], 15)
        began, used = time.monotonic(), cpu_seconds(bridge.server.process.pid)
        time.sleep(4)  # this is what is measured
        share = (cpu_seconds(bridge.server.process.pid) - used) / (time.monotonic() - began)
        each = (memory_kib(bridge) - before) / count
        print(f"{count} idle long polls: {each:.1f} KiB each, {share:.1%} of a processor")
        assert SLOW or (each < 16 and share < 0.02)
        body = {"QueueUrl": f"{bridge.url}/000000000000/q", "Entries": [{"Id": str(i), "MessageBody": f"body-{i}"} for i in range(10)]}
        assert ask(Raw(bridge, "SendMessageBatch", body))[0] == 200
        sockets[0].settimeout(10)
        assert b"body-" in sockets[0].recv(65536)  # who waited longest
        heard = [s for s in sockets if s is sockets[0] or b"body-" in recv_now(s)]
        bridge.server.process.send_signal(signal.SIGTERM)  # and all the others are answered at once
        ended = time.monotonic()
        for s in sockets:
            if s not in heard:
                s.settimeout(10)
                assert s.recv(4096).startswith(b"HTTP/1.1 200")
        assert time.monotonic() - ended < 15
    assert bridge.stop() == 0


def test_ten_thousand_idle_long_polls_over_tls_take_bounded_memory(make_bridge, tmp_path):
    count = 300 if SLOW else 10000
    many(count)
    certificate, key = make_certificate(tmp_path, "one")
    bridge = make_bridge("--tls-certificate", certificate, "--tls-key", key, "--queue", "q", "--max-connections", count + 100, endpoint=None).start()
    context = ssl.create_default_context(cafile=str(certificate))
    url = f"{bridge.url}/000000000000/q"
    with contextlib.ExitStack() as stack:
        def ask(request):
            s = stack.enter_context(context.wrap_socket(socket.create_connection(("127.0.0.1", bridge.port), timeout=20), server_hostname="127.0.0.1"))
            s.sendall(request)
            return s

        assert ask(Raw(bridge).bytes()).recv(100).startswith(b"HTTP/1.1 200")
        before = memory_kib(bridge)
        sockets = []
        while len(sockets) < count:  # in parts: a signature is good for minutes, a poll for 20 seconds, and a handshake takes milliseconds
            poll = Raw(bridge, "ReceiveMessage", {"QueueUrl": url, "WaitTimeSeconds": 20}).bytes()
            sockets += [ask(poll) for _ in range(100)]
        wait_until("all wait", lambda: f'requests_total{{operation="ReceiveMessage"}} {count}\n' in bridge.admin("/metrics")[1], 15)
        each = (memory_kib(bridge) - before) / count
        print(f"{count} idle long polls over TLS: {each:.1f} KiB each")
        assert SLOW or each < 56
        body = {"QueueUrl": url, "MessageBody": "body"}
        assert ask(Raw(bridge, "SendMessage", body).bytes()).recv(100).startswith(b"HTTP/1.1 200")
        bridge.server.process.send_signal(signal.SIGTERM)  # all the others are answered at once
        answers = [s.recv(65536) for s in sockets]
    assert all(a.startswith(b"HTTP/1.1 200") for a in answers)
    assert bridge.stop() == 0


def recv_now(s):
    s.setblocking(False)
    try:
        return s.recv(65536)
    except BlockingIOError:
        return b""


# ---- the gate ----


def unsigned_requests(bridge):
    for method in ("GET", "POST", "HEAD"):
        for path in ("/", "/000000000000/q", "/metrics", "/?Action=ListQueues", "/000000000000/q?Action=ReceiveMessage", "/../", "/%2e%2e/", "//"):
            for headers in ({}, {"X-Amz-Target": "AmazonSQS.ListQueues"}, {"Content-Type": "application/x-amz-json-1.0"}, {"X-Forwarded-For": "127.0.0.1"},
                            {"Authorization": "Basic dGVzdDp0ZXN0"}, {"Authorization": ""}, {"Authorization": "AWS4-HMAC-SHA256 "},
                            {"X-Amz-Security-Token": "t", "X-Amz-Target": "AmazonSQS.CreateQueue"}):
                lines = "".join(f"{n}: {v}\r\n" for n, v in headers.items())
                yield f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{bridge.port}\r\nContent-Length: 2\r\n{lines}\r\n{{}}".encode()


def test_nothing_is_answered_without_a_signature(bridge):
    for request in unsigned_requests(bridge):
        status, heard = exchange(bridge.port, request)
        assert status in (400, 403), (request, heard)
        assert b"Uri" not in heard and b"QueueUrl" not in heard
    assert ask(Raw(bridge))[0] == 200 and ask(Raw(bridge, form=True, payload="Action=ListQueues"))[0] == 200
    assert 'requests_total{operation="ListQueues"} 2\n' in bridge.admin("/metrics")[1]


def tampered(signature):
    return signature[:-1] + ("0" if signature[-1] != "0" else "1")


REFUSED = {
    "signature": lambda r: r.set("Authorization", tampered),
    "signature_empty": lambda r: r.set("Authorization", lambda v: re.sub("Signature=.*", "Signature=", v)),
    "body": lambda r: setattr(r, "body", b"[]") or r,
    "target": lambda r: r.set("X-Amz-Target", lambda _: "AmazonSQS.DeleteQueue"),
    "path": lambda r: setattr(r, "line", "POST /000000000000/q HTTP/1.1") or r,
    "query": lambda r: setattr(r, "line", "POST /?x=y HTTP/1.1") or r,
    "method": lambda r: setattr(r, "line", "GET / HTTP/1.1") or r,
    "host": lambda r: r.set("Host", lambda _: "elsewhere"),
    "date": lambda r: r.set("X-Amz-Date", lambda v: v[:-2] + ("0" if v[-2] != "0" else "1") + "Z"),
    "date_of_an_hour_ago": lambda r: r.set("X-Amz-Date", lambda v: time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(time.time() - 3600))),
    "date_unsigned": lambda r: r.set("Authorization", lambda v: v.replace(";x-amz-date", "")),
    "host_unsigned": lambda r: r.set("Authorization", lambda v: v.replace("host;", "")),
    "target_unsigned": lambda r: r.set("Authorization", lambda v: v.replace(";x-amz-target", "")),
    "another_amz_header": lambda r: r.headers.append(["X-Amz-Other", "x"]) or r,
    "region": lambda r: r.set("Authorization", lambda v: v.replace(REGION, "us-east-1")),
    "service": lambda r: r.set("Authorization", lambda v: v.replace("/sqs/", "/sns/")),
    "terminator": lambda r: r.set("Authorization", lambda v: v.replace("aws4_request", "aws5_request")),
    "key": lambda r: r.set("Authorization", lambda v: re.sub("Credential=[^/]*", "Credential=AKIANOBODY", v)),
    "algorithm": lambda r: r.set("Authorization", lambda v: v.replace("AWS4-HMAC-SHA256", "AWS4-ECDSA-P256-SHA256")),
    "two_authorizations": lambda r: r.headers.append(next(h for h in r.headers if h[0] == "Authorization")) or r,
    "unsigned_payload": lambda r: r.headers.append(["X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD"]) or r,
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_signature_covers_all_that_counts(shared, name):
    status, heard = ask(REFUSED[name](Raw(shared)))
    assert status in (400, 403) and b"QueueUrl" not in heard, heard
    assert ask(Raw(shared))[0] == 200


@pytest.mark.parametrize("hash_name", ["UNSIGNED-PAYLOAD", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", "STREAMING-UNSIGNED-PAYLOAD-TRAILER"])
def test_a_body_that_is_not_hashed_is_refused_however_well_it_is_signed(shared, hash_name):
    import hashlib

    honest = Raw(shared, signed=[("X-Amz-Content-Sha256", hashlib.sha256(b"{}").hexdigest())])
    assert ask(honest)[0] == 200
    status, heard = ask(Raw(shared, signed=[("X-Amz-Content-Sha256", hash_name)]))
    assert status == 403 and b"x-amz-content-sha256" in heard


def test_a_refusal_costs_little(shared):
    """What is refused must not cost more than it took to send: one header named thousands of times would be as many copies of it to hash."""
    long = "x" * 14000
    names = ["content-type", "host", "x-amz-date", "x-amz-target"]
    costly = {
        "one header, signed again and again": Raw(shared, unsigned=[("X", long)]).set("Authorization", lambda v: re.sub(
            "SignedHeaders=[^,]*", "SignedHeaders=" + ";".join(names[:2] + ["x"] * 7000 + names[2:]), v)),
        "headers that are not there": Raw(shared, unsigned=[(f"X{i}", "") for i in range(90)]).set("Authorization", lambda v: re.sub(
            "SignedHeaders=[^,]*", "SignedHeaders=" + ";".join(names + [f"y{i}" for i in range(3500)]), v)),
        "a query of many parts": Raw(shared, path="/?" + "&".join(f"{i % 7}={i}" for i in range(250))).set("Authorization", tampered),
    }
    before = memory_kib(shared)
    for what, request in costly.items():
        used = cpu_seconds(shared.server.process.pid)
        for _ in range(20):
            status, heard = ask(request)
            assert status in (400, 403) and b"QueueUrl" not in heard, (what, heard)
        used = cpu_seconds(shared.server.process.pid) - used
        print(f"20 refusals of {what}: {used:.2f} s")
        assert SLOW or used < 0.3, what
    assert SLOW or memory_kib(shared) - before < 10 * KIB


def test_presigned_requests_are_refused(shared):
    request = botocore.awsrequest.AWSRequest("GET", f"{shared.url}/?Action=ListQueues", headers={"Host": f"127.0.0.1:{shared.port}"})
    botocore.auth.SigV4QueryAuth(botocore.credentials.Credentials(*shared.key.values()), "sqs", REGION).add_auth(request)
    target = request.url[len(shared.url):]
    status, heard = exchange(shared.port, f"GET {target} HTTP/1.1\r\nHost: 127.0.0.1:{shared.port}\r\n\r\n".encode())
    assert status in (400, 403) and b"QueueUrl" not in heard
    assert ask(Raw(shared, form=True, method="GET", payload="", path="/?Action=ListQueues"))[0] == 200


def test_an_unknown_key_is_as_slow_as_a_known_one(shared):
    """Interleaved, by the median: the sizes of the requests are the same. What is measured here is the whole endpoint; sigv4_verify_test looks closer."""
    known = Raw(shared).set("Authorization", tampered).bytes()
    key_id = shared.key["aws_access_key_id"].encode()
    unknown = known.replace(key_id, key_id[:-1] + (b"A" if key_id[-1:] != b"A" else b"B"))
    times = {known: [], unknown: []}
    with socket.create_connection(("127.0.0.1", shared.port), timeout=10) as s:
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for i in range(2 * 1500):
            request = (known, unknown)[i % 2]
            began = time.perf_counter_ns()
            s.sendall(request)
            heard = s.recv(65536)
            while not complete(heard):
                heard += s.recv(65536)
            times[request].append(time.perf_counter_ns() - began)
            assert (b"does not match" if request is known else b"security token") in heard
    medians = [statistics.median(t[100:]) for t in times.values()]
    print(f"known {medians[0] / 1000:.1f} us, unknown {medians[1] / 1000:.1f} us")
    assert abs(medians[0] - medians[1]) < 0.2 * max(medians)


# ---- what is inside ----


def test_documents_are_strict(bridge):
    def status(payload):
        return ask(Raw(bridge, "SendMessage", payload))

    url = f"{bridge.url}/000000000000/q"
    good = json.dumps({"QueueUrl": url, "MessageBody": "b"})

    def deep(depth):
        return good[:-1] + ',"Unknown":' + "[" * depth + "]" * depth + "}"

    assert status(good)[0] == 200 and status(deep(60))[0] == 200
    assert status(deep(64))[0] == 400 and status(deep(100_000))[0] == 400
    for bad in (good[:-1] + ',"MessageBody":"c"}', good + "x", good[:-1], "[]", "null", "", good.replace('"b"', '"\\ud800'), good.replace('"b"', "'b'"),
                good.replace("}", ",}"), "\ufeff" + good):
        assert ask(Raw(bridge, "SendMessage", bad.encode("ascii", "backslashreplace").decode()))[0] == 400, bad
    many_names = ",".join(f'"a{i}":{{"DataType":"String","StringValue":"v"}}' for i in range(130_000))
    began = time.monotonic()
    assert status(good[:-1] + ',"MessageAttributes":{' + many_names + "}}")[0] == 400
    assert time.monotonic() - began < 5  # they were compared with each other
    form = f"Action=SendMessage&MessageBody=b&QueueUrl={url.replace(':', '%3A')}"
    assert ask(Raw(bridge, form=True, payload=form))[0] == 200
    for bad in (form + "%", form + "%zz", form + "%ff", "&".join(f"A.{i}=b" for i in range(5000)) + "&" + form):
        code, heard = ask(Raw(bridge, form=True, payload=bad))
        assert code == 400 and b"<ErrorResponse" in heard, heard
    message, heard = ask(Raw(bridge, form=True, payload="Action=%3Cscript%3E%26%22"))
    assert message == 400 and b"<script>" not in heard and b"&lt;script&gt;&amp;&quot;" in heard


@pytest.mark.parametrize("name,good", [("a" * 80, True), ("A-z_0", True), ("q.fifo", True), ("a" * 81, False), ("", False), ("a b", False), ("../q", False), ("a/b", False),
                                       ("a\0b", False), ("q.fifo.fifo", False), ("a.b", False), ("\u00e9", False), (".fifo", False), ("q\n", False)])
def test_queue_names_have_an_alphabet(shared, name, good):
    attributes = {"Attributes": {"FifoQueue": "true"}} if name.endswith(".fifo") else {}
    status, heard = ask(Raw(shared, "CreateQueue", {"QueueName": name, **attributes}))
    assert status == (200 if good else 400), heard


def test_receipt_handles_are_of_one_message_and_cannot_be_made(bridge):
    def call(action, **arguments):
        status, heard = ask(Raw(bridge, action, {"QueueUrl": f"{bridge.url}/000000000000/q", **arguments}))
        return status, json.loads(heard.partition(b"\r\n\r\n")[2] or b"{}")

    call("SendMessageBatch", Entries=[{"Id": "1", "MessageBody": "a"}, {"Id": "2", "MessageBody": "b"}])
    handles = []
    while len(handles) < 2:
        handles += [m["ReceiptHandle"] for m in call("ReceiveMessage", MaxNumberOfMessages=10)[1].get("Messages", [])]
    for at in range(0, len(handles[0]), 3):
        changed = handles[0][:at] + ("A" if handles[0][at] != "A" else "B") + handles[0][at + 1:]
        status, answer = call("DeleteMessage", ReceiptHandle=changed)
        assert status >= 400 and "ReceiptHandleIsInvalid" in answer["__type"], (at, answer)
    half = len(handles[0]) // 2
    assert call("DeleteMessage", ReceiptHandle=handles[0][:half] + handles[1][half:])[0] >= 400
    assert call("DeleteMessage", ReceiptHandle=handles[0])[0] == 200


# ---- secrets ----


def test_no_secret_is_in_any_log_or_file(make_bridge, tmp_path):
    keys, secret = tmp_path / "keys", "CANARYsecretCANARY/+=x"
    keys.write_text(f"AKIACANARY:{secret}\n")
    keys.chmod(0o600)
    certificate, tls_key = make_certificate(tmp_path, "one")
    bridge = make_bridge("--access-keys-file", keys, "--tls-certificate", certificate, "--tls-key", tls_key, "--queue", "q", "--log-level", "debug",
                         endpoint=None).start()
    key = {"aws_access_key_id": "AKIACANARY", "aws_secret_access_key": secret}
    insecure = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    insecure.check_hostname, insecure.verify_mode = False, ssl.CERT_NONE

    def over_tls(request):
        with socket.create_connection(("127.0.0.1", bridge.port), timeout=5) as plain, insecure.wrap_socket(plain) as s:
            s.sendall(request.bytes())
            heard = b""
            while not complete(heard):
                got = s.recv(65536)
                if not got:
                    break
                heard += got
            return heard

    good = Raw(bridge, key=key)
    assert over_tls(good).startswith(b"HTTP/1.1 200")
    assert b"QueueUrl" not in over_tls(Raw(bridge, key={**key, "aws_secret_access_key": secret + "x"}))
    assert b"QueueUrl" not in over_tls(Raw(bridge, key=key).set("Authorization", lambda v: v + "\x01"))
    assert b"MessageId" in over_tls(Raw(bridge, "SendMessage", {"QueueUrl": f"{bridge.url}/000000000000/q", "MessageBody": "PAYLOADCANARY"}, key=key))
    keys.write_text(f"AKIACANARY:{secret} nonsense\n")  # a line that cannot be taken is told without what is in it
    bridge.server.process.send_signal(signal.SIGHUP)
    wait_until("it is told", lambda: "nothing else" in bridge.log())
    metrics = bridge.admin("/metrics")[1]
    bridge.stop()
    signature = re.search("Signature=([0-9a-f]{64})", str(good.headers))[1]
    pem = "".join(line for line in tls_key.read_text().splitlines() if "-----" not in line)
    for text in (bridge.log(), metrics):
        for canary in ("CANARYsecret", signature, pem[:40], "PAYLOADCANARY", "Authorization"):
            assert canary not in text
    for file in tmp_path.rglob("*"):
        if file.is_file() and file not in (keys, tls_key):
            content = file.read_bytes()
            assert b"CANARYsecret" not in content and pem[:40].encode() not in content, file


def test_what_is_written_is_the_owners_alone(bridge):
    for file in bridge.directory.iterdir():
        if file.name.startswith("ledger.db") and not file.name.endswith(".addresses"):
            assert file.stat().st_mode & 0o077 == 0, file
    assert {f.name for f in bridge.directory.iterdir()} >= {"ledger.db", "ledger.db.keys", "ledger.db-control"}


def test_a_listener_beyond_loopback_wants_a_yes_and_a_file_of_keys(make_bridge, tmp_path):
    def started(*flags, listen="0.0.0.0:0"):
        bridge = make_bridge("--queue", "q", *flags, endpoint=None, directory=tmp_path)
        process = subprocess.run([str(BINARY), "run", "--ledger", str(tmp_path / "other.db"), "--listen", listen, "--admin", "127.0.0.1:0", *bridge.flags],
                                 env=bridge.env, capture_output=True, text=True, timeout=20, check=False)
        return process.returncode, process.stderr

    for listen in ("0.0.0.0:0", "[::]:0", "192.0.2.1:0"):
        status, text = started(listen=listen)
        assert status == 78 and "listen_beyond_loopback" in text
    status, text = started("--listen-beyond-loopback")
    assert status == 78 and "--access-keys-file" in text


def test_the_binary_is_hardened():
    if subprocess.run(["which", "readelf"], capture_output=True, check=False).returncode:
        pytest.skip("readelf is not here")
    if SLOW:
        pytest.skip("a sanitizer's build")
    said = {flag: subprocess.run(["readelf", "-W", flag, str(BINARY)], capture_output=True, text=True, check=True).stdout for flag in ("-h", "-l", "-d", "--dyn-syms")}
    assert "DYN (" in said["-h"] and "BIND_NOW" in said["-d"] and "GNU_RELRO" in said["-l"]
    assert re.search(r"GNU_STACK.*\bRW\b", said["-l"]) and "RWE" not in said["-l"]
    assert "__stack_chk_fail" in said["--dyn-syms"] and "_chk@" in said["--dyn-syms"].replace("__stack_chk_fail@", "")
