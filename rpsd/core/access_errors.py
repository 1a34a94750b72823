"""The errors of access and of streams; core/errors.py lists them with all others."""

from rpsd.core.fault import Kind, RpsdError


class Unauthenticated(RpsdError):
    """No key, or a key that is unknown, expired or revoked."""

    code, kind, title, status = "unauthenticated", Kind.DENIED, "A valid API key is needed", 401
    hint = "Send X-API-Key: rpsd_<id>_<secret>, or Authorization: Bearer <key>; `rpsd keys create` makes one."


class Forbidden(RpsdError):
    """A valid key without the scope that the operation declares, or a host that is not allowed."""

    code, kind, title, status = "forbidden", Kind.DENIED, "The key may not do this", 403
    hint = "Ask the operator for a key with the scope named in the detail."


class UnknownKey(RpsdError):
    """An API key id that does not exist."""

    code, kind, title = "unknown_key", Kind.MISSING, "No such key"
    hint = "`rpsd keys list` shows the keys."


class RateLimited(RpsdError):
    """More calls than the limit of the key or peer."""

    code, kind, title, status = "rate_limited", Kind.BUSY, "Too many requests", 429
    hint = "Wait for Retry-After seconds; `rpsd keys create --limit` raises the limit of a key."


class LockedOut(RpsdError):
    """Too many failed logins from one peer; keys that worked from there lately go on working."""

    code, kind, title, status = "locked_out", Kind.BUSY, "Too many failed logins from this address", 429
    hint = "Wait for Retry-After seconds and send a valid key; each further round of failures doubles the wait, up to an hour."


class UnknownChannel(RpsdError):
    """A channel that no stream has."""

    code, kind, title = "unknown_channel", Kind.MISSING, "No such channel"
    hint = (
        "Channels are jobs, alerts, drift, models, samples:SYMBOL:INTERVAL, denoise:SYMBOL:INTERVAL, regime:SYMBOL:INTERVAL, book:SYMBOL "
        "and prediction:SYMBOL."
    )


class BadFrame(RpsdError):
    """A WebSocket frame that is no JSON object of a known type, or breaks its schema."""

    code, kind, title = "bad_frame", Kind.INPUT, "The frame cannot be used"
    hint = "Send one JSON object a frame with a known type; the chapter on live events lists them."


class BadDestination(RpsdError):
    """An address that rpsd must not speak to: not public, not http or https, or a name that leads to such a one."""

    code, kind, title = "bad_destination", Kind.INPUT, "The address may not be called"
    hint = "Give a public address, or list its network with the receiver as `private`."
