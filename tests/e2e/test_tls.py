# SPDX-License-Identifier: Apache-2.0
"""TLS for the endpoint: an SDK with a private CA, other versions and plain HTTP refused, the certificate changed while it runs."""

import signal
import socket
import ssl
import subprocess
import threading
import time
import urllib.error
import urllib.request

import boto3
import pytest
from botocore.config import Config
from rig import BINARY, REGION, cpu_seconds, wait_until


def make_certificate(directory, name, days=30):
    certificate, key = directory / f"{name}.pem", directory / f"{name}-key.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", key, "-out", certificate, "-days",
                    str(days), "-subj", f"/CN={name}", "-addext", "subjectAltName=IP:127.0.0.1"], check=True, capture_output=True)
    key.chmod(0o600)
    return certificate, key


@pytest.fixture
def secure(make_bridge, tmp_path):
    certificate, key = make_certificate(tmp_path, "one")
    return make_bridge("--tls-certificate", certificate, "--tls-key", key, "--queue", "q", endpoint=None).start(), certificate, key


def client(bridge, ca):
    return boto3.client("sqs", endpoint_url=bridge.url.replace("http:", "https:"), region_name=REGION, verify=str(ca), **bridge.key,
                        config=Config(retries={"max_attempts": 1}, read_timeout=30))


def shown(bridge):
    return ssl.get_server_certificate(("127.0.0.1", bridge.port))


def test_an_sdk_comes_by_tls(secure):
    bridge, certificate, _ = secure
    sqs = client(bridge, certificate)
    url = sqs.get_queue_url(QueueName="q")["QueueUrl"]
    assert url.startswith("https://") and bridge.addresses["sqs"].startswith("https://")
    got = []
    waiting = threading.Thread(target=lambda: got.append(sqs.receive_message(QueueUrl=url, WaitTimeSeconds=20)))  # suspended until there is a message
    waiting.start()
    wait_until("it waits", lambda: 'ReceiveMessage"} 1' in bridge.admin("/metrics")[1])
    body = "x" * 200_000
    client(bridge, certificate).send_message(QueueUrl=url, MessageBody=body)
    waiting.join(10)
    assert got[0]["Messages"][0]["Body"] == body
    for i in range(30):
        sqs.send_message_batch(QueueUrl=url, Entries=[{"Id": str(k), "MessageBody": f"{i}-{k}"} for k in range(10)])
    seen = 0
    while seen < 300:
        messages = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
        sqs.delete_message_batch(QueueUrl=url, Entries=[{"Id": str(k), "ReceiptHandle": m["ReceiptHandle"]} for k, m in enumerate(messages)])
        seen += len(messages)


def test_who_begins_a_greeting_and_stops_holds_up_nobody(secure):
    """libmicrohttpd takes such a connection for ready all the time: one of them kept the whole process busy, and from all others, for a minute."""
    bridge, certificate, _ = secure
    half = [socket.create_connection(("127.0.0.1", bridge.port)) for _ in range(20)]
    for i, connection in enumerate(half):
        connection.sendall(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[:i % 3 * 5 + 1])
    assert bridge.admin("/healthz")[0] == 200
    sqs = client(bridge, certificate)
    url = sqs.get_queue_url(QueueName="q")["QueueUrl"]
    pid = bridge.server.process.pid
    before, began = cpu_seconds(pid), time.monotonic()
    assert "Messages" not in sqs.receive_message(QueueUrl=url, WaitTimeSeconds=3)
    assert cpu_seconds(pid) - before < 0.5 * (time.monotonic() - began)
    sqs.send_message(QueueUrl=url, MessageBody="x" * 1_000_000)
    taken = []
    for _ in range(7):  # an answer leaves in pieces of 16 KiB, of which nobody is told: at two of them each 10 ms it took 310 ms
        began = time.monotonic()
        assert len(sqs.receive_message(QueueUrl=url, VisibilityTimeout=0)["Messages"]) == 1
        taken.append(time.monotonic() - began)
    assert min(taken) < 0.2
    for connection in half:
        connection.close()


