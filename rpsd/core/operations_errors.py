"""The errors of operations; core/errors.py lists them with all others."""

from rpsd.core.fault import Kind, RpsdError


class OutboundMissing(RpsdError):
    """Something has to go out, and the process that carries it out does not come for it."""

    code, kind, title, status = "outbound_missing", Kind.BUSY, "Nothing goes out", 503
    hint = "`systemctl status rpsd-outbound` tells why; `rpsd outbound` runs it by hand."


class UnknownAlert(RpsdError):
    """An id that no alert has."""

    code, kind, title = "unknown_alert", Kind.MISSING, "No such alert"
    hint = "`rpsd alerts list`, or GET /api/v1/admin/alerts, shows the alerts."
