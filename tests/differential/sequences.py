# SPDX-License-Identifier: Apache-2.0
"""Random sequences of requests, valid and not, from a seed. A step says what it does to a request that would be right (its condition): a difference
between two servers is named by it. References in angle brackets (worlds.py) stand for what each server gave."""

import dataclasses
import json
import random
import re

STANDARD, FIFO, DEAD, FIFO_DEAD, NEVER = "s", "f.fifo", "d", "g.fifo", "never"
READS = {"GetQueueUrl", "GetQueueAttributes", "ListQueues", "ListQueueTags", "ListDeadLetterSourceQueues", "ListMessageMoveTasks"}
LONG = "x" * 81
HANDLES = ("garbage", "", "AQEB" + "A" * 200)


@dataclasses.dataclass
class Step:
    """changes: the servers may know different things when they answered differently. patience_s: how long an answer is waited for."""

    operation: str
    params: dict
    condition: str
    protocols: tuple = ("json", "query")
    ordered: bool = False
    entries: dict = dataclasses.field(default_factory=dict)  # of a batch: id -> the entry's condition

    @property
    def changes(self):
        return self.operation not in READS

    @property
    def patience_s(self):
        return 2 if self.condition.startswith("wait 21") else 30


def arn(name):
    return f"<arn:{name}>"


def redrive(dead, count):
    return json.dumps({"deadLetterTargetArn": dead, "maxReceiveCount": count})


def policy(action="SQS:SendMessage"):
    return json.dumps({"Version": "2012-10-17", "Id": "p", "Statement": [
        {"Sid": "a", "Effect": "Allow", "Principal": "*", "Action": action, "Resource": arn(STANDARD)}]})


# attribute: values that are right, and values that are not
RANGES = {"VisibilityTimeout": (0, 43200), "DelaySeconds": (0, 900), "MaximumMessageSize": (1024, 1048576), "MessageRetentionPeriod": (60, 1209600),
          "ReceiveMessageWaitTimeSeconds": (0, 20), "KmsDataKeyReusePeriodSeconds": (60, 86400)}
RIGHT = {
    "VisibilityTimeout": ["600", "43200"], "MaximumMessageSize": ["1024", "262144", "1048576"], "MessageRetentionPeriod": ["3600", "1209600"],
    "DelaySeconds": ["0"], "ReceiveMessageWaitTimeSeconds": ["0"], "KmsMasterKeyId": ["alias/aws/sqs", ""], "KmsDataKeyReusePeriodSeconds": ["60", "86400"],
    "SqsManagedSseEnabled": ["true", "false"], "Policy": [policy(), ""],
    "RedriveAllowPolicy": [json.dumps({"redrivePermission": "allowAll"}), json.dumps({"redrivePermission": "denyAll"}),
                           json.dumps({"redrivePermission": "byQueue", "sourceQueueArns": [arn(STANDARD)]}), ""],
}
RIGHT_FIFO = {"ContentBasedDeduplication": ["true", "false"], "DeduplicationScope": ["queue", "messageGroup"], "FifoThroughputLimit": ["perQueue"]}
WRONG = {
    **{name: [str(low - 1), str(high + 1), "abc", "", "1.5"] for name, (low, high) in RANGES.items()},
    "SqsManagedSseEnabled": ["yes"], "Policy": ["{", "[]", "text"],
    "RedrivePolicy": ["{", json.dumps({"maxReceiveCount": 3}), json.dumps({"deadLetterTargetArn": arn(DEAD)}), redrive(arn(DEAD), 0), redrive(arn(DEAD), 1001),
                      redrive(arn(DEAD), "abc"), redrive(arn(NEVER), 3), redrive("not-an-arn", 3), redrive(arn(FIFO_DEAD), 3)],
    "RedriveAllowPolicy": ["{", json.dumps({"redrivePermission": "maybe"}), json.dumps({"redrivePermission": "byQueue"}),
                           json.dumps({"redrivePermission": "allowAll", "sourceQueueArns": [arn(STANDARD)]})],
    "Unheard": ["1"], "QueueArn": ["x"], "ApproximateNumberOfMessages": ["1"], "CreatedTimestamp": ["1"], "ContentBasedDeduplication": ["true"],
    "DeduplicationScope": ["queue"], "FifoThroughputLimit": ["perQueue"],
}
WRONG_FIFO = {"ContentBasedDeduplication": ["yes"], "DeduplicationScope": ["everything"], "FifoThroughputLimit": ["none"], "FifoQueue": ["false"],
              "RedrivePolicy": [redrive(arn(DEAD), 3)]}
ASKED = ["All", "QueueArn", "VisibilityTimeout", "MaximumMessageSize", "MessageRetentionPeriod", "DelaySeconds", "ReceiveMessageWaitTimeSeconds", "Policy",
         "RedrivePolicy", "RedriveAllowPolicy", "FifoQueue", "ContentBasedDeduplication", "DeduplicationScope", "FifoThroughputLimit", "SqsManagedSseEnabled",
         "KmsMasterKeyId", "KmsDataKeyReusePeriodSeconds", "ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible",
         "ApproximateNumberOfMessagesDelayed", "CreatedTimestamp", "LastModifiedTimestamp"]
