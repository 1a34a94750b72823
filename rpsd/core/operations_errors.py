"""The errors of operations; core/errors.py lists them with all others."""

from rpsd.core.fault import Kind, RpsdError


class UnknownAlert(RpsdError):
    """An id that no alert has."""

    code, kind, title = "unknown_alert", Kind.MISSING, "No such alert"
    hint = "`rpsd alerts list`, or GET /api/v1/admin/alerts, shows the alerts."
