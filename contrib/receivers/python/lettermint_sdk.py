"""Lettermint's own library."""

from lettermint import Webhook
from serve import serve


def is_genuine(headers, raw_body, secret):
    payload = Webhook(secret).verify(raw_body, headers)
    return payload["event"] == headers["X-Lettermint-Event"]


serve(is_genuine)
