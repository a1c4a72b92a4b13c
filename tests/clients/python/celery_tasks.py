# SPDX-License-Identifier: Apache-2.0
"""Tasks for a Celery worker whose broker is the endpoint, through kombu's SQS transport."""

import os
import pathlib
import urllib.parse

from celery import Celery

quote = lambda name: urllib.parse.quote(os.environ[name], safe="")  # noqa: E731
app = Celery("tasks", broker=f"sqs://{quote('KEY_ID')}:{quote('KEY_SECRET')}@{os.environ['ENDPOINT'].split('//')[1]}//")
app.conf.broker_transport_options = {"region": os.environ["REGION"], "is_secure": False, "visibility_timeout": 5, "polling_interval": 0.1, "wait_time_seconds": 1}
app.conf.task_default_queue = "celery-tasks"
app.conf.task_acks_late = True
app.conf.worker_prefetch_multiplier = 1
out = pathlib.Path(os.environ["OUT"])


@app.task(bind=True, max_retries=3)
def work(self, number):
    if number % 10 == 0 and self.request.retries == 0:
        raise self.retry(countdown=1, exc=ValueError("at first it fails"))
    (out / str(number)).write_text(str(self.request.retries))
