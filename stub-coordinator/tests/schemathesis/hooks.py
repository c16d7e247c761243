"""What schemathesis cannot read off the API's document: that a client makes a fresh idempotency key for each request,
that a claim which waits only takes time, and what a factory has to be able to do to be given a job. What is wrong on
purpose stays wrong."""

import re
import uuid

import schemathesis
from schemathesis.core.parameters import ParameterLocation

LONGEST_WAIT_MS = 20
ID = re.compile(r"(?!.*\.\.)[A-Za-z0-9][A-Za-z0-9._:@-]{0,127}", re.ASCII)


@schemathesis.hook
def before_call(context, case, kwargs):
    key = (case.headers or {}).get("Idempotency-Key")
    if is_id(key) and not is_wrong(case, ParameterLocation.HEADER):
        # The same key with another body is refused (C-32), though each of the two fits the document.
        case.headers["Idempotency-Key"] = str(uuid.uuid4())
    body = case.body
    if not isinstance(body, dict):
        return
    wait = body.get("waitMs")
    if type(wait) in (int, float) and wait > LONGEST_WAIT_MS:
        body["waitMs"] = LONGEST_WAIT_MS
    caps = body.get("caps")
    if case.path.endswith("/claims") and isinstance(caps, list) and not is_wrong(case, ParameterLocation.BODY):
        body["caps"] = [*caps[:200], "engine:sh"]


def is_id(value):
    return isinstance(value, str) and ID.fullmatch(value) is not None


def is_wrong(case, location):
    """Whether this part of the request was made wrong on purpose."""
    part = case.meta and case.meta.components.get(location)
    return bool(part) and part.mode.is_negative
