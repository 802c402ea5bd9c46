#!/usr/bin/env python3
"""Random requests, and how botocore signs them: a JSON object a line.

    python3 Tests/Live/botocore_vectors.py [COUNT] [SEED]
"""

import datetime
import json
import random
import string
import sys
from collections.abc import Iterator
from unittest import mock

import botocore.auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

SERVICES = ["secretsmanager", "secretsmanager", "sts"]
REGIONS = ["us-east-1", "eu-central-1", "ap-southeast-2", "us-gov-west-1", "cn-north-1", "local"]
PUNCTUATION = "/+=_-.@"


def word(generator: random.Random, alphabet: str, low: int, high: int) -> str:
    return "".join(generator.choice(alphabet) for _ in range(generator.randint(low, high)))


def vector(generator: random.Random) -> dict:
    letters = string.ascii_letters + string.digits
    service, region = generator.choice(SERVICES), generator.choice(REGIONS)
    port = generator.choice(["", "", ":8443", ":4566"])
    host = generator.choice([f"{service}.{region}.amazonaws.com", "127.0.0.1", "vault.example"]) + port
    seconds = generator.randint(0, 4_102_444_800)
    keys = Credentials(
        word(generator, string.ascii_uppercase + string.digits, 16, 20), word(generator, letters + "/+", 40, 40),
        word(generator, letters + "/+=", 1, 900) if generator.random() < 0.5 else None)
    headers = {"content-type": "application/x-amz-json-1.1", "host": host}
    if generator.random() < 0.8:
        headers["x-amz-target"] = f"secretsmanager.{word(generator, string.ascii_letters, 3, 30)}"
    if generator.random() < 0.3:
        headers["x-amz-" + word(generator, string.ascii_lowercase, 1, 12)] = "  ".join(
            word(generator, letters + PUNCTUATION, 1, 9) for _ in range(generator.randint(1, 4)))
    body = generator.choice([
        "", "{}", json.dumps({"SecretId": word(generator, letters + PUNCTUATION, 1, 512)}),
        json.dumps({"SecretString": word(generator, string.printable + "äß☃🗝", 1, 3000)}, ensure_ascii=False)])

    request = AWSRequest(method="POST", url=f"https://{host}/", headers=headers, data=body.encode())
    now = datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc)
    with mock.patch("botocore.auth.get_current_datetime", return_value=now.replace(tzinfo=None)):
        botocore.auth.SigV4Auth(keys, service, region).add_auth(request)
    return {
        "service": service, "region": region, "seconds": seconds, "headers": headers, "body": body,
        "key": keys.access_key, "secret": keys.secret_key, "token": keys.token,
        "date": request.headers["X-Amz-Date"], "authorization": request.headers["Authorization"]}


def lines(count: int, seed: int = 4) -> Iterator[str]:
    generator = random.Random(seed)
    for _ in range(count):
        yield json.dumps(vector(generator))


if __name__ == "__main__":
    for line in lines(*map(int, sys.argv[1:])) if len(sys.argv) > 1 else lines(200):
        print(line)