def dripped(body_bytes):
    """The ciphertext of a request whose body comes a byte a record, and what takes the server's part of the greeting."""
    context = ssl._create_unverified_context()
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context.wrap_bio(incoming, outgoing)

    def request(connection):
        while True:
            try:
                tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                connection.sendall(outgoing.read())
                incoming.write(connection.recv(65536))
        tls.write(f"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: {body_bytes + 1}\r\n\r\n".encode())
        for _ in range(body_bytes):
            tls.write(b"x")
        return outgoing.read()

    return request


def test_a_body_in_records_of_a_byte_holds_up_nobody(secure):
    """Each of them is one run of libmicrohttpd, which was run until nothing was left."""
    bridge, _, _ = secure
    connections = [socket.create_connection(("127.0.0.1", bridge.port)) for _ in range(2)]
    floods = [dripped(200_000)(connection) for connection in connections]
    threads = [threading.Thread(target=connection.sendall, args=(flood,)) for connection, flood in zip(connections, floods)]
    for thread in threads:
        thread.start()
    slowest = 0
    while any(thread.is_alive() for thread in threads) or slowest == 0:
        began = time.monotonic()
        assert bridge.admin("/healthz")[0] == 200
        slowest = max(slowest, time.monotonic() - began)
    for thread, connection in zip(threads, connections):
        thread.join()
        connection.close()
    assert slowest < 0.2


def test_what_is_not_tls_1_2_or_later_is_refused(secure):
    bridge, _, _ = secure
    with pytest.raises((urllib.error.URLError, OSError)):
        urllib.request.urlopen(bridge.url, timeout=5)  # plain HTTP
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
    old.minimum_version, old.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
    old.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.raises(ssl.SSLError), socket.create_connection(("127.0.0.1", bridge.port)) as s:
        old.wrap_socket(s)
    new = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    new.check_hostname, new.verify_mode = False, ssl.CERT_NONE
    with socket.create_connection(("127.0.0.1", bridge.port)) as s, new.wrap_socket(s) as tls:
        assert tls.version() == "TLSv1.3"


def test_the_certificate_changes_while_it_runs(secure, tmp_path):
    bridge, certificate, key = secure
    sqs = client(bridge, certificate)
    url = sqs.get_queue_url(QueueName="q")["QueueUrl"]
    before = shown(bridge)
    other, other_key = make_certificate(tmp_path, "two")
    key.write_text(other_key.read_text())  # the key alone: they do not belong together
    bridge.server.process.send_signal(signal.SIGHUP)
    wait_until("it is refused", lambda: "was refused" in bridge.log())
    assert shown(bridge) == before
    certificate.write_text(other.read_text())
    bridge.server.process.send_signal(signal.SIGHUP)
    wait_until("the new one is shown", lambda: shown(bridge) != before)
    assert shown(bridge).strip() == other.read_text().strip()
    sqs.send_message(QueueUrl=url, MessageBody="by the old connection, or a new one")
    said = "the configuration was reloaded: "
    assert bridge.command("reload", check=0)[1] == f"{said}nothing changed\n"
    for attempt in range(5):
        soon, soon_key = make_certificate(tmp_path, f"soon{attempt}", days=3)
        certificate.write_text(soon.read_text())
        key.write_text(soon_key.read_text())
        told = bridge.command("reload", check=0)[1]
        assert told.endswith("\nthe endpoint's certificate expires soon\n")
        if told.startswith(f"{said}certificate changed\n"):
            break
        assert told.startswith(f"{said}nothing changed\n") and "certificate was read again" in bridge.log()  # it had noticed by itself
    else:
        raise AssertionError("no reload said that the certificate changed")
    assert bridge.json("reload")["certificate"] == "the endpoint's certificate expires soon"


def test_a_replaced_certificate_is_noticed_without_a_signal(secure, tmp_path):
    bridge, certificate, key = secure
    before = shown(bridge)
    other, other_key = make_certificate(tmp_path, "two", days=3)
    key.write_text(other_key.read_text())  # the key alone: they do not belong together
    wait_until("it is told", lambda: "is not taken: the one from before it is still shown" in bridge.log())
    assert shown(bridge) == before
    certificate.write_text(other.read_text())
    wait_until("the new one is shown", lambda: shown(bridge).strip() == other.read_text().strip())
    wait_until("it is told, too", lambda: "the endpoint's certificate was read again" in bridge.log() and "expires soon" in bridge.log())
    bridge.command("consume", "q", "--until-empty", check=0)
    assert bridge.log().count("certificate was read again") == 1


