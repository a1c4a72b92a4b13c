# SPDX-License-Identifier: Apache-2.0
"""A world is one server spoken to in one of SQS's two protocols, by signed requests that no client has looked over: what is sent is what the sequence
says, right or wrong. Answers are brought into one form, so that they can be compared: what each server may choose freely (ids, handles, times, hosts,
accounts) becomes a word that says only that it is there."""

import http.client
import json
import re
import urllib.parse
import xml.etree.ElementTree as ElementTree

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from rig import REGION

# The Query protocol's names, from the API reference; "" is the operation's own RequestEntry.
LISTS = {"AttributeNames": "AttributeName", "MessageSystemAttributeNames": "MessageSystemAttributeName", "MessageAttributeNames": "MessageAttributeName",
         "TagKeys": "TagKey", "AWSAccountIds": "AWSAccountId", "Actions": "ActionName", "Entries": ""}
MAPS = {"Attributes": ("Attribute", "Name", "Value"), "tags": ("Tag", "Key", "Value"), "Tags": ("Tag", "Key", "Value"),
        "MessageAttributes": ("MessageAttribute", "Name", "Value"), "MessageSystemAttributes": ("MessageSystemAttribute", "Name", "Value")}
# And of its answers: element -> the member that it is one of, and whether that is a list or a map.
ANSWER_LISTS = {"ListQueues": {"QueueUrl": "QueueUrls"}, "ListDeadLetterSourceQueues": {"QueueUrl": "queueUrls"},
                "ListMessageMoveTasks": {"ListMessageMoveTasksResultEntry": "Results"}, "ReceiveMessage": {"Message": "Messages"}}
ANSWER_MAPS = {"Attribute": ("Attributes", "Name", "Value"), "Tag": ("Tags", "Key", "Value"), "MessageAttribute": ("MessageAttributes", "Name", "Value")}
NUMBERS = {"ApproximateNumberOfMessagesMoved", "ApproximateNumberOfMessagesToMove", "MaxNumberOfMessagesPerSecond", "StartedTimestamp"}
FREE = {"MessageId": "id", "ReceiptHandle": "handle", "SequenceNumber": "number", "NextToken": "token", "TaskHandle": "handle", "SenderId": "sender",
        "SentTimestamp": "time", "ApproximateFirstReceiveTimestamp": "time", "CreatedTimestamp": "time", "LastModifiedTimestamp": "time",
        "StartedTimestamp": "time", "ApproximateNumberOfMessagesMoved": "count", "ApproximateNumberOfMessagesToMove": "count", "Status": "state"}
TOKEN = re.compile(r"<(url|name|arn|handle|old):([A-Za-z0-9_.-]+)>|<(token|task)>")


class Answer:
    """What came back: status, the error's code or None, and the result. unknown: ids of entries (or "") whose handle this world never gave."""

    def __init__(self, status, code, query_code, text, result):
        self.status, self.code, self.query_code, self.text, self.result = status, code, query_code, text, result
        self.unknown = set()


def flatten(operation, params, prefix=""):
    """Parameters as a form."""
    out = []
    for name, value in params.items():
        if name in MAPS and isinstance(value, dict):
            element, key, item = MAPS[name]
            for n, (k, v) in enumerate(value.items(), 1):
                out.append((f"{prefix}{element}.{n}.{key}", k))
                if isinstance(v, dict):
                    out += [(f"{prefix}{element}.{n}.{item}.{member}", str(text)) for member, text in v.items()]
                else:
                    out.append((f"{prefix}{element}.{n}.{item}", v))
        elif name in LISTS and isinstance(value, list):
            element = LISTS[name] or f"{operation}RequestEntry"
            for n, one in enumerate(value, 1):
                out += flatten(operation, one, f"{prefix}{element}.{n}.") if isinstance(one, dict) else [(f"{prefix}{element}.{n}", one)]
        else:
            out.append((prefix + name, str(value)))
    return out


def text_of(element):
    return element.text or ""


