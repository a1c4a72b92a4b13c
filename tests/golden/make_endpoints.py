#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes tests/golden/endpoints.json: the host that botocore finds for each service, region, and choice of FIPS and dual-stack; null where it finds none.

usage: make_endpoints.py >tests/golden/endpoints.json"""
import json
import sys
from urllib.parse import urlparse

import botocore
import botocore.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError

SERVICES = ["dynamodb", "dynamodbstreams", "kinesis", "sqs", "sts", "sso", "sso-oidc", "s3"]
REGIONS = ["eu-west-1", "us-east-1", "us-west-2", "ap-southeast-2", "cn-north-1", "us-gov-west-1", "us-iso-east-1", "us-isob-east-1", "eu-isoe-west-1",
           "us-isof-south-1", "eusc-de-east-1"]


def host(session, service, region, fips, dual):
    s3 = {"us_east_1_regional_endpoint": "regional"} if service == "s3" else None
    config = Config(use_fips_endpoint=fips, use_dualstack_endpoint=dual, s3=s3, account_id_endpoint_mode="disabled")
    client = session.create_client(service, region_name=region, config=config, aws_access_key_id="a", aws_secret_access_key="b")
    resolver = client._ruleset_resolver
    parameters = {"Region": region, "UseFIPS": fips, "UseDualStack": dual}
    if service == "sts":
        parameters["UseGlobalEndpoint"] = False
    if service == "s3":
        parameters.update(UseGlobalEndpoint=False, Accelerate=False, DisableMultiRegionAccessPoints=True, ForcePathStyle=True)
    return urlparse(resolver._provider.resolve_endpoint(**parameters).url).netloc


def main():
    session = botocore.session.get_session()
    cases = []
    for service in SERVICES:
        for region in REGIONS:
            for fips in (False, True):
                for dual in (False, True):
                    try:
                        found = host(session, service, region, fips, dual)
                    except BotoCoreError:
                        found = None
                    cases.append([service, region, fips, dual, found])
    print('{"botocore": "%s", "cases": [' % botocore.__version__)
    print(",\n".join(json.dumps(case) for case in cases))
    print("]}")


if __name__ == "__main__":
    sys.exit(main())
