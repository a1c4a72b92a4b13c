# SPDX-License-Identifier: Apache-2.0
"""Our event patterns against AWS's own matcher (Event Ruler): the same random patterns and events to both, and every difference is a failure but those
that docs/filters.md names. usage: differential.py OURS CLASSPATH [SEED [COUNT]]"""

import json
import random
import subprocess
import sys

WORDS = ["PAID", "paid", "NEW", "", "a", "ab", "abc", "10.0.0.7", "10.1.0.7", "2001:db8::1", "x*y", "back\\slash", "ü", "日本", "quote\"d", "5", "true"]
NUMBERS = [0, 1, -1, 5, 5.0, 3.25, 300, 3e2, -0.5, 1000000, 4999999, 0.00001]
FIELDS = ["eventName", "dynamodb", "NewImage", "Keys", "status", "S", "N", "a", "b"]


class Maker:
    def __init__(self, seed):
        self.r = random.Random(seed)

    def pick(self, *choices):
        return self.r.choice(choices)

    def scalar(self):
        return self.pick(lambda: self.r.choice(WORDS), lambda: self.r.choice(NUMBERS), lambda: self.pick(True, False, None))()

    def event(self, depth=0):
        out = {}
        for name in self.r.sample(FIELDS, self.r.randint(1, 4)):
            kind = self.r.random()
            if kind < 0.45 and depth < 3:
                out[name] = self.event(depth + 1)
            elif kind < 0.6:
                out[name] = [self.scalar() for _ in range(self.r.randint(0, 3))]
            elif kind < 0.68 and depth < 2:
                out[name] = [self.event(depth + 2) for _ in range(self.r.randint(1, 3))]
            else:
                out[name] = self.scalar()
        return out

    def near(self, value):
        """A value of the event, or one like it."""
        if isinstance(value, list):
            value = self.r.choice(value) if value else None
        if isinstance(value, dict) or self.r.random() < 0.35:
            return self.scalar()
        return value

    def text(self, value):
        value = self.near(value)
        return value if isinstance(value, str) else self.r.choice(WORDS)

    def ascii(self, value):
        text = self.text(value)
        return text.swapcase() if text.isascii() else "Abc"

    def number(self, value):
        value = self.near(value)
        return value if isinstance(value, (int, float)) and not isinstance(value, bool) else self.r.choice(NUMBERS)

    def numeric(self, value):
        n = self.number(value)
        shape = self.r.randint(0, 3)
        if shape == 0:
            return ["=", n]
        if shape == 1:
            return [self.pick("<", "<=", ">", ">="), n]
        return [self.pick(">", ">="), n - self.pick(0, 1, 10), self.pick("<", "<="), n + self.pick(1, 2, 100)]

    def wildcard(self, value):
        text = self.text(value).replace("\\", "\\\\").replace("*", "\\*")
        cut = self.r.randint(0, len(text))
        if text[max(0, cut - 1):cut] == "\\":
            cut = 0
        return text[:cut] + "*" + self.pick(text[cut:], text[cut + 1:] if text[cut:cut + 1] != "\\" else "", "")

    def anything_but(self, value):
        shape = self.r.randint(0, 6)
        if shape == 0:
            return self.text(value)
        if shape == 1:
            return [self.text(value), self.r.choice(WORDS)]
        if shape == 2:
            return self.number(value)
        if shape == 3:
            return {self.pick("prefix", "suffix"): self.text(value)[:2] or "p"}
        if shape == 4:
            return {self.pick("prefix", "suffix"): [self.text(value)[:2] or "p", "zz"]}
        if shape == 5:
            return {"equals-ignore-case": self.pick(self.ascii(value), [self.ascii(value), "other"])}
        return {"wildcard": self.wildcard(value)}

    def matcher(self, value):
        shape = self.r.randint(0, 11)
        if shape < 4:
            return self.near(value)
        if shape == 4:
            return {"prefix": self.text(value)[:2] or "P"}
        if shape == 5:
            return {"suffix": self.text(value)[-2:] or "D"}
        if shape == 6:
            return {"anything-but": self.anything_but(value)}
        if shape == 7:
            return {"numeric": self.numeric(value)}
        if shape == 8:
            return {"exists": self.r.random() < 0.6}
        if shape == 9:
            return {self.pick("equals-ignore-case",): self.ascii(value)}
        if shape == 10:
            return {"wildcard": self.wildcard(value)}
        return self.pick({"cidr": "10.0.0.0/16"}, {"cidr": "2001:db8::/32"}, {"cidr": "10.0.0.6/31"},
                         {"prefix": {"equals-ignore-case": self.ascii(value)[:2] or "P"}}, {"suffix": {"equals-ignore-case": self.ascii(value)[-2:] or "D"}})

    def leaf(self, value):
        return [self.matcher(value) for _ in range(self.r.randint(1, 2))]

    def pattern(self, event, depth=0):
        out = {}
        names = list(event) if isinstance(event, dict) else []
        for name in self.r.sample(names, min(len(names), self.r.randint(1, 2))) or [self.r.choice(FIELDS)]:
            if self.r.random() < 0.15:
                name = self.r.choice(FIELDS)
            value = event.get(name) if isinstance(event, dict) else None
            inner = self.r.choice(value) if isinstance(value, list) and value and isinstance(value[0], dict) else value
            out[name] = self.pattern(inner, depth + 1) if isinstance(inner, dict) and self.r.random() < 0.9 else self.leaf(value)
        if depth < 2 and self.r.random() < 0.15:
            beside = leaves(out)
            alternatives = [a for a in (self.pattern(event, depth + 2) for _ in range(self.r.randint(2, 5))) if not beside & leaves(a)]
            if len(alternatives) > 1:
                out["$or"] = alternatives
        return out


