# SPDX-License-Identifier: Apache-2.0
"""Roles, programs that write credentials, private certificate authorities and proxies, with the binary and with servers that others wrote."""

import contextlib
import datetime
import http.server
import json
import os
import socket
import ssl
import subprocess
import threading
import time

import botocore.tokens
import botocore.utils
import dateutil.parser
import pytest
from rig import KEY, wait_until

NO_KEYS = {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}
FAR = "xx-test-1"  # a region whose names nobody resolves: what reaches AWS's addresses there went through the proxy
FAR_HOST = f"dynamodb.{FAR}.amazonaws.com"
TABLE = {"Table": {"LatestStreamArn": "arn:aws:dynamodb:xx-test-1:0:table/t/stream/1", "TableName": "t"}}


# ---- a certificate authority, a TLS server, a proxy ----

@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    """(the CA's certificate, the server's certificate and key for localhost and DynamoDB's host in FAR)."""
    d = tmp_path_factory.mktemp("ca")
    new = ["openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    names = f"subjectAltName=DNS:localhost,DNS:{FAR_HOST}"
    (d / "names").write_text(names)
    for command in ([*new, "-x509", "-keyout", d / "ca.key", "-out", d / "ca.pem", "-days", "2", "-subj", "/CN=a private CA"],
                    [*new, "-keyout", d / "server.key", "-out", d / "server.csr", "-subj", "/CN=server"],
                    ["openssl", "x509", "-req", "-in", d / "server.csr", "-CA", d / "ca.pem", "-CAkey", d / "ca.key", "-CAcreateserial", "-days", "2",
                     "-extfile", d / "names", "-out", d / "server.pem"]):
        subprocess.run(list(map(str, command)), check=True, capture_output=True)
    return d / "ca.pem", d / "server.pem", d / "server.key"


class DescribesTables(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        body = json.dumps(TABLE).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@contextlib.contextmanager
def serving(server):
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def tls(authority):
    _, certificate, key = authority
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), DescribesTables)
    server.daemon_threads = True
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    with serving(server):
        yield server.server_address[1]


def pump(source, sink):
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_WR)


class Tunnels(http.server.BaseHTTPRequestHandler):
    """CONNECT to anything leads to the TLS server."""

    def do_CONNECT(self):
        self.server.asked.append((self.path, self.headers.get("Proxy-Authorization")))
        if self.server.refuses:
            self.send_error(407, "who are you")
            return
        with socket.create_connection(("127.0.0.1", self.server.behind)) as far:
            self.send_response(200)
            self.end_headers()
            back = threading.Thread(target=pump, args=(far, self.connection))
            back.start()
            pump(self.connection, far)
            back.join()
        self.close_connection = True

    def log_message(self, *_):
        pass


@pytest.fixture
def proxy(tls):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Tunnels)
    server.daemon_threads = True
    server.asked, server.refuses, server.behind = [], False, tls
    with serving(server):
        yield server


def check(make_bridge, endpoint, env):
    status, _, err = make_bridge(endpoint=endpoint, env=env).command("check", "--stream", "t", "--queue", "q")
    return status, err


def test_a_private_authority_is_trusted_only_when_it_is_named(make_bridge, tls, authority, tmp_path):
    url = f"https://localhost:{tls}"
    status, err = check(make_bridge, url, {})
    assert status == 78 and "certificate" in err
    assert check(make_bridge, url, {"AWS_CA_BUNDLE": str(authority[0])}) == (0, "")
    (tmp_path / "config").write_text(f"[default]\nca_bundle = {authority[0]}\n")
    assert check(make_bridge, url, {"AWS_CONFIG_FILE": str(tmp_path / "config")}) == (0, "")
    status, err = check(make_bridge, url, {"AWS_CA_BUNDLE": "/nowhere.pem"})
    assert status == 78 and "cannot read /nowhere.pem, which AWS_CA_BUNDLE names: No such file" in err
    status, err = check(make_bridge, f"https://127.0.0.1:{tls}", {"AWS_CA_BUNDLE": str(authority[0])})  # not the name in the certificate
    assert status == 78 and "certificate" in err