TEXTS = ["", " plain", "\ttab", "\nline\r\nline", " <&>\"'", " é ü ß", " 漢字", " \U0001f600", " \ud7ff", " \ufffd", " ]]>", " a=b&c=%20+"]
BAD_TEXTS = {"U+0000": "\x00", "U+0001": "\x01", "U+000B": "\x0b", "U+001F": "\x1f", "U+FFFE": "\ufffe", "U+FFFF": "\uffff"}
ATTRIBUTES = [("text", {"DataType": "String", "StringValue": "v"}), ("n", {"DataType": "Number", "StringValue": "-1.5e3"}),
              ("b", {"DataType": "Binary", "BinaryValue": "AAEC"}), ("own", {"DataType": "String.own", "StringValue": "<&> \r\n"}),
              ("n2", {"DataType": "Number.float", "StringValue": "1"}), ("dot.ted", {"DataType": "String", "StringValue": "é"}),
              ("under_score-", {"DataType": "Binary.png", "BinaryValue": "iVBORw=="})]
BAD_ATTRIBUTES = {
    "type is missing": ("a", {"StringValue": "v"}), "type is empty": ("a", {"DataType": "", "StringValue": "v"}),
    "type is unknown": ("a", {"DataType": "Date", "StringValue": "v"}), "value is missing": ("a", {"DataType": "String"}),
    "value is empty": ("a", {"DataType": "String", "StringValue": ""}), "text for a binary": ("a", {"DataType": "Binary", "StringValue": "v"}),
    "binary for a text": ("a", {"DataType": "String", "BinaryValue": "AAEC"}), "not a number": ("a", {"DataType": "Number", "StringValue": "abc"}),
    "name is empty": ("", {"DataType": "String", "StringValue": "v"}), "name starts with AWS.": ("AWS.a", {"DataType": "String", "StringValue": "v"}),
    "name starts with Amazon.": ("Amazon.a", {"DataType": "String", "StringValue": "v"}), "name has a space": ("a b", {"DataType": "String", "StringValue": "v"}),
    "name ends with a dot": ("a.", {"DataType": "String", "StringValue": "v"}), "name starts with a dot": (".a", {"DataType": "String", "StringValue": "v"}),
    "name has two dots": ("a..b", {"DataType": "String", "StringValue": "v"}), "name of 257": ("a" * 257, {"DataType": "String", "StringValue": "v"}),
    "type of 257": ("a", {"DataType": "String." + "a" * 250, "StringValue": "v"}), "bad character": ("a", {"DataType": "String", "StringValue": "\x01"}),
}


