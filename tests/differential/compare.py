# SPDX-License-Identifier: Apache-2.0
"""Compares two worlds' answers to one request, and matches what differs with the classified differences."""

import collections
import fnmatch
import json
import pathlib
import tomllib

FILE = pathlib.Path(__file__).with_name("differences.toml")
Difference = collections.namedtuple("Difference", "peer protocol operation condition where ours theirs")


def short(value):
    return value if isinstance(value, str) and len(value) <= 60 else json.dumps(value, sort_keys=True, ensure_ascii=True)[:60] + f" ({type(value).__name__})"


def fields(ours, theirs, where=""):
    """Each place where two results differ."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        for name in sorted(set(ours) | set(theirs)):
            yield from fields(ours.get(name, "(absent)"), theirs.get(name, "(absent)"), f"{where}.{name}" if where else name)
    elif isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        for a, b in zip(ours, theirs):
            yield from fields(a, b, where + ".each")
    elif isinstance(ours, list) and isinstance(theirs, list):
        yield where, f"{len(ours)} of them", f"{len(theirs)} of them"
    elif ours != theirs:
        yield where, short(ours), short(theirs)


def canon(code):
    """An error's name without what the protocols and the servers put around it."""
    code = code.split(";")[0].removeprefix("AWS.SimpleQueueService.").removesuffix("Exception")
    return {"NonExistentQueue": "QueueDoesNotExist", "QueueAlreadyExists": "QueueNameExists", "MissingRequiredParameter": "MissingParameter"}.get(code, code)


def outcome(entry):
    """Of one entry of a batch."""
    return "(absent)" if entry is None else entry["Code"] if "Code" in entry else "done"


def compare_errors(us, ours, them, theirs):
    """The first thing that two refusals differ in."""
    forms = [("code's form", ours.code, theirs.code)] if us.protocol == them.protocol else []
    forms += [("query code", ours.query_code, theirs.query_code)]
    if us.name == them.name:
        forms.append(("text", us.plain(ours.text), them.plain(theirs.text)))
    for where, a, b in [("code", canon(ours.code), canon(theirs.code)), ("status", ours.status, theirs.status), *forms]:
        if a != b:
            return [(where, str(a), str(b))]
    return []


def compare_batches(step, unknown, ours, theirs):
    """Entry by entry: (condition, where, ours, theirs)."""
    for entry_id, condition in step.entries.items():
        condition += " (unknown handle)" if entry_id in unknown else ""
        a, b = (next((r[part][entry_id] for part in ("Successful", "Failed") if entry_id in r.get(part, {})), None) for r in (ours, theirs))
        if outcome(a) != outcome(b):
            yield condition, "entry", outcome(a), outcome(b)
        else:
            for where, x, y in fields(a, b):
                yield condition, "entry." + where, x, y


def compare(step, us, ours, them, theirs):
    """[(condition, where, ours, theirs)]."""
    condition = step.condition + (" (unknown handle)" if "" in ours.unknown else "")
    if bool(ours.code) != bool(theirs.code):
        return [(condition, "outcome", canon(ours.code or "done"), canon(theirs.code or "done"))]
    if ours.code:
        return [(condition, *found) for found in compare_errors(us, ours, them, theirs)]
    a, b = us.result(ours, step.ordered), them.result(theirs, step.ordered)
    if not step.entries:
        return [(condition, *found) for found in fields(a, b)]
    out = [(condition, part, "(absent)", "(empty)") for part in ("Successful", "Failed") if part not in a and b.get(part) == {}]
    for entry_condition, *found in compare_batches(step, ours.unknown, a, b):
        out.append((entry_condition, *found))
    return out


APART = {"outcome", "entry", "Messages", "Messages.each.Body"}


class Classified:
    """The entries of differences.toml, and how often each was met."""

    def __init__(self, path=FILE):
        self.entries = tomllib.loads(path.read_text())["difference"]
        self.met = [0] * len(self.entries)

    @staticmethod
    def fits(entry, difference):
        for name in Difference._fields:
            wanted = entry.get(name, "*")
            if not any(fnmatch.fnmatchcase(getattr(difference, name), w) for w in ([wanted] if isinstance(wanted, str) else wanted)):
                return False
        return True

    def find(self, difference):
        fitting = [i for i, entry in enumerate(self.entries) if self.fits(entry, difference)]
        for i in fitting:
            self.met[i] += 1
        return bool(fitting)


def differences(steps, us, ours, them, theirs):
    """Of one sequence. Once the two may know different things, the rest of it is not compared."""
    for step, a, b in zip(steps, ours, theirs):
        if a is None or b is None:
            continue
        found = compare(step, us, a, them, b)
        for condition, where, x, y in found:
            yield Difference(them.name, them.protocol, step.operation, condition, where, x, y)
        if step.changes and any(where in APART for _, where, _, _ in found):
            return