def test_http_where_tls_is_wanted_and_the_other_way_are_told(secure, make_bridge, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    plain = make_bridge("--queue", "q", endpoint=None, directory=other).start()
    for endpoint, says in ((f"http://127.0.0.1:{secure[0].port}", "(is its address https://?)\n"),
                           (f"https://127.0.0.1:{plain.port}", "(it does not answer in TLS: is its address http://?)\n")):
        plain.env["AWS_ENDPOINT_URL"] = endpoint
        status, _, said = plain.command("check", "--stream", "t", "--queue", "q")
        assert status == 78 and said.endswith(says)


@pytest.mark.parametrize("what,says", [("mode", "chmod 600"), ("pair", "do not match"), ("missing", "cannot read"), ("locked", "has a passphrase"), ("swapped", "holds no certificate"), ("alone", "wants the other one"), ("soon", "expires soon")])
def test_bad_files_are_told(make_bridge, tmp_path, what, says):
    certificate, key = make_certificate(tmp_path, "one", days=3 if what == "soon" else 30)
    flags = ["--tls-certificate", certificate, "--tls-key", key]
    if what == "mode":
        key.chmod(0o644)
    if what == "pair":
        flags[3] = make_certificate(tmp_path, "two")[1]
    if what == "missing":
        flags[3] = tmp_path / "none.pem"
    if what == "locked":
        subprocess.run(["openssl", "pkey", "-in", key, "-aes256", "-passout", "pass:x", "-out", tmp_path / "locked.pem"], check=True)
        (tmp_path / "locked.pem").chmod(0o600)
        flags[3] = tmp_path / "locked.pem"
    if what == "swapped":
        certificate.chmod(0o600)
        flags = ["--tls-certificate", key, "--tls-key", certificate]
    if what == "alone":
        flags = flags[:2]
    bridge = make_bridge(*flags, "--queue", "q", endpoint=None)
    if what == "soon":
        bridge.start()
    else:
        with pytest.raises(RuntimeError, match="status 78"):
            bridge.start()
    assert says in bridge.log()


def test_our_own_consumer_knows_the_certificate_of_its_own_ledger(secure):
    """`consume` beside the ledger needs no word of a private CA; a certificate that it does not trust ends it, and says where trust comes from."""
    bridge, certificate, _ = secure
    url = client(bridge, certificate).get_queue_url(QueueName="q")["QueueUrl"]
    client(bridge, certificate).send_message(QueueUrl=url, MessageBody="one")
    assert bridge.command("consume", "q", "--until-empty", check=0)[1] == '"one"\n'
    bridge.command("consume", url, "--until-empty", check=0)


def test_a_consumer_that_does_not_trust_the_server_ends_and_says_why(secure, tmp_path):
    bridge, certificate, _ = secure
    url = client(bridge, certificate).get_queue_url(QueueName="q")["QueueUrl"]
    bridge.env["AWS_CA_BUNDLE"] = str(make_certificate(tmp_path, "another")[0])
    bridge.command("consume", "q", "--until-empty", check=0)  # its own process's is the one that counts
    elsewhere = ("consume", "q", "--endpoint-url", bridge.url.replace("http:", "https:"))
    status, _, said = bridge.command(*elsewhere)
    assert status == 78 and "certificate" in said and "AWS_CA_BUNDLE" in said and "trying again" not in said
    bridge.env["AWS_CA_BUNDLE"] = str(certificate)
    status, _, said = bridge.command("consume", "q", "--endpoint-url", elsewhere[-1].replace("127.0.0.1", "localhost"))
    assert status == 78 and "does not match" in said.replace("matches", "does not match") and "AWS_CA_BUNDLE" not in said
    bridge.env["AWS_CA_BUNDLE"] = str(bridge.ledger)
    status, _, said = bridge.command(*elsewhere)
    assert status == 78 and "AWS_CA_BUNDLE names, holds no certificate" in said


def refuse_handshakes(port, pair, count):
    """Shows a certificate that nobody trusts, so many times."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*pair)
    with socket.create_server(("127.0.0.1", port)) as listener:
        listener.settimeout(60)
        while count > 0:
            connection, _ = listener.accept()
            with pytest.raises((ssl.SSLError, OSError)), context.wrap_socket(connection, server_side=True) as tls:
                tls.recv(1)  # in TLS 1.3 the refusal comes behind the server's part of the greeting
            count -= 1


def test_a_consumer_that_was_trusted_once_waits_until_it_is_again(secure, tmp_path):
    """A certificate that is renewed badly is an outage: it passes, and the consumer with it does not end."""
    bridge, certificate, _ = secure
    env = bridge.env | {"AWS_CA_BUNDLE": str(certificate), "AWS_ACCESS_KEY_ID": bridge.key["aws_access_key_id"],
                        "AWS_SECRET_ACCESS_KEY": bridge.key["aws_secret_access_key"]}
    out = tmp_path / "out"
    with out.open("w") as output:
        consumer = subprocess.Popen([BINARY, "consume", "q", "--endpoint-url", bridge.url.replace("http:", "https:")], env=env, stdout=output, cwd=tmp_path)
    try:
        for text in ("one", "two"):
            bridge.command("queue", "send", "q", text, check=0)
            wait_until(text, lambda: text in out.read_text(), process=consumer)
            if text == "one":
                bridge.stop()
                refuse_handshakes(bridge.port, make_certificate(tmp_path, "another"), 6)  # three end a consumer that was never trusted
                bridge.start()
    finally:
        consumer.terminate()
        assert consumer.wait(30) == 0


def test_a_certificate_that_is_a_link_may_be_led_elsewhere(make_bridge, tmp_path):
    """As certbot and Kubernetes renew theirs; what `consume` trusts follows."""
    (one, one_key), (two, two_key) = make_certificate(tmp_path, "one"), make_certificate(tmp_path, "two")
    certificate, key = tmp_path / "live.pem", tmp_path / "live-key.pem"
    certificate.symlink_to(one)
    key.symlink_to(one_key)
    bridge = make_bridge("--tls-certificate", certificate, "--tls-key", key, "--queue", "q", endpoint=None).start()
    bridge.command("consume", "q", "--until-empty", check=0)
    for link, target in ((certificate, two), (key, two_key)):
        link.unlink()
        link.symlink_to(target)
    one.unlink()
    bridge.command("reload", check=0)
    wait_until("the new one is shown", lambda: shown(bridge).strip() == two.read_text().strip())
    bridge.command("consume", "q", "--until-empty", check=0)


def test_a_stream_s_server_that_is_not_trusted_is_told_so(secure, make_bridge, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    bridge = make_bridge("--stream", "t", "--queue", "q", endpoint=f"https://127.0.0.1:{secure[0].port}", directory=other).start()
    wait_until("it says so", lambda: "AWS_CA_BUNDLE, or the profile's ca_bundle" in bridge.command("status")[1])
    assert "is the endpoint right" not in bridge.command("status")[1]


def test_a_queue_s_server_that_is_not_trusted_is_told_so(secure, make_bridge, table, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    bridge = make_bridge("--stream", table.name, "--queue", "q", "--target", "sqs", "--endpoint-url", f"https://127.0.0.1:{secure[0].port}", directory=other).start()
    table.put("a")
    wait_until("it says so", lambda: "AWS_CA_BUNDLE, or the profile's ca_bundle" in bridge.command("status")[1])
    assert "is the endpoint right" not in bridge.command("status")[1]


def test_an_sdk_trusts_by_the_environment_alone(secure, monkeypatch):
    bridge, certificate, _ = secure
    for name, value in (("AWS_CA_BUNDLE", str(certificate)), ("AWS_ENDPOINT_URL_SQS", bridge.url.replace("http:", "https:"))):
        monkeypatch.setenv(name, value)
    sqs = boto3.client("sqs", region_name=REGION, **bridge.key)
    sqs.send_message(QueueUrl=sqs.get_queue_url(QueueName="q")["QueueUrl"], MessageBody="x")
