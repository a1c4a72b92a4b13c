# SPDX-License-Identifier: Apache-2.0
"""The work that both consumers do with one order. A handful of orders cannot be handled, however often they come."""

import json


class BadOrder(Exception):
    pass


def handle(record):
    """One stream record, as a Lambda handler gets it in event["Records"]."""
    order = record["dynamodb"]["NewImage"]
    if float(order["amount"]["N"]) < 0:
        raise BadOrder(f"{order['id']['S']}: a negative amount")
    return order["id"]["S"]


def order_of(body):
    return json.loads(body)["dynamodb"]["Keys"]["id"]["S"]
