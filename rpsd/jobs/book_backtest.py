"""A backtest of an order-book model, as POST /api/v1/books/{symbol}/backtest asks for it."""

from typing import Any, Final

from rpsd.jobs.job import Job, JobContext
from rpsd.services.book.backtest import JOB


def run(context: JobContext) -> dict[str, Any]:
    """Result: the report; see BacktestService.work. Runs by hand have nothing to replay."""
    return context.services.backtest.work(context.run_id, progress=context.progress, cancelled=context.cancelled)


BOOK_BACKTEST: Final = Job(
    JOB,
    "Put a model of an order book to a test with latency, fees and queues.",
    lambda _settings: None,
    run,
    arguments=("symbol", "model", "strategy", "fees"),
)