def leaves(pattern, prefix=()):
    """The paths of all lists of values."""
    out = set()
    for name, value in pattern.items():
        for one in value if name == "$or" else [value]:
            path = prefix if name == "$or" else prefix + (name,)
            out |= leaves(one, path) if isinstance(one, dict) else {path}
    return out


def known(pattern, event, ours):
    """What docs/filters.md says we do otherwise."""
    text = json.dumps(pattern)
    if ours == "refused" and "$or" in text:
        return True
    lists_of_objects = "[{" in json.dumps(event).replace(" ", "")
    return lists_of_objects and ('"exists": false' in text or "$or" in text)


def answers(command, lines):
    done = subprocess.run(command, input="\n".join(lines) + "\n", capture_output=True, text=True, check=True, timeout=120)
    return done.stdout.split()


def main():
    ours, classpath = sys.argv[1:3]
    seed = int(sys.argv[3]) if len(sys.argv) > 3 else 1
    count = int(sys.argv[4]) if len(sys.argv) > 4 else 40000
    maker = Maker(seed)
    cases = []
    for _ in range(count):
        event = maker.event()
        cases.append((maker.pattern(event), event))
    lines = [json.dumps(p, ensure_ascii=False) + "\t" + json.dumps(e, ensure_ascii=False) for p, e in cases]
    mine = answers([ours], lines)
    theirs = answers(["java", "-cp", classpath, "RulerOracle"], lines)
    assert len(mine) == len(theirs) == count, (len(mine), len(theirs))
    differences = admitted = 0
    for (pattern, event), line, a, b in zip(cases, lines, mine, theirs):
        if a == b:
            continue
        if known(pattern, event, a):
            admitted += 1
            continue
        differences += 1
        if differences <= 10:
            print(f"ours {a}, Event Ruler {b}: {line}")
    print(f"event patterns: {count} cases (seed {seed}): {theirs.count('yes')} match, {theirs.count('refused')} refused, "
          f"{admitted} differ as documented, {differences} differ")
    print(f"[  {'PASSED' if differences == 0 else 'FAILED'}  ] 1 test(s)" + ("." if differences == 0 else ", listed below:"))
    return differences > 0


if __name__ == "__main__":
    sys.exit(main())