def unfold(operation, element):
    """An element of a Query answer as JSON would say it."""
    if len(element) == 0:
        return int(text_of(element)) if element.tag in NUMBERS else text_of(element)
    out = {}
    for child in element:
        if child.tag in ANSWER_MAPS:
            member, key, value = ANSWER_MAPS[child.tag]
            out.setdefault(member, {})[text_of(child.find(key))] = unfold(operation, child.find(value))
        elif child.tag in ANSWER_LISTS.get(operation, {}):
            out.setdefault(ANSWER_LISTS[operation][child.tag], []).append(unfold(operation, child))
        elif child.tag == operation + "ResultEntry":
            out.setdefault("Successful", []).append(unfold(operation, child))
        elif child.tag == "BatchResultErrorEntry":
            entry = unfold(operation, child)
            entry["SenderFault"] = entry.get("SenderFault") == "true"
            out.setdefault("Failed", []).append(entry)
        else:
            out[child.tag] = unfold(operation, child)
    return out


class World:
    def __init__(self, name, protocol, port, key, scope):
        self.name, self.protocol, self.port, self.scope = name, protocol, port, scope
        self.credentials = Credentials(key["aws_access_key_id"], key["aws_secret_access_key"])
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        self.prefix = "probe-"
        self.url, self.arn = "", ""
        self.begin(0)
        made = self.ask("CreateQueue", {"QueueName": self.prefix + "q"})
        if made.code:
            raise RuntimeError(f"{name}: no queue could be made: {made.code} {made.text}")
        self.url = made.result["QueueUrl"].removesuffix(self.prefix + "q")
        arn = self.ask("GetQueueAttributes", {"QueueUrl": made.result["QueueUrl"], "AttributeNames": ["QueueArn"]}).result["Attributes"]["QueueArn"]
        self.arn = arn.removesuffix(self.prefix + "q")

    def begin(self, number):
        """Another sequence: nothing is known of the ones before, whose queues have other names (of the same length)."""
        self.prefix = f"{self.scope}{number:06d}-"
        self.handles, self.token, self.task = {}, "none", "none"
        self.missed = False

    # Asking

    def fill(self, value):
        """The sequence's references as this world knows them."""
        if isinstance(value, str):
            return TOKEN.sub(self.reference, value)
        if isinstance(value, list):
            return [self.fill(v) for v in value]
        if isinstance(value, dict):
            return {self.fill(k): self.fill(v) for k, v in value.items()}
        return value

    def reference(self, match):
        kind, what, single = match.groups()
        if single:
            return self.token if single == "token" else self.task
        if kind in ("handle", "old"):
            self.missed |= what not in self.handles
            known = self.handles.get(what, ["AQEBneverreceived"])
            return known[-1] if kind == "handle" else known[0]
        return {"url": self.url, "arn": self.arn, "name": ""}[kind] + self.prefix + what

    def ask(self, operation, params, patience_s=30):
        """The answer to a request; what references stand for is learned from it."""
        unknown = self.unknown(params)
        answer = self.exchange(operation, self.fill(params), patience_s)
        answer.unknown = unknown
        self.learn(answer.result)
        return answer

    def unknown(self, params):
        """Which handles it never gave: an entry's id, or "" for the request's own."""
        out = set()
        for entry in [{**params, "Id": ""}, *params.get("Entries", [])]:
            self.missed = False
            self.fill(entry.get("ReceiptHandle", ""))
            if self.missed:
                out.add(entry.get("Id"))
        return out

    def exchange(self, operation, params, patience_s):
        headers = {"Host": f"127.0.0.1:{self.port}"}
        if self.protocol == "json":
            body = params["raw"] if list(params) == ["raw"] else json.dumps(params)
            headers |= {"Content-Type": "application/x-amz-json-1.0", "X-Amz-Target": f"AmazonSQS.{operation}"}
        else:
            body = urllib.parse.urlencode([("Action", operation), ("Version", "2012-11-05"), *flatten(operation, params)])
            headers |= {"Content-Type": "application/x-www-form-urlencoded"}
        request = AWSRequest("POST", f"http://127.0.0.1:{self.port}/", headers, body.encode())
        SigV4Auth(self.credentials, "sqs", REGION).add_auth(request)
        self.connection.timeout = patience_s
        if self.connection.sock:
            self.connection.sock.settimeout(patience_s)
        for again in (True, False):
            try:
                self.connection.request("POST", "/", body.encode(), dict(request.headers))
                got = self.connection.getresponse()
                raw = got.read()
                break
            except (http.client.HTTPException, OSError) as error:
                self.connection.close()
                if not again or isinstance(error, TimeoutError):  # otherwise the server had closed the connection that it kept
                    return Answer(0, f"({type(error).__name__})", "", "", {})
        try:
            return (self.read_json if self.protocol == "json" else self.read_query)(operation, got, raw)
        except (ValueError, ElementTree.ParseError, AttributeError):
            return Answer(got.status, "(unreadable)", "", raw[:200].decode(errors="replace"), {})

    @staticmethod
    def read_json(_operation, got, raw):
        said = json.loads(raw) if raw else {}
        if got.status == 200:
            return Answer(200, None, "", "", said)
        code = said["__type"].split("#")[-1] if "__type" in said else "(untyped)"
        return Answer(got.status, code, got.headers.get("x-amzn-query-error", ""), said.get("message", said.get("Message", "")), {})

    @staticmethod
    def read_query(operation, got, raw):
        root = ElementTree.fromstring(raw)
        for element in root.iter():
            element.tag = element.tag.split("}")[-1]
        if got.status == 200:
            result = root.find(operation + "Result")
            said = unfold(operation, result) if result is not None else {}
            return Answer(200, None, "", "", said if isinstance(said, dict) else {})
        code, kind = text_of(root.find(".//Code")), text_of(root.find(".//Type"))
        return Answer(got.status, code, f"{code};{kind}", root.findtext(".//Message") or "", {})

    def learn(self, result):
        for message in result.get("Messages", []):
            marker = re.match(r"m\d+", message.get("Body", ""))
            if marker and "ReceiptHandle" in message:
                self.handles.setdefault(marker.group(), []).append(message["ReceiptHandle"])
        self.token = result.get("NextToken", self.token)
        self.task = result.get("TaskHandle", self.task)

    # One form for all

    def plain(self, value, name=""):
        if isinstance(value, dict):
            return {k: self.plain(v, k) for k, v in value.items()}
        if isinstance(value, list):
            return [self.plain(v, name) for v in value]
        if FREE.get(name) and value not in ("", None):
            return FREE[name]
        if not isinstance(value, str):
            return value
        if name in ("QueueUrl", "QueueUrls", "queueUrls"):
            value = value.rsplit("/", 1)[-1]
        value = value.replace(self.arn, "arn:") if self.arn else value
        value = re.sub(self.scope + r"\d{6}-", "", value)
        if name in ("Policy", "RedrivePolicy", "RedriveAllowPolicy"):
            try:
                value = json.loads(value)
            except ValueError:
                pass
        return value

    def result(self, answer, ordered):
        """The result in its plain form; what has no order is sorted. ordered: messages keep theirs in each group."""
        out = self.plain(answer.result)
        for task in out.get("Results", []):
            task.pop("TaskHandle", None)  # there while it runs
        for name in ("QueueUrls", "queueUrls"):
            if isinstance(out.get(name), list):
                out[name].sort()
        for name in ("Successful", "Failed"):
            if isinstance(out.get(name), list):
                out[name] = {str(e.get("Id")): {k: v for k, v in e.items() if k not in ("Message", "Id")} for e in out[name]}
        if isinstance(out.get("Messages"), list):
            out["Messages"].sort(key=(lambda m: re.sub(r"^m\d+(\w?).*", r"\1", str(m.get("Body")), flags=re.S)) if ordered else lambda m: str(m.get("Body")))
        return out