def test_what_is_far_goes_through_the_proxy_and_is_verified_behind_it(make_bridge, proxy, authority):
    at = f"127.0.0.1:{proxy.server_address[1]}"
    far = {"AWS_REGION": FAR, "HTTPS_PROXY": f"http://{at}"}
    status, err = check(make_bridge, None, far)
    assert status == 78 and "certificate" in err  # the tunnel changes nothing about TLS
    assert check(make_bridge, None, {**far, "AWS_CA_BUNDLE": str(authority[0])}) == (0, "")
    assert check(make_bridge, None, {**far, "AWS_CA_BUNDLE": str(authority[0]), "HTTPS_PROXY": f"http://me:secret@{at}"}) == (0, "")
    assert [path for path, _ in proxy.asked] == [f"{FAR_HOST}:443"] * 3
    assert [key for _, key in proxy.asked] == [None, None, "Basic bWU6c2VjcmV0"]
    proxy.refuses = True
    status, err = check(make_bridge, None, {**far, "HTTPS_PROXY": f"http://me:secret@{at}"})
    assert status == 78 and "407" in err and "secret" not in err


def test_the_proxy_is_passed_by_for_this_machine_and_for_no_proxy(make_bridge, proxy, tls, authority):
    env = {"HTTPS_PROXY": f"http://127.0.0.1:{proxy.server_address[1]}", "HTTP_PROXY": "http://127.0.0.1:1", "AWS_CA_BUNDLE": str(authority[0])}
    assert check(make_bridge, f"https://localhost:{tls}", env) == (0, "")
    status, err = check(make_bridge, None, {**env, "AWS_REGION": FAR, "NO_PROXY": "example.org,.amazonaws.com"})
    assert status == 78 and "resolve" in err
    assert proxy.asked == []


# ---- sources, against ministack's STS ----

ROLE = "[default]\nrole_arn = arn:aws:iam::000000000000:role/reader\nsource_profile = base\n"


def test_a_stream_is_read_in_a_role(aws, make_bridge, table, queue, tmp_path):
    (tmp_path / "config").write_text(ROLE + f"[profile base]\naws_access_key_id = {KEY['aws_access_key_id']}\naws_secret_access_key = s\n")
    bridge = make_bridge("--stream", table.name, "--queue", "q", env={**NO_KEYS, "AWS_CONFIG_FILE": str(tmp_path / "config")}).start()
    table.put("a", "b")
    q = queue(bridge)
    assert sorted(json.loads(m["Body"])["dynamodb"]["Keys"]["id"]["S"] for m in q.receive() + q.receive(wait=2)) == ["a", "b"]


def test_queues_serve_while_credentials_are_waited_for(make_bridge, table, queue, tmp_path):
    """A source that is configured but fails stops neither the start nor the queues; reading begins when it recovers."""
    keys = tmp_path / "keys.json"
    (tmp_path / "config").write_text(f"[default]\ncredential_process = cat {keys}\n")
    bridge = make_bridge("--stream", table.name, "--queue", "q", env={**NO_KEYS, "AWS_CONFIG_FILE": str(tmp_path / "config")}).start()
    wait_until("the reason", lambda: "credential_process ended with status 1" in bridge.admin("/readyz")[1])
    assert bridge.admin("/healthz")[0] == 200
    q = queue(bridge)
    q.sqs.send_message(QueueUrl=q.url, MessageBody="hello")
    assert [m["Body"] for m in q.receive(most=1)] == ["hello"]
    table.put("a")
    made = tmp_path / "keys.new"
    made.write_text(json.dumps({"Version": 1, "AccessKeyId": KEY["aws_access_key_id"], "SecretAccessKey": "cAnArY-secret"}))
    os.rename(made, keys)
    assert json.loads(q.receive(most=1, wait=20)[0]["Body"])["dynamodb"]["Keys"]["id"]["S"] == "a"
    assert "cAnArY" not in bridge.log()


# ---- SSO: a login that is renewed, by a file of AWS's own tools ----

SSO = """[default]
sso_session = corp
sso_account_id = 111122223333
sso_role_name = Reader
[sso-session corp]
sso_region = eu-west-1
sso_start_url = https://corp.awsapps.com/start
"""


