"""Profile `generic`, by the Python example of the guide that the profile follows."""

import hashlib
import hmac

from serve import serve


def verify_webhook(payload, signature, secret):
    expected = "sha256=" + hmac.new(
        secret.encode(), payload.encode(), hashlib.sha256
    ).hexdigest()
    return hmac.compare_digest(expected, signature)


def is_genuine(headers, raw_body, secret):
    return verify_webhook(raw_body.decode(), headers.get("X-Webhook-Signature"), secret)


serve(is_genuine)
