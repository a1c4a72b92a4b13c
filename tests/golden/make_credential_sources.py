#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes tests/golden/credential_sources.json: which source botocore's own resolver takes for each case, nothing being asked over a network.

usage: make_credential_sources.py >tests/golden/credential_sources.json   (with botocore; the file names its version)"""
import json
import os
import sys
import tempfile
import unittest.mock

import botocore
import botocore.credentials
import botocore.session

STATIC = "aws_access_key_id = {0}\naws_secret_access_key = {0}-secret\n"
ROLE = "role_arn = arn:aws:iam::123456789012:role/{0}\n"
PROCESS = "credential_process = maker\n"
SSO = "sso_session = corp\nsso_account_id = 111122223333\nsso_role_name = Reader\n"
CORP = "[sso-session corp]\nsso_region = eu-west-1\nsso_start_url = https://corp.awsapps.com/start\n"
ENV = {"AWS_ACCESS_KEY_ID": "ENVKEY", "AWS_SECRET_ACCESS_KEY": "env-secret"}
WEB = {"AWS_WEB_IDENTITY_TOKEN_FILE": "/token", "AWS_ROLE_ARN": "arn:aws:iam::123456789012:role/web"}
ECS = {"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/v2/credentials/x"}
EKS = {"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://169.254.170.23/v1/credentials"}


def profile(name, *parts):
    return f"[profile {name}]\n" + "".join(parts)


# name, profile that an option names (or None), environment, config file, credentials file
CASES = [
    ("nothing: EC2", None, {}, "", ""),
    ("environment over everything", None, {**ENV, **WEB, **ECS}, "[default]\n" + STATIC.format("CONFIG"), "[default]\n" + STATIC.format("CRED")),
    ("environment over AWS_PROFILE", None, {**ENV, "AWS_PROFILE": "p"}, "", "[p]\n" + STATIC.format("CRED")),
    ("a profile that is named wins over the environment", "p", ENV, "", "[p]\n" + STATIC.format("CRED")),
    ("credentials over config", None, {}, "[default]\n" + STATIC.format("CONFIG"), "[default]\n" + STATIC.format("CRED")),
    ("config alone", None, {}, "[default]\n" + STATIC.format("CONFIG"), ""),
    ("process over config's keys", None, {}, "[default]\n" + PROCESS + STATIC.format("CONFIG"), ""),
    ("credentials file over process", None, {}, "[default]\n" + PROCESS, "[default]\n" + STATIC.format("CRED")),
    ("process in the credentials file", None, {}, "", "[default]\n" + PROCESS),
    ("sso over the credentials file", None, {}, "[default]\n" + SSO + CORP, "[default]\n" + STATIC.format("CRED")),
    ("sso over process", None, {}, "[default]\n" + SSO + PROCESS + CORP, ""),
    ("sso, legacy", None, {}, "[default]\nsso_start_url = https://x.awsapps.com/start\nsso_region = us-east-1\nsso_account_id = 1\nsso_role_name = R\n", ""),
    ("sso without a start URL", None, {}, "[default]\nsso_region = us-east-1\nsso_account_id = 1\nsso_role_name = R\n", ""),
    ("sso with an unknown session", None, {}, "[default]\n" + SSO, ""),
    ("sso whose session disagrees", None, {}, "[default]\nsso_region = us-east-1\n" + SSO + CORP, ""),
    ("role over the credentials file's own keys", None, {}, "[default]\n" + ROLE.format("r") + "source_profile = base\n" + profile("base", STATIC.format("BASE")),
     "[default]\n" + STATIC.format("CRED")),
    ("role on keys", "r", {}, profile("r", ROLE.format("r"), "source_profile = base\n"), "[base]\n" + STATIC.format("BASE")),
    ("role on a role on keys", "a", {}, profile("a", ROLE.format("a"), "source_profile = b\n") + profile("b", ROLE.format("b"), "source_profile = c\n"),
     "[c]\n" + STATIC.format("C")),
    ("keys of a source profile come before its role", "a", {}, profile("a", ROLE.format("a"), "source_profile = b\n") +
     profile("b", ROLE.format("b"), "source_profile = c\n", STATIC.format("B")), "[c]\n" + STATIC.format("C")),
    ("a profile may name itself", "a", {}, profile("a", ROLE.format("a"), "source_profile = a\n", STATIC.format("A")), ""),
    ("a profile may not name itself without keys", "a", {}, profile("a", ROLE.format("a"), "source_profile = a\n"), ""),
    ("a circle", "a", {}, profile("a", ROLE.format("a"), "source_profile = b\n") + profile("b", ROLE.format("b"), "source_profile = a\n"), ""),
    ("role on sso", "a", {}, profile("a", ROLE.format("a"), "source_profile = b\n") + profile("b", SSO) + CORP, ""),
    ("role on a process", "a", {}, profile("a", ROLE.format("a"), "source_profile = b\n") + profile("b", PROCESS), ""),
    ("role on a web identity", "a", {}, profile("a", ROLE.format("a"), "source_profile = b\n") +
     profile("b", ROLE.format("b"), "web_identity_token_file = /token\n"), ""),
    ("the environment's web identity is not for a source profile", "a", WEB, profile("a", ROLE.format("a"), "source_profile = b\n") +
     profile("b", STATIC.format("B")), ""),
    ("role on the environment", "a", ENV, profile("a", ROLE.format("a"), "credential_source = Environment\n"), ""),
    ("role on a container", "a", ECS, profile("a", ROLE.format("a"), "credential_source = EcsContainer\n"), ""),
    ("role on EC2", "a", {}, profile("a", ROLE.format("a"), "credential_source = Ec2InstanceMetadata\n"), ""),
    ("role on the environment, where there is none", "a", {}, profile("a", ROLE.format("a"), "credential_source = Environment\n"), ""),
    ("role on an unknown source", "a", {}, profile("a", ROLE.format("a"), "credential_source = Elsewhere\n"), ""),
    ("role on both", "a", {}, profile("a", ROLE.format("a"), "credential_source = Environment\nsource_profile = b\n") + profile("b", STATIC.format("B")), ""),
    ("role on nothing", "a", {}, profile("a", ROLE.format("a")), ""),
    ("role on a profile that is not there", "a", {}, profile("a", ROLE.format("a"), "source_profile = b\n"), ""),
    ("role on a profile without credentials", "a", {}, profile("a", ROLE.format("a"), "source_profile = b\n") + profile("b", "region = eu-west-1\n"), ""),
    ("web identity over the credentials file", None, WEB, "", "[default]\n" + STATIC.format("CRED")),
    ("a role over web identity", "a", WEB, profile("a", ROLE.format("a"), "source_profile = b\n") + profile("b", STATIC.format("B")), ""),
    ("web identity of the profile", "a", {}, profile("a", ROLE.format("a"), "web_identity_token_file = /token\n"), ""),
    ("web identity without a role", None, {"AWS_WEB_IDENTITY_TOKEN_FILE": "/token"}, "", ""),
    ("web identity over a container", None, {**WEB, **ECS}, "", ""),
    ("container over EC2", None, ECS, "", ""),
    ("container by its full URI", None, EKS, "", ""),
    ("the relative URI over the full one", None, {**ECS, **EKS}, "", ""),
    ("keys over a container", None, ECS, "", "[default]\n" + STATIC.format("CRED")),
    ("half of a pair in a file", None, {}, "", "[default]\naws_access_key_id = HALF\n"),
    ("a session token of the other file is not mixed in", None, {}, "[default]\naws_session_token = STALE\n", "[default]\n" + STATIC.format("CRED")),
    ("a profile's name in quotes", "my own", {}, '[profile "my own"]\n' + STATIC.format("QUOTED"), ""),
]

KINDS = {"env": "keys", "shared-credentials-file": "keys", "config-file": "keys", "custom-process": "process", "container-role": "container", "iam-role": "metadata",
         "assume-role": "role", "assume-role-with-web-identity": "web_identity", "sso": "sso"}


def describe(credentials):
    found = {"kind": KINDS[credentials.method]}
    if found["kind"] == "keys":
        found["key"] = credentials.access_key
        if credentials.token:
            found["token"] = credentials.token
    fetcher = getattr(getattr(credentials, "_refresh_using", None), "__self__", None)
    if found["kind"] == "role":
        found["role_arn"] = fetcher._role_arn
        found["base"] = describe(fetcher._source_credentials)
    if found["kind"] == "web_identity":
        found["role_arn"] = fetcher._role_arn
    return found


ISSUED = {"AccessKeyId": "A", "SecretAccessKey": "s", "Token": "t", "Expiration": "2100-01-01T00:00:00Z"}


class Maker:
    returncode = 0

    def __init__(self, *_, **__):
        pass

    def communicate(self):
        return json.dumps({"Version": 1, **ISSUED}).encode(), b""


def resolve(chosen, environment, directory):
    variables = {"AWS_CONFIG_FILE": f"{directory}/config", "AWS_SHARED_CREDENTIALS_FILE": f"{directory}/credentials", "HOME": directory, **environment}
    metadata = {"role_name": "r", "access_key": "A", "secret_key": "s", "token": "t", "expiry_time": ISSUED["Expiration"]}
    fetcher = botocore.credentials.InstanceMetadataFetcher
    with (unittest.mock.patch.dict(os.environ, variables, clear=True),
          unittest.mock.patch.object(fetcher, "retrieve_iam_role_credentials", return_value=metadata),
          unittest.mock.patch.object(botocore.credentials.ContainerMetadataFetcher, "retrieve_full_uri", return_value=ISSUED),
          unittest.mock.patch.object(botocore.credentials.ProcessProvider.__init__, "__defaults__", (Maker,))):
        session = botocore.session.Session(profile=chosen)
        resolver = botocore.credentials.create_credential_resolver(session, region_name="eu-west-1")
        return describe(resolver.load_credentials())


def main():
    cases = []
    for name, chosen, environment, config, credentials in CASES:
        with tempfile.TemporaryDirectory() as directory:
            for file, text in (("config", config), ("credentials", credentials)):
                with open(f"{directory}/{file}", "w") as out:
                    out.write(text)
            try:
                want = resolve(chosen, environment, directory)
            except (botocore.exceptions.BotoCoreError, KeyError) as error:
                want = {"kind": "error", "botocore": type(error).__name__}
        cases.append({"name": name, "profile": chosen, "environment": environment, "config": config, "credentials": credentials, "want": want})
    json.dump({"botocore": botocore.__version__, "cases": cases}, sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    main()