class Sequence:
    def __init__(self, seed, said=None):
        self.random = random.Random(seed)
        self.steps, self.bodies, self.delayed = [], {STANDARD: [], FIFO: []}, False
        self.number, self.said, self.lengths = 0, said or {}, {}
        self.faults = 1 if said or seed % 2 else 0.1  # every other sequence is nearly right, so that servers that check little stay comparable for longer

    def add(self, operation, condition, protocols=("json", "query"), ordered=False, entries=None, **params):
        if any(value in ([], {}) for name, value in params.items() if name != "Entries"):
            protocols = ("json",)  # a form cannot say it
        self.steps.append(Step(operation, params, condition, protocols, ordered, entries or {}))

    def any(self, values):
        return self.random.choice(list(values))

    def turn(self, what, values):
        """One of a table, at random; the catalogue says which."""
        values = list(values)
        if what not in self.said:
            return self.random.choice(values)
        self.lengths[what] = len(values)
        return values[self.said[what]] if self.said[what] < len(values) else values[0]

    def chance(self, part, what):
        """Is something done wrong? The catalogue does it when it says what."""
        return self.random.random() < part * self.faults if not self.said else what in self.said

    def queue(self):
        return self.said.get("queue") or self.any([STANDARD, STANDARD, FIFO])

    # Sending

    def message(self, queue, condition="right"):
        """A message that is right, with a number of its own and its group in front."""
        self.number += 1
        group = self.any(["a", "b"]) if queue == FIFO else ""
        out = {"MessageBody": f"m{self.number}{group}" + self.any(TEXTS)}
        if queue == FIFO:
            out |= {"MessageGroupId": group, "MessageDeduplicationId": f"dedup{self.number}"}
        elif self.random.random() < 0.1:
            out["DelaySeconds"] = self.any([0, 900])
        if self.random.random() < 0.3:
            out["MessageAttributes"] = dict(self.random.sample(ATTRIBUTES, self.random.randint(1, 4)))
        if self.random.random() < 0.1:
            out["MessageSystemAttributes"] = {"AWSTraceHeader": {"DataType": "String", "StringValue": "Root=1-5759e988-bd862e3fe1be46a994272793"}}
        return out, condition

    def wrong_message(self, queue):
        out, _ = self.message(queue)
        kinds = ["body missing", "body empty", "body character", "delay", "attribute", "eleven attributes", "system attribute", "trace header type"]
        kinds += ["no group", "group", "deduplication id", "delay of a FIFO message", "no deduplication id"] if queue == FIFO else ["deduplication id on standard", "group id of 129"]
        kind = self.turn("message", kinds)
        if kind == "body missing":
            del out["MessageBody"]
        elif kind == "body empty":
            out["MessageBody"] = ""
        elif kind == "body character":
            name = self.any(BAD_TEXTS)
            out["MessageBody"] += BAD_TEXTS[name]
            kind += " " + name
        elif kind == "delay":
            out["DelaySeconds"] = self.any([-1, 901, 2 ** 31])
            kind += f" {out['DelaySeconds']}" + (" FIFO" if queue == FIFO else "")
        elif kind == "attribute":
            name = self.turn("attribute", BAD_ATTRIBUTES)
            out["MessageAttributes"] = dict([BAD_ATTRIBUTES[name]])
            kind += ": " + name
        elif kind == "eleven attributes":
            out["MessageAttributes"] = {f"a{n}": ATTRIBUTES[0][1] for n in range(11)}
        elif kind == "system attribute":
            out["MessageSystemAttributes"] = {"Other": {"DataType": "String", "StringValue": "v"}}
        elif kind == "trace header type":
            out["MessageSystemAttributes"] = {"AWSTraceHeader": {"DataType": "Number", "StringValue": "1"}}
        elif kind == "no group":
            del out["MessageGroupId"]
        elif kind == "group":
            out["MessageGroupId"] = self.any(["", "a b", "é", "x" * 129])
            kind += f" {out['MessageGroupId'][:3]!r}"
        elif kind == "deduplication id":
            out["MessageDeduplicationId"] = self.any(["", "a b", "é", "x" * 129])
            kind += f" {out['MessageDeduplicationId'][:3]!r}"
        elif kind == "delay of a FIFO message":
            out["DelaySeconds"] = 5
        elif kind == "no deduplication id":
            del out["MessageDeduplicationId"]
        elif kind == "deduplication id on standard":
            out["MessageDeduplicationId"] = "d"
        else:
            out["MessageGroupId"] = "x" * 129
        return out, kind

    def room(self, queue):
        """Standard queues hold at most ten, so that a receive of ten has no choice."""
        return 10 - len(self.bodies[queue]) if queue == STANDARD else 10

    def sent(self, queue, body):
        self.bodies[queue] += re.findall(r"^m\d+", body)

    def send(self):
        queue = self.queue()
        if self.room(queue) < 1:
            return self.purge()
        if self.chance(0.35, "message"):
            message, kind = self.wrong_message(queue)
        else:
            message, kind = self.message(queue)
            if queue == FIFO and len(self.bodies[FIFO]) > 0 and self.random.random() < 0.15:
                message["MessageDeduplicationId"], kind = "dedup" + self.bodies[FIFO][-1][1:], "known deduplication id"
        self.sent(queue, message.get("MessageBody", "m0"))
        self.add("SendMessage", kind, QueueUrl=f"<url:{queue}>", **message)

    def send_batch(self):
        queue = self.queue()
        most = min(10, self.room(queue))
        if most < 1:
            return self.purge()
        entries = []
        for n in range(self.random.randint(1, min(most, 4))):
            message, _ = self.message(queue)
            entries.append({"Id": f"e{n}", **message})
        kind, kinds = "right", {e["Id"]: "right" for e in entries}
        if self.chance(0.3, "message"):
            message, kinds[entries[-1]["Id"]] = self.wrong_message(queue)
            entries[-1] |= {"MessageBody": "", **message}
            kind = "an entry is wrong"
        for entry in entries:
            self.sent(queue, entry.get("MessageBody", "m0"))
        if self.chance(0.3, "batch"):
            kind = self.spoil(entries)
        self.add("SendMessageBatch", kind, entries=kinds, QueueUrl=f"<url:{queue}>", Entries=entries)

    def spoil(self, entries):
        """Makes the entries of a batch wrong as a whole."""
        kind = self.turn("batch", ["no entries", "eleven entries", "same ids", "id is empty", "id of 81", "id has a space", "id has a dot", "id missing"])
        if kind == "no entries":
            entries.clear()
        elif kind == "eleven entries":
            entries[:] = [{**entries[0], "Id": f"x{n}"} for n in range(11)]
        elif kind == "same ids":
            entries.append(dict(entries[0]))
        elif kind == "id missing":
            del entries[0]["Id"]
        else:
            entries[0]["Id"] = {"id is empty": "", "id of 81": LONG, "id has a space": "a b", "id has a dot": "a.b"}[kind]
        return kind

    def large(self):
        queue = STANDARD
        kind, params = self.any([
            ("body over 1 MiB", {"MessageBody": "x" * 1048577}),
            ("body and attribute over 1 MiB", {"MessageBody": "x" * 1048576, "MessageAttributes": dict([ATTRIBUTES[0]])})])
        if self.random.random() < 0.5:
            self.add("SendMessage", kind, QueueUrl=f"<url:{queue}>", **params)
        else:
            self.add("SendMessageBatch", "together over 1 MiB", QueueUrl=f"<url:{queue}>", Entries=[{"Id": i, "MessageBody": "x" * 600000} for i in "ab"])

    def queue_limit(self):
        """MaximumMessageSize counts bytes, with attributes."""
        self.add("SetQueueAttributes", "MaximumMessageSize=1024", QueueUrl=f"<url:{DEAD}>", Attributes={"MaximumMessageSize": "1024"})
        self.add("SendMessage", "body over the queue's limit", QueueUrl=f"<url:{DEAD}>", MessageBody="x" * 1025)
        self.add("SendMessage", "bytes over the queue's limit", QueueUrl=f"<url:{DEAD}>", MessageBody="é" * 513)
        self.add("SendMessage", "attributes over the queue's limit", QueueUrl=f"<url:{DEAD}>", MessageBody="x" * 1020, MessageAttributes=dict([ATTRIBUTES[0]]))
        self.add("SendMessageBatch", "an entry over the queue's limit", QueueUrl=f"<url:{DEAD}>",
                 Entries=[{"Id": "a", "MessageBody": "x" * 1025}])

    # Receiving and settling

    def receive(self):
        queue = self.queue()
        params, kind = {"MaxNumberOfMessages": 10, "WaitTimeSeconds": 0}, "right"
        if self.random.random() < 0.6:
            params["VisibilityTimeout"] = self.any([0, 600])
        if self.random.random() < 0.5:
            names = self.any([["All"], ["SentTimestamp", "ApproximateReceiveCount"], ["SenderId"], ["AWSTraceHeader"], ["MessageGroupId", "SequenceNumber"],
                              ["MessageDeduplicationId"]])
            params[self.any(["AttributeNames", "MessageSystemAttributeNames"])] = names
        if self.random.random() < 0.5:
            params["MessageAttributeNames"] = self.any([["All"], [".*"], ["n"], ["dot.*"], ["nothing"], ["text", "b"]])
        if self.chance(0.3, "receive"):
            kind, wrong = self.turn("receive", [
                ("maximum 0", {"MaxNumberOfMessages": 0}), ("maximum 11", {"MaxNumberOfMessages": 11}), ("maximum -1", {"MaxNumberOfMessages": -1}),
                ("visibility -1", {"VisibilityTimeout": -1}), ("visibility 43201", {"VisibilityTimeout": 43201}), ("wait -1", {"WaitTimeSeconds": -1}),
                ("wait 21", {"WaitTimeSeconds": 21}), ("unknown system attribute", {"AttributeNames": ["Unheard"]}),
                ("unknown message system attribute", {"MessageSystemAttributeNames": ["Unheard"]}), ("attribute name is empty", {"MessageAttributeNames": [""]}),
                ("attempt id on standard" if queue == STANDARD else "attempt id is empty", {"ReceiveRequestAttemptId": "r" if queue == STANDARD else ""})])
            params |= wrong
        if kind.startswith("attempt id on"):
            params["VisibilityTimeout"] = 0
        kind += " FIFO" if queue == FIFO else ""
        self.add("ReceiveMessage", kind, ordered=queue == FIFO, QueueUrl=f"<url:{queue}>", **params)

    def handle(self, queue):
        if not self.bodies[queue] or self.random.random() < 0.2 * self.faults:
            value = self.any(HANDLES)
            return value, f"handle {value[:8]!r}"
        body = self.any(self.bodies[queue])
        return self.any([(f"<handle:{body}>", "newest handle"), (f"<handle:{body}>", "newest handle"), (f"<old:{body}>", "first handle")])

    def settle(self):
        queue = self.queue()
        handle, kind = self.handle(queue)
        kind += " FIFO" if queue == FIFO else ""
        if self.random.random() < 0.1 * self.faults:
            return self.add(self.any(["DeleteMessage", "ChangeMessageVisibility"]), "handle missing", QueueUrl=f"<url:{queue}>")
        if self.random.random() < 0.5:
            return self.add("DeleteMessage", kind, QueueUrl=f"<url:{queue}>", ReceiptHandle=handle)
        timeout = self.any([0, 600, 600, -1, 43201, None] if kind.startswith("newest") else [0, 600])
        more = {} if timeout is None else {"VisibilityTimeout": timeout}
        kind += "" if timeout in (0, 600) else f", timeout {timeout}"
        return self.add("ChangeMessageVisibility", kind, QueueUrl=f"<url:{queue}>", ReceiptHandle=handle, **more)

    def settle_batch(self):
        queue, operation = self.queue(), self.any(["DeleteMessageBatch", "ChangeMessageVisibilityBatch"])
        entries, kinds = [], {}
        for n in range(self.random.randint(1, 3)):
            handle, kind = self.handle(queue)
            kind += " FIFO" if queue == FIFO else ""
            entries.append({"Id": f"e{n}", "ReceiptHandle": handle})
            if operation != "DeleteMessageBatch":
                timeout = self.any([0, 600, 600, 43201, -1] if kind.startswith("newest") else [0, 600])
                entries[-1]["VisibilityTimeout"] = timeout
                kind += "" if timeout in (0, 600) else f", timeout {timeout}"
            kinds[f"e{n}"] = kind
        kind = self.spoil(entries) if self.chance(0.3, "batch") else "right"
        self.add(operation, kind, entries=kinds, QueueUrl=f"<url:{queue}>", Entries=entries)

    def purge(self):
        queue = self.queue()
        self.bodies[queue].clear()
        again = any(s.operation == "PurgeQueue" and s.params["QueueUrl"] == f"<url:{queue}>" for s in self.steps)
        self.add("PurgeQueue", "again within a minute" if again else "right", QueueUrl=f"<url:{queue}>")

    def rare(self):
        """What random sequences seldom come to."""
        self.add("ChangeMessageVisibility", "handle missing", QueueUrl=f"<url:{STANDARD}>", VisibilityTimeout=1)
        self.add("PurgeQueue", "right", QueueUrl=f"<url:{STANDARD}>")
        self.add("PurgeQueue", "again within a minute", QueueUrl=f"<url:{STANDARD}>")

    # Queues and what they have

    def create(self):
        name = self.queue()
        fifo = name == FIFO
        kind, params = self.turn("create", [
            ("the same again", {"QueueName": f"<name:{name}>", "Attributes": {"FifoQueue": "true"} if fifo else {}}),
            ("other attributes", {"QueueName": f"<name:{name}>", "Attributes": {"MessageRetentionPeriod": "77777", **({"FifoQueue": "true"} if fifo else {})}}),
            ("name missing", {}), ("name is empty", {"QueueName": ""}), ("name of 81", {"QueueName": "<name:bad>" + LONG[:-11]}), ("name has a space", {"QueueName": "<name:bad> b"}),
            ("name has a dot", {"QueueName": "<name:x.y>"}), ("name has a slash", {"QueueName": "<name:bad>/b"}), ("name is not ASCII", {"QueueName": "<name:bad>é"}),
            ("FIFO name without FifoQueue", {"QueueName": "<name:x.fifo>"}), ("FifoQueue without the name", {"QueueName": "<name:x>", "Attributes": {"FifoQueue": "true"}}),
            ("FifoQueue=false", {"QueueName": "<name:x>", "Attributes": {"FifoQueue": "false"}}),
            ("attributes and tags", {"QueueName": "<name:y>", "Attributes": {"VisibilityTimeout": "77"}, "tags": {"a": "b", "c": ""}}),
            ("51 tags", {"QueueName": "<name:z>", "tags": {f"k{n}": "v" for n in range(51)}}),
            ("wrong attribute", None)])
        if params is None:
            attribute, value, kind = self.wrong_attribute(fifo)
            params = {"QueueName": "<name:w.fifo>" if fifo else "<name:w>", "Attributes": {attribute: value, **({"FifoQueue": "true"} if fifo and attribute != "FifoQueue" else {})}}
        self.add("CreateQueue", kind, **params)

    def wrong_attribute(self, fifo):
        table = WRONG_FIFO if fifo else WRONG
        name, value = self.turn("wrong attribute", [(name, value) for name, values in table.items() for value in values])
        return name, value, f"{name}={value[:70].replace('<arn:', '').replace('>', '')}" + (" FIFO" if fifo else "")

    def set_attributes(self):
        queue = self.queue()
        fifo = queue == FIFO
        if "wrong attribute" in self.said or not self.said and self.random.random() < 0.6:
            name, value, kind = self.wrong_attribute(fifo)
        else:
            table = {**RIGHT, "RedrivePolicy": [redrive(arn(FIFO_DEAD if fifo else DEAD), self.any([2, 1000])), redrive(arn(FIFO_DEAD if fifo else DEAD), "3"), ""],
                     **(RIGHT_FIFO if fifo else {})}
            name, value = self.turn("right attribute", [(name, value) for name, values in table.items() for value in values])
            kind = f"right {name}"
            if fifo and name == "RedriveAllowPolicy":
                value = value.replace(arn(STANDARD), arn(FIFO))
            if name == "Policy":
                value = value.replace(arn(STANDARD), arn(queue))
        params = {"Attributes": {name: value}}
        if self.chance(0.06, "no attributes"):
            kind, params = self.turn("no attributes", [("no attributes", {"Attributes": {}}), ("attributes missing", {})])
        self.add("SetQueueAttributes", kind, QueueUrl=f"<url:{queue}>", **params)
        self.add("GetQueueAttributes", "after " + kind, QueueUrl=f"<url:{queue}>", AttributeNames=["All"])

    def get(self):
        queue = self.queue()
        kind, params = self.turn("get", [("All", {"AttributeNames": ["All"]}), ("some", {"AttributeNames": self.random.sample(ASKED, 3)}), ("none asked", {}),
                                 ("no names", {"AttributeNames": []}), ("unknown name", {"AttributeNames": ["Unheard"]}),
                                 ("counts", {"AttributeNames": ASKED[-5:-2]}), ("counts", {"AttributeNames": ASKED[-5:-2]})])
        self.add("GetQueueAttributes", kind, QueueUrl=f"<url:{queue}>", **params)

    def find(self):
        kind, params = self.turn("find", [("right", {"QueueName": f"<name:{self.queue()}>"}), ("never made", {"QueueName": f"<name:{NEVER}>"}), ("name missing", {}),
                                 ("name is empty", {"QueueName": ""}), ("name has a space", {"QueueName": "<name:bad> b"}),
                                 ("another owner", {"QueueName": f"<name:{STANDARD}>", "QueueOwnerAWSAccountId": "999999999999"})])
        self.add("GetQueueUrl", kind, **params)

    def list(self):
        self.add("ListQueues", "prefix", QueueNamePrefix="<name:s>")
        kind, params = self.turn("list", [("maximum 0", {"MaxResults": 0}), ("maximum 1001", {"MaxResults": 1001}), ("maximum -1", {"MaxResults": -1}),
                                 ("no such token", {"MaxResults": 1, "NextToken": "!"}), ("nothing has the prefix", {"QueueNamePrefix": f"<name:{NEVER}>"})])
        self.add("ListQueues", kind, **{"QueueNamePrefix": "<name:d>", **params})

    def pages(self):
        for name in ("p1", "p2", "p3"):
            self.add("CreateQueue", "right", QueueName=f"<name:{name}>")
        self.add("ListQueues", "all of a prefix", QueueNamePrefix="<name:p>")
        self.add("ListQueues", "first page", QueueNamePrefix="<name:p>", MaxResults=2)
        self.add("ListQueues", "second page", QueueNamePrefix="<name:p>", MaxResults=2, NextToken="<token>")

    def tags(self):
        queue = self.queue()
        operation, kind, params = self.turn("tags", [
            ("TagQueue", "right", {"Tags": {"a": "b"}}), ("TagQueue", "right", {"Tags": {"a": "c", "é": "<&>", "empty": ""}}), ("TagQueue", "tags missing", {}),
            ("TagQueue", "no tags", {"Tags": {}}), ("TagQueue", "51 tags", {"Tags": {f"k{n}": "v" for n in range(51)}}),
            ("TagQueue", "key is empty", {"Tags": {"": "v"}}), ("TagQueue", "key of 129", {"Tags": {"k" * 129: "v"}}),
            ("TagQueue", "value of 257", {"Tags": {"k": "v" * 257}}), ("TagQueue", "key starts with aws:", {"Tags": {"aws:k": "v"}}),
            ("UntagQueue", "right", {"TagKeys": ["a"]}), ("UntagQueue", "unknown key", {"TagKeys": ["never"]}), ("UntagQueue", "keys missing", {}),
            ("UntagQueue", "no keys", {"TagKeys": []})])
        self.add(operation, kind, QueueUrl=f"<url:{queue}>", **params)
        self.add("ListQueueTags", f"after {operation} {kind}", QueueUrl=f"<url:{queue}>")

    def permissions(self):
        right = {"Label": "l1", "AWSAccountIds": ["111122223333"], "Actions": ["SendMessage"]}
        kind, change = self.turn("permissions", [("right", {}), ("another label", {"Label": "l2", "Actions": ["*"]}), ("label has a space", {"Label": "a b"}), ("label is empty", {"Label": ""}),
                                 ("label of 81", {"Label": LONG}), ("no accounts", {"AWSAccountIds": []}), ("bad account", {"AWSAccountIds": ["abc"]}),
                                 ("no actions", {"Actions": []}), ("unknown action", {"Actions": ["Fly"]}), ("owner's action", {"Actions": ["CreateQueue"]}),
                                 ("eight actions", {"Actions": ["SendMessage", "ReceiveMessage", "DeleteMessage", "ChangeMessageVisibility", "GetQueueUrl",
                                                                "GetQueueAttributes", "PurgeQueue", "ListDeadLetterSourceQueues"]}),
                                 ("label missing", {"Label": None}), ("accounts missing", {"AWSAccountIds": None}), ("actions missing", {"Actions": None}),
                                 ("remove", None), ("remove", None), ("remove unknown", None)])
        if change is None:
            self.add("RemovePermission", "unknown label" if kind == "remove unknown" else "l1", QueueUrl=f"<url:{STANDARD}>",
                     Label="never" if kind == "remove unknown" else "l1")
        else:
            known = any(s.operation == "AddPermission" and s.condition.startswith("right") for s in self.steps)
            params = {k: v for k, v in {**right, **change}.items() if v is not None}
            self.add("AddPermission", kind + (" again" if kind == "right" and known else ""), QueueUrl=f"<url:{STANDARD}>", **params)
        self.add("GetQueueAttributes", "after permissions: " + kind, QueueUrl=f"<url:{STANDARD}>", AttributeNames=["Policy"])

    def sources(self):
        kind, params = self.turn("sources", [("right", {}), ("maximum 1", {"MaxResults": 1}), ("maximum 0", {"MaxResults": 0}), ("maximum 1001", {"MaxResults": 1001})])
        self.add("ListDeadLetterSourceQueues", kind, QueueUrl=f"<url:{DEAD}>", **params)

    def moves(self):
        operation, kind, params = self.turn("moves", [
            ("StartMessageMoveTask", "rate 0", {"SourceArn": arn(DEAD), "MaxNumberOfMessagesPerSecond": 0}),
            ("StartMessageMoveTask", "source missing", {}), ("StartMessageMoveTask", "source is no ARN", {"SourceArn": "abc"}),
            ("StartMessageMoveTask", "source never made", {"SourceArn": arn(NEVER)}),
            ("StartMessageMoveTask", "source is no dead-letter queue", {"SourceArn": arn(STANDARD)}),
            ("StartMessageMoveTask", "destination never made", {"SourceArn": arn(DEAD), "DestinationArn": arn(NEVER)}),
            ("StartMessageMoveTask", "rate 501", {"SourceArn": arn(DEAD), "MaxNumberOfMessagesPerSecond": 501}),
            ("ListMessageMoveTasks", "none", {"SourceArn": arn(DEAD)}), ("ListMessageMoveTasks", "source missing", {}),
            ("ListMessageMoveTasks", "source never made", {"SourceArn": arn(NEVER)}), ("ListMessageMoveTasks", "maximum 11", {"SourceArn": arn(DEAD), "MaxResults": 11}),
            ("ListMessageMoveTasks", "maximum 0", {"SourceArn": arn(DEAD), "MaxResults": 0}),
            ("CancelMessageMoveTask", "bad handle", {"TaskHandle": "abc"}), ("CancelMessageMoveTask", "handle missing", {})])
        self.add(operation, kind, **params)

    def dead_letters(self):
        """Two receives, then the queue's dead-letter queue has it; ends with its way back."""
        body = f"m{self.number + 1}"
        self.number += 1
        self.add("CreateQueue", "with a dead-letter queue", QueueName="<name:r>", Attributes={"RedrivePolicy": redrive(arn(DEAD), 2), "VisibilityTimeout": "0"})
        self.add("SendMessage", "right", QueueUrl="<url:r>", MessageBody=body, MessageAttributes=dict([ATTRIBUTES[0]]))
        for n in range(3):
            self.add("ReceiveMessage", f"receive {n + 1} of 2", QueueUrl="<url:r>", MaxNumberOfMessages=10, AttributeNames=["ApproximateReceiveCount"])
        self.add("ReceiveMessage", "a dead letter", QueueUrl=f"<url:{DEAD}>", MaxNumberOfMessages=10, AttributeNames=["All"], MessageAttributeNames=["All"], VisibilityTimeout=0)
        self.add("ListDeadLetterSourceQueues", "one source", QueueUrl=f"<url:{DEAD}>")

    def late_handles(self):
        """Handles of messages that are visible again."""
        queue = self.queue()
        more = " FIFO" if queue == FIFO else ""
        message, _ = self.message(queue)
        message.pop("DelaySeconds", None)
        marker = re.match(r"m\d+", message["MessageBody"]).group()
        self.add("SendMessage", "right", QueueUrl=f"<url:{queue}>", **message)
        self.add("ReceiveMessage", "right" + more, ordered=bool(more), QueueUrl=f"<url:{queue}>", MaxNumberOfMessages=10, VisibilityTimeout=0)
        self.add("GetQueueAttributes", "counts", QueueUrl=f"<url:{queue}>", AttributeNames=ASKED[-5:-2])
        if more:
            self.add("DeleteMessage", "newest handle FIFO", QueueUrl=f"<url:{queue}>", ReceiptHandle=f"<handle:{marker}>")
        else:
            self.add("ChangeMessageVisibility", "newest handle", QueueUrl=f"<url:{queue}>", ReceiptHandle=f"<handle:{marker}>", VisibilityTimeout=600)

    def odd(self):
        """What no client sends."""
        queue = f"<url:{self.queue()}>"
        kind, operation, params, protocols = self.turn("odd", [
            ("unknown parameter", "GetQueueUrl", {"QueueName": f"<name:{STANDARD}>", "Unheard": "1"}, ("json", "query")),
            ("unknown operation", "FlyQueue", {"QueueUrl": queue}, ("json", "query")),
            ("text for a number", "SendMessage", {"QueueUrl": queue, "MessageBody": "m0", "DelaySeconds": "abc"}, ("json", "query")),
            ("fraction for a number", "ReceiveMessage", {"QueueUrl": queue, "MaxNumberOfMessages": "1.5"}, ("json", "query")),
            ("number for a text", "GetQueueUrl", {"QueueName": 5}, ("json",)),
            ("list for a text", "GetQueueUrl", {"QueueName": ["a"]}, ("json",)),
            ("text for a list", "GetQueueAttributes", {"QueueUrl": queue, "AttributeNames": "All"}, ("json",)),
            ("text for a map", "SetQueueAttributes", {"QueueUrl": queue, "Attributes": "All"}, ("json",)),
            ("cut JSON", "ListQueues", {"raw": "{\"QueueNamePrefix\": "}, ("json",)), ("a list", "ListQueues", {"raw": "[]"}, ("json",)),
            ("null members", "GetQueueUrl", {"QueueName": f"<name:{STANDARD}>", "QueueOwnerAWSAccountId": None}, ("json",))])
        self.add(operation, kind, protocols, **params)

    def nowhere(self):
        """Every operation on a queue that was never made, or on none."""
        operation, params = self.turn("nowhere", [
            ("SendMessage", {"MessageBody": "m0"}), ("ReceiveMessage", {}), ("DeleteMessage", {"ReceiptHandle": "x"}), ("PurgeQueue", {}), ("DeleteQueue", {}),
            ("ChangeMessageVisibility", {"ReceiptHandle": "x", "VisibilityTimeout": 1}), ("GetQueueAttributes", {"AttributeNames": ["All"]}),
            ("SetQueueAttributes", {"Attributes": {"DelaySeconds": "0"}}), ("TagQueue", {"Tags": {"a": "b"}}), ("UntagQueue", {"TagKeys": ["a"]}),
            ("ListQueueTags", {}), ("SendMessageBatch", {"Entries": [{"Id": "a", "MessageBody": "m0"}]}), ("ListDeadLetterSourceQueues", {}),
            ("DeleteMessageBatch", {"Entries": [{"Id": "a", "ReceiptHandle": "x"}]}), ("RemovePermission", {"Label": "a"}),
            ("ChangeMessageVisibilityBatch", {"Entries": [{"Id": "a", "ReceiptHandle": "x", "VisibilityTimeout": 1}]}),
            ("AddPermission", {"Label": "a", "AWSAccountIds": ["111122223333"], "Actions": ["SendMessage"]})])
        kind, url = self.turn("no queue", [("queue never made", {"QueueUrl": f"<url:{NEVER}>"}), ("queue missing", {}), ("queue is no URL", {"QueueUrl": "abc def"}),
                              ("queue is empty", {"QueueUrl": ""})])
        self.add(operation, kind, **url, **params)

    def end(self):
        """What leaves a queue as nobody wants it."""
        kind = self.turn("end", ["delete", "move", "content"])
        if kind == "delete":
            queue = self.queue()
            fifo = {"FifoQueue": "true"} if queue == FIFO else {}
            self.add("DeleteQueue", "right", QueueUrl=f"<url:{queue}>")
            self.add("GetQueueUrl", "deleted", QueueName=f"<name:{queue}>")
            self.add("SendMessage", "deleted", QueueUrl=f"<url:{queue}>", MessageBody="m0", **({"MessageGroupId": "a", "MessageDeduplicationId": "d"} if fifo else {}))
            self.add("DeleteQueue", "deleted", QueueUrl=f"<url:{queue}>")
            self.add("CreateQueue", "deleted within a minute", QueueName=f"<name:{queue}>", Attributes=fifo)
        elif kind == "move":
            self.dead_letters()
            self.add("StartMessageMoveTask", "right", SourceArn=arn(DEAD))
            self.add("ListMessageMoveTasks", "one", SourceArn=arn(DEAD))
        else:
            self.add("CreateQueue", "deduplication by content", QueueName="<name:c.fifo>", Attributes={"FifoQueue": "true", "ContentBasedDeduplication": "true"})
            for group in "ab":
                self.add("SendMessage", "body known" if group == "b" else "right", QueueUrl="<url:c.fifo>", MessageBody="m1", MessageGroupId=group)
            self.add("SendMessage", "other attributes", QueueUrl="<url:c.fifo>", MessageBody="m1", MessageGroupId="a", MessageAttributes=dict([ATTRIBUTES[0]]))
            self.add("ReceiveMessage", "one of three", ordered=True, QueueUrl="<url:c.fifo>", MaxNumberOfMessages=10, AttributeNames=["All"])
            self.add("ReceiveMessage", "the group is locked", ordered=True, QueueUrl="<url:c.fifo>", MaxNumberOfMessages=10)


