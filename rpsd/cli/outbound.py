"""`rpsd outbound`: speaks with the outside for a server that has no network of its own."""

from typing import TYPE_CHECKING

from rpsd.cli.output import ConfigFile
from rpsd.cli.reach import load

if TYPE_CHECKING:
    import threading

    from rpsd.outbound.carrier import Carrier


def outbound(config_file: ConfigFile = None) -> None:
    """Fetch market data, tell receivers of alerts and copy backups away for `rpsd serve --outbound unit`, until SIGTERM or Ctrl-C.

    It takes its work from server.outbound_socket, never opens the database, and may be stopped and started at any time.
    """
    import signal
    import threading

    from rpsd.client import Client
    from rpsd.config.read import refused
    from rpsd.config.secret import webhook_faults
    from rpsd.outbound.carrier import Carrier
    from rpsd.telemetry import configure_logging, logger
    from rpsd.web.process.notify import notify

    settings = load(config_file)
    if faults := webhook_faults(settings):
        raise refused(faults)
    writer = configure_logging(settings.monitoring.log_level, settings.monitoring.log_format, None)
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    log = logger(operation="outbound")
    with Client(socket=settings.server.outbound_socket, timeout=30.0) as client:
        carrier = Carrier(settings, client)
        threading.Thread(target=carrier.run, name="carrier", daemon=True).start()
        notify("READY=1", f"STATUS=carrying out for {settings.server.outbound_socket}")
        log.info("rpsd outbound starts", socket=str(settings.server.outbound_socket), config=str(settings.path or "defaults"))
        wait_fed(carrier, ended)
        notify("STOPPING=1")
        carrier.stop()
    log.info("rpsd outbound stops", outcome="success")
    writer.close()


def wait_fed(carrier: "Carrier", ended: "threading.Event") -> None:
    """Until `ended`, feed systemd's watchdog as long as the carrier asks for work."""
    from rpsd.web.process.notify import Watchdog, watchdog_seconds

    period = watchdog_seconds()
    if period is None:
        ended.wait()
        return
    watchdog = Watchdog(lambda: carrier.beats, period)
    while not ended.wait(period / 3):
        watchdog.feed()
