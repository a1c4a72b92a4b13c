#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes the golden cases of tests/golden/sigv4 with botocore (1.43.106 or so: pip install botocore) as the oracle.

usage: make_sigv4.py DIRECTORY

One folder a case: request (method, target, headers, empty line, body), canonical_request, string_to_sign, authorization."""
import pathlib
import sys

from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

STAMP = "20260131T123456Z"
KEYS = ("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
JSON = {"Content-Type": "application/x-amz-json-1.0"}

# name, method, target, headers, body, session token
CASES = [
    ("post-json", "POST", "/", {**JSON, "X-Amz-Target": "AmazonSQS.ReceiveMessage"}, b'{"QueueUrl":"x"}', None),
    ("post-empty-body", "POST", "/", JSON, b"", None),
    ("post-token", "POST", "/", JSON, b"{}", "a/session+token=="),
    ("post-streams", "POST", "/", {**JSON, "X-Amz-Target": "DynamoDBStreams_20120810.GetRecords"}, b'{"ShardIterator":"i"}', None),
    ("post-queue-path", "POST", "/000000000000/orders-events", JSON, b"{}", None),
    ("post-form", "POST", "/", {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}, b"Action=ListQueues&Version=2012-11-05", None),
    ("post-binary-body", "POST", "/", JSON, bytes(range(256)), None),
    ("get-plain", "GET", "/", {}, b"", None),
    ("get-query", "GET", "/?Action=ListQueues&Version=2012-11-05", {}, b"", None),
    ("get-query-order", "GET", "/?b=2&a=1&c=3", {}, b"", None),
    ("get-query-same-name", "GET", "/?a=2&a=1", {}, b"", None),
    ("get-query-no-value", "GET", "/?flag=&a=1", {}, b"", None),
    ("get-query-encoded", "GET", "/?q=a%20b%2Fc&%C3%A4=1", {}, b"", None),
    ("get-query-case", "GET", "/?B=1&a=2&A=3", {}, b"", None),
    ("get-path-space", "GET", "/a%20b/c", {}, b"", None),
    ("get-path-unicode", "GET", "/%E1%88%B4", {}, b"", None),
    ("get-path-dots", "GET", "/a/./b/../c", {}, b"", None),
    ("get-path-dots-end", "GET", "/a/b/..", {}, b"", None),
    ("get-path-slashes", "GET", "//a///b/", {}, b"", None),
    ("get-path-reserved", "GET", "/a:b@c,d;e", {}, b"", None),
    ("get-path-tilde", "GET", "/~user/-._", {}, b"", None),
    ("header-blanks", "POST", "/", {**JSON, "My-Header": "  a   b  c "}, b"{}", None),
    ("header-quotes", "POST", "/", {**JSON, "My-Header": '"a   b"'}, b"{}", None),
    ("header-case-and-order", "POST", "/", {"zzz": "1", "AAA": "2", "Mmm": "3"}, b"{}", None),
    ("header-empty", "POST", "/", {"My-Header": ""}, b"{}", None),
    # S3: the payload's hash in a header, the path as it is sent
    ("s3-put-by-path", "PUT", "/orders-large/orders/0041", {"Content-Type": "application/json"}, b'{"number":1}', None),
    ("s3-put-by-host", "PUT", "/orders/0041", {"Host": "orders-large.s3.eu-west-1.amazonaws.com", "Content-Type": "application/json"}, b'{"number":1}', None),
    ("s3-put-token", "PUT", "/b/k", {"Content-Type": "application/json"}, b"{}", "a/session+token=="),
    ("s3-put-empty-body", "PUT", "/b/k", {}, b"", None),
    ("s3-put-binary-body", "PUT", "/b/k", {}, bytes(range(256)), None),
    ("s3-path-encoded-once", "PUT", "/b/a%20b/%E1%88%B4/c%2Bd%3De", {}, b"{}", None),
    ("s3-path-slashes", "PUT", "/b//a///k/", {}, b"{}", None),
    ("s3-path-dots", "PUT", "/b/./a/../k", {}, b"{}", None),
    ("s3-path-tilde", "PUT", "/b/~k/-._", {}, b"{}", None),
    ("s3-path-empty", "GET", "/", {}, b"", None),
    ("s3-query", "GET", "/b?list-type=2&prefix=a%2Fb", {}, b"", None),
    ("header-amz", "POST", "/", {**JSON, "X-Amz-Sdk-Thing": "attempt=1; max=3"}, b"{}", None),
]


def make(folder, method, target, headers, body, token):
    request = AWSRequest(method=method, url="http://127.0.0.1:9324" + target, headers=headers, data=body)
    request.headers["X-Amz-Date"] = STAMP
    if token:
        request.headers["X-Amz-Security-Token"] = token
    request.context["timestamp"] = STAMP
    s3 = folder.name.startswith("s3-")
    auth = (S3SigV4Auth if s3 else SigV4Auth)(Credentials(*KEYS, token), "s3" if s3 else "sqs", "eu-west-1")
    if s3:
        auth._modify_request_before_signing(request)
    canonical = auth.canonical_request(request)
    to_sign = auth.string_to_sign(request, canonical)
    signature = auth.signature(to_sign, request)
    signed = auth.signed_headers(auth.headers_to_sign(request))
    lines = [f"{method} {target}", *([] if "Host" in request.headers else ["Host:127.0.0.1:9324"])] + [f"{name}:{value}" for name, value in request.headers.items()]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "request").write_bytes("\n".join(lines).encode() + b"\n\n" + body)
    (folder / "canonical_request").write_text(canonical)
    (folder / "string_to_sign").write_text(to_sign)
    (folder / "authorization").write_text(
        f"AWS4-HMAC-SHA256 Credential={auth.scope(request)}, SignedHeaders={signed}, Signature={signature}")


for name, *case in CASES:
    make(pathlib.Path(sys.argv[1]) / name, *case)