def begin(s):
    for name in (STANDARD, DEAD):
        s.add("CreateQueue", "right", QueueName=f"<name:{name}>", Attributes={"VisibilityTimeout": "600"})
    for name in (FIFO, FIFO_DEAD):
        s.add("CreateQueue", "right FIFO", QueueName=f"<name:{name}>", Attributes={"VisibilityTimeout": "600", "FifoQueue": "true"})


# Each table, with the method that looks into it, and what else must be said for that.
TABLES = [
    ("message", "send", {"queue": STANDARD}), ("message", "send", {"queue": FIFO}), ("attribute", "send", {"queue": STANDARD, "message": 4}),
    ("message", "send_batch", {"queue": STANDARD}), ("message", "send_batch", {"queue": FIFO}), ("batch", "send_batch", {"queue": STANDARD}),
    ("receive", "receive", {"queue": STANDARD}), ("receive", "receive", {"queue": FIFO}), ("create", "create", {"queue": STANDARD}),
    ("wrong attribute", "set_attributes", {"queue": STANDARD}), ("wrong attribute", "set_attributes", {"queue": FIFO}),
    ("right attribute", "set_attributes", {"queue": STANDARD}), ("right attribute", "set_attributes", {"queue": FIFO}),
    ("no attributes", "set_attributes", {"queue": STANDARD}), ("get", "get", {"queue": FIFO}), ("find", "find", {"queue": STANDARD}), ("list", "list", {}),
    ("tags", "tags", {"queue": STANDARD}), ("permissions", "permissions", {}), ("sources", "sources", {}), ("moves", "moves", {}), ("odd", "odd", {"queue": STANDARD}),
    ("nowhere", "nowhere", {"no queue": 1}), ("no queue", "nowhere", {"nowhere": 0}), ("end", "end", {}),
    ("", "pages", {"": 0}), ("", "queue_limit", {"": 0}), ("", "dead_letters", {"": 0}), ("", "late_handles", {"queue": STANDARD}), ("", "late_handles", {"queue": FIFO}), ("", "rare", {}),
]


