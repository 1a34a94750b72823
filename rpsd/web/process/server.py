"""The serving process: both listeners on one uvloop, signals, systemd, the reaper; it answers /health before anything is warm."""

import asyncio
import contextlib
import gc
import signal
import socket
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, Literal

import uvloop

from rpsd.config.exposure import exposure_faults
from rpsd.config.read import refused
from rpsd.services.wiring import GIVE_WAY_SECONDS
from rpsd.web.edge import Edge
from rpsd.web.process.descriptors import room_for
from rpsd.web.process.listen import Listeners, listen
from rpsd.web.process.notify import Watchdog, extend_timeout, notify, reloading, watchdog_seconds
from rpsd.web.process.parting import part
from rpsd.web.process.reaper import Reaper
from rpsd.web.process.renewal import Renewal
from rpsd.web.process.silence import Patience
from rpsd.web.stream.streams import Streams

if TYPE_CHECKING:
    from rpsd.services.wiring import Services
    from rpsd.web.process.engine import Engine

EngineName = Literal["granian", "uvicorn"]
_CERTIFICATE_SECONDS: Final = 60.0  # between two looks at the files of the certificate
_COLLECT: Final = (5_000, 5, 100)
"""When the collector looks for cycles. By default it walks all requests that wait, thousands with a crowd, many times a second."""
_TURN: Final = 0.001
"""Seconds after which a thread that computes gives others their turn, the loop above all."""
_TURN_AT_START: Final = 0.005
"""The same while modules and kernels are loaded: what the first answers wait for, and slower with each change of turns."""
_LOOK: Final = 0.02  # seconds
_THREADS: Final = 32  # calls that compute or read, at a time; more would only wait for the two locks, GIL and disk


