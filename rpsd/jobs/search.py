"""A search over settings of denoising, as POST /api/v1/denoise/search asks for it."""

from typing import Any, Final

from rpsd.jobs.job import Job, JobContext
from rpsd.services.denoise.search import JOB


def run(context: JobContext) -> dict[str, Any]:
    """Result: the table of settings with their scores, and the best; see DenoiseSearch.work. Runs by hand have nothing to search."""
    return context.services.denoise_search.work(context.run_id, progress=context.progress, cancelled=context.cancelled)


SEARCH: Final = Job(
    JOB,
    "Judge a grid of denoising settings fold by fold.",
    lambda _settings: None,
    run,
    arguments=("method", "data", "settings"),
)