def catalogue():
    """Every condition of the tables once, each in a sequence of its own: nothing before it can set two servers apart."""
    out = []
    for table, method, more in TABLES:
        n, length = 0, 1
        while n < length:
            s = Sequence(f"{table} {method} {n}", {**more, table: n})
            begin(s)
            getattr(s, method)()
            length = s.lengths.get(table, 1)
            used = repr([step.params for step in s.steps[4:]])
            out.append([step for i, step in enumerate(s.steps) if i >= 4 or step.params["QueueName"][6:-1] + ">" in used])
            n += 1
    return out


def sequence(seed, length=24):
    s = Sequence(seed)
    begin(s)
    kinds = {s.send: 8, s.send_batch: 4, s.receive: 7, s.settle: 6, s.settle_batch: 4, s.purge: 1, s.create: 4, s.set_attributes: 6, s.get: 3, s.find: 1, s.list: 1,
             s.pages: 0.3, s.tags: 3, s.permissions: 3, s.sources: 1, s.moves: 2, s.dead_letters: 0.5, s.odd: 2, s.nowhere: 3, s.large: 0.2, s.queue_limit: 0.3}
    if s.faults < 1:
        kinds |= {k: kinds[k] * s.faults for k in (s.create, s.set_attributes, s.permissions, s.moves, s.odd, s.nowhere, s.large)}
    while len(s.steps) < length:
        s.random.choices(list(kinds), list(kinds.values()))[0]()
    s.end()
    return s.steps
