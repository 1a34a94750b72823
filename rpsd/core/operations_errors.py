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


class InMaintenance(RpsdError):
    """A write that came while a new release was being watched and did not prove itself in time."""

    code, kind, title, status = "maintenance", Kind.BUSY, "Writes wait for an upgrade", 503
    hint = "Send it again; an upgrade that changes the layout of the data holds writes for some seconds."


class UnknownRelease(RpsdError):
    """A version that is not installed on this machine."""

    code, kind, title = "unknown_release", Kind.MISSING, "No such release"
    hint = "`rpsd release list` shows the releases on this machine."


class ReleaseRefused(RpsdError):
    """A release that did not pass what is tried before it takes over; nothing was changed."""

    code, kind, title = "release_refused", Kind.CONFLICT, "The release does not take over"
    hint = "The former release serves on. Mend what the detail names and try again: rpsd release activate VERSION."


class ReleaseRolledBack(RpsdError):
    """A release that took over and did not serve; the one before serves again."""

    code, kind, title = "release_rolled_back", Kind.CONFLICT, "The upgrade was rolled back"
    hint = "`journalctl -u rpsd` holds what the release said; `rpsd release list` shows what serves now."
