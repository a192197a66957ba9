"""The reference library of Standard Webhooks."""

from serve import serve
from standardwebhooks import Webhook


def is_genuine(headers, raw_body, secret):
    names = {name.lower(): value for name, value in headers.items()}
    Webhook(secret).verify(raw_body, names)
    return True


serve(is_genuine)
