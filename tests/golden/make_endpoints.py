#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes tests/golden/endpoints.json: the host that botocore finds for each service, region, and choice of FIPS and dual-stack; null where it finds none; and the
URL at which it puts the object KEY into a bucket.

usage: make_endpoints.py >tests/golden/endpoints.json"""
import json
import sys
from urllib.parse import urlparse

import botocore
import botocore.awsrequest
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


BUCKETS = ["orders-large", "orders.large", "a1b"]
PLACES = [("eu-west-1", None), ("us-east-1", None), ("cn-north-1", None), ("us-gov-west-1", None), ("eu-west-1", "http://localhost:9000"),
          ("eu-west-1", "http://localhost:9000/below"), ("eu-west-1", "https://s3.example.com"), ("eu-west-1", "http://127.0.0.1:9000"),
          ("eu-west-1", "http://[::1]:9000")]


def object_url(session, region, endpoint, fips, dual, style, bucket):
    config = Config(use_fips_endpoint=fips, use_dualstack_endpoint=dual, s3={"us_east_1_regional_endpoint": "regional", "addressing_style": style})
    client = session.create_client("s3", region_name=region, endpoint_url=endpoint, config=config, aws_access_key_id="a", aws_secret_access_key="b")
    urls = []

    def keep(request, **_):
        urls.append(request.url)
        return botocore.awsrequest.AWSResponse(request.url, 200, {}, None)

    client.meta.events.register("before-send.s3.PutObject", keep)
    try:
        client.put_object(Bucket=bucket, Key="KEY", Body=b"")
    except AttributeError:  # the answer has no stream
        pass
    return urls[0]


def object_urls(session):
    for region, endpoint in PLACES:
        for fips, dual in ([(False, False), (False, True), (True, False), (True, True)] if endpoint is None and region != "cn-north-1" else [(False, False)]):
            for style in ("auto", "path", "virtual"):
                for bucket in BUCKETS:
                    yield [region, endpoint, fips, dual, style, bucket, object_url(session, region, endpoint, fips, dual, style, bucket)]


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
    print('], "objects": [')
    print(",\n".join(json.dumps(case) for case in object_urls(session)))
    print("]}")


if __name__ == "__main__":
    sys.exit(main())
