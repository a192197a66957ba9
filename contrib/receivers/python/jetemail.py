"""Profile `jetemail`, by the headers and the signature that JetEmail's documentation describes.

`sha256=` and the HMAC of the raw body, and a timestamp that must be fresh.
"""

import hashlib
import hmac
import json
import time

from serve import serve


def verify_webhook(raw_body, signature, timestamp, secret):
    if abs(time.time() - int(timestamp)) > 300:
        return False
    expected = "sha256=" + hmac.new(secret.encode(), raw_body, hashlib.sha256).hexdigest()
    return hmac.compare_digest(expected, signature)


def is_genuine(headers, raw_body, secret):
    signature, timestamp = headers["X-Webhook-Signature"], headers["X-Webhook-Timestamp"]
    genuine = verify_webhook(raw_body, signature, timestamp, secret)
    return genuine and headers["X-Webhook-ID"] == json.loads(raw_body)["id"]


serve(is_genuine)