class IdentityCenter(DescribesTables):
    """CreateToken and GetRoleCredentials; anything else is a table's description."""

    def do_POST(self):
        if self.path != "/token":
            super().do_POST()
            return
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.renewals.append(asked)
        good = asked["refreshToken"] == self.server.refresh
        self.answer(200 if good else 400, {"accessToken": "cAnArY-new", "expiresIn": 28800, "refreshToken": "cAnArY-refresh-2", "tokenType": "Bearer"} if good else
                    {"error": "invalid_grant", "error_description": "Invalid refresh token provided"})

    def do_GET(self):
        self.server.tokens.append(self.headers["x-amz-sso_bearer_token"])
        self.answer(200, {"roleCredentials": {"accessKeyId": "SSOKEY", "secretAccessKey": "cAnArY-secret", "sessionToken": "cAnArY-session",
                                              "expiration": int((time.time() + 3600) * 1000)}})

    def answer(self, status, document):
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def identity_center():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), IdentityCenter)
    server.daemon_threads = True
    server.refresh, server.renewals, server.tokens = "cAnArY-refresh-1", [], []
    with serving(server):
        yield server


def test_an_sso_login_is_renewed_and_botocore_reads_what_was_written(make_bridge, identity_center, tmp_path):
    cache = botocore.utils.JSONFileCache(tmp_path / ".aws/sso/cache", dumps_func=botocore.tokens._sso_json_dumps)
    loader = botocore.utils.SSOTokenLoader(cache=cache)
    now = datetime.datetime.now(datetime.timezone.utc)
    login = {"startUrl": "https://corp.awsapps.com/start", "region": "eu-west-1", "accessToken": "cAnArY-old", "expiresAt": now - datetime.timedelta(hours=1),
             "clientId": "c", "clientSecret": "cAnArY-client", "registrationExpiresAt": (now + datetime.timedelta(days=9)).strftime("%Y-%m-%dT%H:%M:%SZ"),
             "refreshToken": "cAnArY-refresh-1"}
    loader.save_token("", login, session_name="corp")
    (tmp_path / "config").write_text(SSO)
    url = f"http://127.0.0.1:{identity_center.server_address[1]}"
    env = {**NO_KEYS, "AWS_CONFIG_FILE": str(tmp_path / "config"), "HOME": str(tmp_path), "AWS_ENDPOINT_URL_SSO": url, "AWS_ENDPOINT_URL_SSO_OIDC": url}
    assert check(make_bridge, url, env) == (0, "")
    assert identity_center.renewals == [{"grantType": "refresh_token", "clientId": "c", "clientSecret": "cAnArY-client", "refreshToken": "cAnArY-refresh-1"}]
    assert identity_center.tokens == ["cAnArY-new"]
    written = loader("", session_name="corp")
    assert {**written, "expiresAt": None} == {**login, "expiresAt": None, "accessToken": "cAnArY-new", "refreshToken": "cAnArY-refresh-2"}
    assert dateutil.parser.parse(written["expiresAt"]) - now >= datetime.timedelta(seconds=28799)
    assert check(make_bridge, url, env) == (0, "")  # the written one is used, and not renewed again
    assert len(identity_center.renewals) == 1 and identity_center.tokens == ["cAnArY-new"] * 2
    loader.save_token("", login, session_name="corp")
    identity_center.refresh = "another"
    status, err = check(make_bridge, url, env)
    assert status == 78 and "Invalid refresh token provided: run aws sso login --sso-session corp" in err and "cAnArY" not in err


@pytest.mark.parametrize("config, said", [
    (ROLE, 'has source_profile = base, but there is no such profile'),
    (ROLE.replace("base", "default"), 'go round in a circle: "default" leads back to "default"'),
    (ROLE + "mfa_serial = arn:aws:iam::0:mfa/me\n", "wants a code from an MFA device (mfa_serial), which a service cannot type"),
    ("[default]\nrole_arn = arn:x\n", "no source_profile or credential_source: in whose name is it assumed?"),
    ("[default]\nsso_account_id = 1\nsso_role_name = r\nsso_start_url = u\nsso_region = eu-west-1\n", "nobody is logged in: run aws sso login --profile default"),
    ("[default]\ncredential_process = false\n", "credential_process ended with status 1"),
    ("[default]\nlogin_session = x\n", "asks for login_session (aws login), which is not supported"),
])
def test_check_says_what_is_wrong_with_a_source(make_bridge, tmp_path, config, said):
    (tmp_path / "config").write_text(config)
    status, err = check(make_bridge, "http://127.0.0.1:1", {**NO_KEYS, "AWS_CONFIG_FILE": str(tmp_path / "config")})
    assert status == 78 and said in err
