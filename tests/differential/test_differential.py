# SPDX-License-Identifier: Apache-2.0
"""The same random requests to this endpoint and to three SQS-compatible servers that others wrote, over both protocols. Every difference is classified
in differences.toml; the endpoint's two protocols must not differ at all."""

import concurrent.futures
import copy
import os
import pathlib
import shutil
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from compare import Classified, differences  # noqa: E402
from rig import BINARY, BUILD, KEY, Bridge, Elasticmq, Fauxqs, Ministack  # noqa: E402
from sequences import catalogue, sequence  # noqa: E402
from worlds import World  # noqa: E402

FIRST = int(os.environ.get("FIRST_SEED", "1"))
SEEDS = range(FIRST, FIRST + int(os.environ.get("SEEDS", "40")))
USUAL = range(1, 41)
PEERS = [("ministack", "json"), ("ministack", "query"), ("elasticmq", "json"), ("elasticmq", "query"), ("fauxqs", "json")]


def need():
    """What this machine lacks, said once and clearly."""
    lacking = [what for what, there in {
        f"{BINARY} (make)": BINARY.exists(), "java (make deps)": shutil.which("java"), "node (make deps)": shutil.which("node"),
        "ElasticMQ (make build/peers/done)": (BUILD / "peers/lib").is_dir(), "fauxqs (make build/node/done)": (BUILD / "node/node_modules/fauxqs").is_dir()}.items() if not there]
    if lacking:
        pytest.fail("missing: " + ", ".join(lacking), pytrace=False)


# Not asked: that server does not answer for 21 seconds, or never gets over it.
HANGS = {("elasticmq", "StartMessageMoveTask", "source is no dead-letter queue"), ("elasticmq", "StartMessageMoveTask", "rate 501"),
         ("elasticmq", "StartMessageMoveTask", "rate 0")}


def asked(world, step):
    """Can its protocol say it, and does its server survive it?"""
    return world.protocol in step.protocols and (world.name, step.operation, step.condition) not in HANGS


def play(world):
    """Every sequence in one world: {name: answers}, None for a step that it is not asked."""
    out = {}
    for n, (name, steps) in enumerate(STEPS.items()):
        world.begin(n)
        out[name] = [world.ask(s.operation, s.params, s.patience_s) if asked(world, s) else None for s in steps]
    return out


STEPS = {**{f"catalogue {n}": steps for n, steps in enumerate(catalogue())}, **{f"seed {seed}": sequence(seed) for seed in SEEDS}}


class Run:
    """What every world answered."""

    def __init__(self, worlds, answers):
        self.worlds, self.answers, self.classified = worlds, answers, Classified()

    def against(self, name, protocol, ours="json", change=None):
        """Differences that nobody classified, each with how to see it again. change(answer) plants one in our answers."""
        us, them = self.worlds["stream2sqs", ours], self.worlds[name, protocol]
        unknown = {}
        for sequence_name, steps in STEPS.items():
            mine = self.answers["stream2sqs", ours][sequence_name]
            if change:
                mine = [a and change(copy.deepcopy(a)) for a in mine]
            for found in differences(steps, us, mine, them, self.answers[name, protocol][sequence_name]):
                if not self.classified.find(found):
                    unknown.setdefault(found, sequence_name)
        return unknown


@pytest.fixture(scope="session")
def run(tmp_path_factory):
    need()
    made, started = {}, []
    try:
        bridge = Bridge(tmp_path_factory.mktemp("stream2sqs"), None)
        started.append(bridge)
        bridge.start()
        places = {"stream2sqs": (bridge.port, bridge.key)}
        for name, server in (("ministack", Ministack), ("elasticmq", Elasticmq), ("fauxqs", Fauxqs)):
            started.append(server(tmp_path_factory.mktemp(name)))
            places[name] = (started[-1].port, KEY)
        for n, (name, protocol) in enumerate([("stream2sqs", "json"), ("stream2sqs", "query"), *PEERS]):
            made[name, protocol] = World(name, protocol, *places[name], "jqabcde"[n])
        with concurrent.futures.ThreadPoolExecutor(len(made)) as pool:
            yield Run(made, dict(zip(made, pool.map(play, made.values()))))
    finally:
        for server in started:
            server.stop()


def told(unknown):
    return f"{len(unknown)} differences are not classified:\n" + "\n".join(
        f"  {where}: {' | '.join(found)}" for found, where in sorted(unknown.items()))


def test_our_two_protocols_give_the_same_answers(run):
    unknown = run.against("stream2sqs", "query")
    assert not unknown, told(unknown)


@pytest.mark.parametrize("name,protocol", PEERS, ids=["-".join(p) for p in PEERS])
def test_every_difference_is_classified(run, name, protocol):
    unknown = run.against(name, protocol, ours=protocol)
    assert not unknown, told(unknown)


def test_every_entry_says_who_is_wrong_why_and_by_which_source():
    for entry in Classified().entries:
        assert entry.get("wrong") in ("theirs", "either"), entry
        assert entry.get("why") and entry.get("source") and entry.get("peer"), entry


@pytest.mark.skipif(SEEDS != USUAL, reason="only with the usual seeds is every entry met")
def test_every_entry_was_met(run):
    unmet = [entry for entry, times in zip(run.classified.entries, run.classified.met) if times == 0]
    assert not unmet, "never met:\n" + "\n".join(f"  {entry}" for entry in unmet)


def no_digest(answer):
    answer.result.pop("MD5OfMessageBody", None)
    return answer


def other_code(answer):
    if answer.code:
        answer.query_code = answer.query_code.replace("ReceiptHandleIsInvalid", "InvalidParameterValue")
        answer.code = answer.code.replace("ReceiptHandleIsInvalid", "InvalidParameterValue")
    return answer


def other_status(answer):
    answer.status = 500 if "NonExistentQueue" in answer.query_code else answer.status
    return answer


def lost_message(answer):
    answer.result.get("Messages", [{}]).pop()
    return answer


def other_body(answer):
    for message in answer.result.get("Messages", []):
        message["Body"] = message["Body"].replace("\r", "")
    return answer


def accepts(answer):
    if answer.code and "MissingParameter" in answer.query_code:
        answer.code, answer.status = None, 200
    return answer


@pytest.mark.parametrize("change", [no_digest, other_code, other_status, lost_message, other_body, accepts])
def test_a_changed_answer_would_be_seen(run, change):
    """By at least two of the other servers; in our own comparison of protocols, too."""
    met = list(run.classified.met)
    assert run.against("stream2sqs", "query", change=change)
    seen = [peer for peer in PEERS if run.against(*peer, ours=peer[1], change=change)]
    run.classified.met = met
    assert len({name for name, _ in seen}) >= 2, seen
