"""Lettermint's own library, unchanged, asks mailherald for everything that has to do with webhooks,
and checks with the secret that it is given what arrives.

  API_URL=http://127.0.0.1:8025/lettermint/v1 API_KEY=api_... python lettermint_api.py

Listens on a free port of loopback for the webhook that it makes. Prints `ready` when that can be
told, and ends with 0 when an event has arrived and all answers were as the library has them.
"""

import os
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from lettermint import Lettermint, NotFoundError, ValidationError, Webhook

arrived = []


class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        arrived.append((self.headers, body))
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


def until(what, look):
    """Waits until it gives something."""
    for _ in range(300):
        found = look()
        if found:
            return found
        time.sleep(0.1)
    raise RuntimeError(f"waited for {what} for too long")


def genuine(kind, secret):
    """The first that arrived of a type, genuine by that secret."""
    of_kind = lambda: [it for it in arrived if it[0]["X-Lettermint-Event"] == kind]
    headers, body = until(kind, of_kind)[0]
    return Webhook(secret).verify(body, headers)


def a_test_arrives(webhooks, webhook_id, secret):
    test = webhooks.test(webhook_id)
    assert genuine("webhook.test", secret)["id"] == test["delivery_id"]
    look = lambda: webhooks.deliveries.retrieve(webhook_id, test["delivery_id"])
    until("the test", lambda: look()["status"] == "success")
    assert look()["http_status_code"] == 200 and look()["payload"]["event"] == "webhook.test"


def an_event_arrives(webhooks, webhook_id, secret):
    event = genuine("message.delivered", secret)
    of_type = {"filter": {"event_type": "message.delivered", "status": "success"}}
    rows = until("the delivery", lambda: list(webhooks.deliveries.iterate(webhook_id, of_type)))
    assert rows[0]["webhook_id"] == webhook_id and rows[0]["attempt_number"] == 1
    assert rows[0]["next_retry_at"] is None and rows[0]["sandbox"] is False
    assert webhooks.deliveries.retrieve(webhook_id, rows[0]["id"])["payload"] == event
    assert webhooks.retrieve(webhook_id)["last_called_at"]


def whole_round(webhooks, url):
    body = {"name": "Python", "url": url, "events": ["message.delivered", "webhook.test"]}
    try:
        webhooks.create({**body, "events": ["message.lost"]})
        raise AssertionError("there is no such type")
    except ValidationError as error:
        assert "events" in error.errors, error.body
    auth = {"username": "ann", "password": "secret word"}
    made = webhooks.create({**body, "route_ids": ["news"], "basic_auth": auth})["data"]
    webhook_id, secret = made["id"], made["secret"]
    assert secret.startswith("whsec_") and made["events"] == body["events"]
    assert made["scope"] == "route" and made["has_basic_auth"]

    query = {"page": {"size": 1}, "filter": {"enabled": True}, "sort": ["name"]}
    listed = list(webhooks.iterate(query))
    assert [row["name"] for row in listed] == sorted(row["name"] for row in listed)
    assert webhook_id in [row["id"] for row in listed] and len(listed) > 1
    change = {"name": "Python SDK", "route_ids": [], "basic_auth": None}
    changed = webhooks.update(webhook_id, change)["data"]
    assert changed["scope"] == "team" and not changed["has_basic_auth"]
    shown = webhooks.retrieve(webhook_id)
    assert shown["name"] == "Python SDK" and "secret" not in shown

    a_test_arrives(webhooks, webhook_id, secret)
    again = webhooks.regenerate_secret(webhook_id)["data"]["secret"]
    assert again != secret
    webhooks.update(webhook_id, {"route_ids": ["news"]})
    print("ready", flush=True)
    an_event_arrives(webhooks, webhook_id, again)
    assert webhooks.delete(webhook_id)["message"] == "Webhook deleted successfully."
    try:
        webhooks.retrieve(webhook_id)
        raise AssertionError("it was deleted")
    except NotFoundError:
        pass


def main():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with Lettermint(team_token=os.environ["API_KEY"], base_url=os.environ["API_URL"]) as client:
        whole_round(client.webhooks, f"http://127.0.0.1:{server.server_port}/")


main()
