"""Logs, metrics and readings of the machine: the only home of structlog, prometheus-client and psutil."""

from rpsd.telemetry.logs import LogWriter, configure_logging, logger, request_line
from rpsd.telemetry.memory import spare_memory
from rpsd.telemetry.metrics import Metrics
from rpsd.telemetry.system import Readings, SystemMonitor

__all__ = ["LogWriter", "Metrics", "Readings", "SystemMonitor", "configure_logging", "logger", "request_line", "spare_memory"]
