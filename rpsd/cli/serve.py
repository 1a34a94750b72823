"""`rpsd serve`: composes services, scheduler and web server into the one process that systemd starts."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rpsd.cli.output import ConfigFile
from rpsd.cli.reach import keep_kernels, load, refuse_faults

if TYPE_CHECKING:
    from rpsd.config import Settings
    from rpsd.jobs.runner import Scheduler
    from rpsd.services.denoise.deputy import Deputy
    from rpsd.services.wiring import Services
    from rpsd.telemetry import LogWriter


def serve(
    host: Annotated[str | None, typer.Option("--host", help="Address to listen on; else server.host.")] = None,
    port: Annotated[int | None, typer.Option("--port", help="Port to listen on; else server.port.")] = None,
    engine: Annotated[str, typer.Option("--engine", help="granian, or uvicorn as plan B.", hidden=True)] = "granian",
    outbound: Annotated[
        str, typer.Option("--outbound", help="self, or unit: `rpsd outbound` fetches and tells for this process.")
    ] = "self",
    config_file: ConfigFile = None,
) -> None:
    """Serve until SIGTERM or Ctrl-C. SIGHUP reads the settings again."""
    if outbound not in ("self", "unit"):
        raise typer.BadParameter("expected self or unit", param_hint="--outbound")
    import gc

    gc.disable()  # until the server is warm
    flags: dict[str, object] = {"server.host": host, "server.port": port}
    settings, deputy = begun(config_file, flags, distant=outbound == "unit")
    from rpsd.config.exposure import exposure_warnings
    from rpsd.services.wiring import open_services
    from rpsd.telemetry import configure_logging, logger, spare_memory

    spare_memory()
    monitoring = settings.monitoring
    writer = configure_logging(monitoring.log_level, monitoring.log_format, monitoring.log_file)
    services = open_services(settings, distant=outbound == "unit", deputy=deputy)
    writer.on_drop = services.metrics.log_dropped_total.inc
    try:
        logger(operation="start").info("rpsd starts", data_dir=str(settings.storage.data_dir), config=str(settings.path or "defaults"))
        for warning in exposure_warnings(settings):
            logger(operation="start").warning(warning.reason, place=warning.pointer)
        tell_exposure(services, settings)
        code = run(services, reload=reloader(settings, services, writer, flags), engine=engine)
        logger(operation="stop").info("rpsd stops", outcome="success" if code == 0 else "error")
    finally:
        services.close()
        writer.close()
    raise typer.Exit(code)


def begun(config_file: Path | None, flags: dict[str, object], *, distant: bool) -> "tuple[Settings, Deputy]":
    """The settings, and who denoises until the server can: its worker loads beside all that follows, and dies with this thread."""
    from rpsd.services.spawning import spawn

    worker = spawn()
    try:
        from rpsd.services.denoise.deputy import Deputy

        settings = load(config_file, flags)
        refuse_faults(settings, distant=distant)
        keep_kernels(settings)
        stand_by(settings)
        deputy = Deputy.here(settings, worker)
    except BaseException:
        worker.end()
        raise
    deputy.begin()
    return settings, deputy


def stand_by(settings: "Settings") -> None:
    """Wait while releases are switched and the data must not be touched; systemd is told that the start takes longer."""
    from rpsd.services.standstill import wait_for_end
    from rpsd.web.process.notify import extend_timeout

    wait_for_end(settings.storage.data_dir, lambda: extend_timeout(30.0))


def tell_exposure(services: "Services", settings: "Settings") -> None:
    """Put into the audit log that plain HTTP is allowed from a network."""
    if networks := [str(network) for network in settings.server.plain_http_from]:
        services.access.record("settings", "server.plain_http", settings.server.host, {"from": networks})


def run(
    services: "Services", *, reload: Callable[[], str] = lambda: "nothing to reload", engine: str = "granian",
    started: Callable[[], None] = lambda: None,
) -> int:  # fmt: skip
    """Serve with the scheduler beside until the server ends; its exit code. The services stay open."""
    import threading

    from rpsd.web.process.server import run_server

    running: list[Scheduler] = []

    def begin() -> None:
        from rpsd.jobs.runner import Scheduler  # the first answer need not wait for what runs later

        running.append(Scheduler(services))
        if not services.probation.holds:
            running[0].start()
        else:  # jobs write, too
            threading.Thread(target=after_probation, args=(services, running[0].start), name="probation", daemon=True).start()
        started()

    try:
        return run_server(services, started=begin, reload=reload, engine="uvicorn" if engine == "uvicorn" else "granian")
    finally:
        for scheduler in running:
            scheduler.stop()


def after_probation(services: "Services", begin: Callable[[], None]) -> None:
    """Begin once an upgrade has been accepted."""
    import time

    while services.probation.holds:
        time.sleep(0.1)
    begin()


def reloader(settings: "Settings", services: "Services", writer: "LogWriter", flags: dict[str, object]) -> Callable[[], str]:
    """What SIGHUP does: live settings are taken over; a broken file keeps the old ones. The value says in a sentence how it went."""
    import os

    from rpsd.config import reload
    from rpsd.telemetry import configure_logging, logger

    current = [settings]

    def again() -> str:
        log = logger(operation="reload")
        outcome = reload(current[0], os.environ, flags)
        services.metrics.config_last_reload_successful.set(0 if outcome.error else 1)
        if outcome.error is not None:
            faults = [f"{fault.pointer}: {fault.reason}" for fault in outcome.error.errors]
            log.error("reload failed, the old settings stay", outcome="error", error_code=outcome.error.code, faults=faults)
            services.access.record(
                "SIGHUP", "config.refuse", str(settings.path or "defaults"), {"code": outcome.error.code, "faults": len(faults)}
            )
            return f"reload failed, the old settings stay: {outcome.error.detail}"
        current[0] = outcome.settings
        monitoring = outcome.settings.monitoring
        configure_logging(monitoring.log_level, monitoring.log_format, monitoring.log_file, writer=writer)
        told = {"applied": list(outcome.applied), "needs_restart": list(outcome.pending)}
        audited = {"changes": {change.name: {"from": change.before, "to": change.after} for change in outcome.changes}}
        services.access.record("SIGHUP", "config.reload", str(settings.path or "defaults"), told | audited)
        log.info("settings reloaded", outcome="success", **told, changes=[f"{name}: {old} → {new}" for name, old, new in outcome.changes])
        waiting = f"; waiting for a restart: {', '.join(outcome.pending)}" if outcome.pending else ""
        return f"reloaded: {', '.join(outcome.applied) or 'nothing changed at once'}{waiting}"

    return again