class Server:
    """One serving process.

    `started` runs once requests are answered (the scheduler starts there), `reload` at SIGHUP and says in a sentence how it went; `ready`
    is set once both listeners are up and `stop()` may be called from any thread.
    """

    def __init__(
        self,
        services: "Services",
        *,
        started: Callable[[], None] = lambda: None,
        reload: Callable[[], str] = lambda: "nothing to reload",
        engine: EngineName = "granian",
    ) -> None:
        self._services, self._started, self._reload, self._engine = services, started, reload, engine
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop = asyncio.Event()
        self._renewing = asyncio.Lock()
        self._renewals: list[Renewal] = []
        self.ready = threading.Event()
        self.port = self.monitoring_port = 0
        self.exit_code = 0

    def run(self) -> int:
        """Serve until SIGTERM, SIGINT or stop(); the exit code. Raises AddressTaken, BadConfig before anything is served."""
        server = self._services.settings.server
        sys.setswitchinterval(_TURN_AT_START)
        gc.set_threshold(*_COLLECT)
        outbound = server.outbound_socket if self._services.outside.relay is not None else None
        listeners = listen(server.host, server.port, server.admin_socket, self._own_monitoring_port(), outbound)
        try:
            self._refuse_exposure(listeners)
            uvloop.run(self._serve(listeners))
        finally:
            listeners.close()
        return self.exit_code

    def _refuse_exposure(self, listeners: Listeners) -> None:
        """Raise BadConfig when a socket that was passed to us listens where server.host does not say, and that would be unsafe."""
        settings = self._services.settings
        for bound in (listeners.tcp, listeners.monitoring):
            if bound is not None and (faults := exposure_faults(settings, str(bound.getsockname()[0]))):
                raise refused(faults)

    def _own_monitoring_port(self) -> int | None:
        """The port of the second listener, if monitoring is to have one of its own."""
        settings = self._services.settings
        given, api = settings.monitoring.metrics_port, settings.server.port
        return None if given == api or not settings.monitoring.metrics_enabled else given

    def stop(self) -> None:
        """Ask the server to end, from any thread; harmless when it has ended."""
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop is closed
                self._loop.call_soon_threadsafe(self._stop.set)

    async def _serve(self, listeners: Listeners) -> None:
        self._loop = loop = asyncio.get_running_loop()
        loop.set_default_executor(ThreadPoolExecutor(_THREADS, thread_name_prefix="request"))
        inner = loop.run_in_executor(None, self._build)  # probes are answered meanwhile
        streams = Streams(self._services)
        streams.open()
        edge, monitoring = Edge(inner, self._services, streams=streams), Edge(inner, self._services, monitoring=True)
        admin = Edge(inner, self._services, admin=True, streams=streams)
        outbound = Edge(inner, self._services, outbound=True)
        sockets = ((edge, listeners.tcp), (monitoring, listeners.monitoring), (admin, listeners.admin), (outbound, listeners.outbound))
        engines = [self._engine_of(app, listener) for app, listener in sockets if listener is not None]
        serving = [loop.create_task(engine.serve()) for engine in engines]
        self._catch_signals(loop)
        server = self._services.settings.server
        patience = Patience(server.first_byte_timeout, server.header_timeout, server.keepalive, server.body_timeout)
        reaper = Reaper(listeners.ports, patience, lambda peer: peer in edge.in_flight or peer in monitoring.in_flight)
        reaper.start()
        streams.cut = reaper.cut
        self.port, self.monitoring_port = listeners.ports[0], listeners.ports[-1]
        await inner
        threading.Thread(target=self._warm, name="warm-up", daemon=True).start()
        tasks = [loop.create_task(self._feed_watchdog()), loop.create_task(self._watch_certificate())]
        notify("READY=1", f"STATUS=serving on port {listeners.port}")
        self.ready.set()
        await self._until_first_answers()
        await asyncio.to_thread(self._started)
        await self._until_stopped(serving)
        notify("STOPPING=1", "STATUS=finishing requests")
        self._services.leave()
        await streams.close()
        await part((edge, monitoring, admin), engines, reaper)
        await self._finish(engines, serving, listeners)
        reaper.stop()
        for task in tasks:
            task.cancel()

    async def _until_first_answers(self) -> None:
        """Clients wait for the first kernels, and then for the answers that need them; for what is started afterwards nobody does."""
        deputy = self._services.denoise.deputy
        while "denoise" in self._services.loading and not self._stop.is_set():
            if deputy is not None and deputy.on_duty:
                sys.setswitchinterval(_TURN)  # what is loaded now nobody waits for
            await asyncio.sleep(_LOOK)
        sys.setswitchinterval(_TURN)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stop.wait(), GIVE_WAY_SECONDS)

    def _build(self) -> Any:
        """The application; the framework takes its time to load and to look at every route."""
        from rpsd.web.app import build_inner

        return build_inner(self._services)

    def _engine_of(self, app: Edge, listener: socket.socket) -> "Engine":
        given = self._services.settings.server
        settings = replace(given, max_connections=room_for(given.max_connections))
        if self._engine == "uvicorn":
            from rpsd.web.process.plan_b import Uvicorn as Chosen
        else:
            from rpsd.web.process.engine import Granian as Chosen
        if settings.tls_cert is None or listener.family == socket.AF_UNIX:
            plain: Engine = Chosen(app, listener, settings)
            return plain
        self._renewals.append(Renewal(lambda: Chosen(app, listener, settings, tls=True)))
        return self._renewals[-1]

    async def _watch_certificate(self) -> None:
        """Take up a renewed certificate within a minute of its coming."""
        if not self._renewals:
            return
        await asyncio.to_thread(self._services.certificate.take)
        while True:
            await asyncio.sleep(_CERTIFICATE_SECONDS)
            await self.renew_certificate()

    async def renew_certificate(self) -> None:
        """Take up the certificate if other files lie there that can serve; no connection is refused or cut, whatever the files are."""
        watch = self._services.certificate
        async with self._renewing:
            if not self._renewals or not await asyncio.to_thread(watch.look):
                return
            try:
                good = all([await renewal.renew() for renewal in self._renewals])
            except OSError as error:  # an SSLError is one
                watch.refuse(str(error))
                return
            if good:
                await asyncio.to_thread(watch.take)
                told = {"sha256": watch.serving.fingerprint} if watch.serving else {}
                self._services.access.record("files", "certificate.renew", str(self._services.settings.server.tls_cert), told)
            elif not self._stop.is_set():
                watch.refuse("the engine does not serve it")

    def _catch_signals(self, loop: asyncio.AbstractEventLoop) -> None:
        """SIGTERM and SIGINT end, SIGHUP reloads; only the main thread may catch them (a test runs the server in another)."""
        if threading.current_thread() is not threading.main_thread():
            return
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        loop.add_signal_handler(signal.SIGHUP, lambda: loop.create_task(self._reload_now()))

    async def _reload_now(self) -> None:
        reloading()
        outcome = await asyncio.to_thread(self._reload)
        await self.renew_certificate()
        notify("READY=1", f"STATUS={outcome}")

    def _warm(self) -> None:
        """Compile or load the kernels; /health/ready tells when. A failure is logged, and the service stays not ready."""
        try:
            try:
                self._services.warm()
            finally:
                gc.enable()  # nothing of the start is garbage, and the collector would walk all of it again and again
            if not self._services.health.kernels_warm:  # the end came first
                return
            gc.collect()
            gc.freeze()  # what is loaded by now stays: a later collection that walked it would hold every request for 50 ms
            self._tell()
        except Exception:  # noqa: BLE001 - whatever it was, the thread must say so
            from rpsd.telemetry import logger

            logger().exception("warm-up failed", operation="warm_up", outcome="error")

    def _tell(self) -> None:
        """One line of what there is, once everything is there to be counted; before it one of what there is not."""
        from rpsd.telemetry import logger

        asked = self._services.settings.server.max_connections
        if (room := room_for(asked)) < asked:
            logger(operation="start").warning(
                f"descriptors for {room} of server.max_connections {asked} only: raise LimitNOFILE of the unit, or `ulimit -Hn`"
            )
        counts = self._services.ml_status.banner()
        words = ", ".join(f"{counts[name]} {name}" for name in ("features", "views", "models", "candidates", "experiments", "sources"))
        logger(operation="start").info(f"rpsd is warm: {words}", **counts)

    async def _feed_watchdog(self) -> None:
        """From the serving loop: a loop that stands still does not feed."""
        period = watchdog_seconds()
        if period is None:
            return
        watchdog = Watchdog(lambda: self._services.database.heartbeat_ns, period)
        while True:
            watchdog.feed()
            await asyncio.sleep(period / 3)

    async def _until_stopped(self, serving: list[asyncio.Task[None]]) -> None:
        """Return when asked to stop, or with exit code 70 when a listener died on its own."""
        asked = asyncio.ensure_future(self._stop.wait())
        await asyncio.wait([asked, *serving], return_when=asyncio.FIRST_COMPLETED)
        if not asked.done():
            self.exit_code = 70
            asked.cancel()

    async def _finish(self, engines: "list[Engine]", serving: list[asyncio.Task[None]], listeners: Listeners) -> None:
        """Accept no more (new connections are refused, or wait in systemd's backlog); what is not finished within the grace is cut."""
        grace = self._services.settings.server.shutdown_grace
        extend_timeout(grace + 10)
        for engine in engines:
            engine.stop()
        listeners.close()
        _, left = await asyncio.wait(serving, timeout=grace)
        for task in left:
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.gather(*serving, return_exceptions=True)


def run_server(
    services: "Services",
    *,
    started: Callable[[], None] = lambda: None,
    reload: Callable[[], str] = lambda: "nothing to reload",
    engine: EngineName = "granian",
) -> int:
    """Serve until SIGTERM; the exit code. See Server."""
    return Server(services, started=started, reload=reload, engine=engine).run()
