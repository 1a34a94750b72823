"""Materialising feature views: what is new, every few minutes, and what somebody asks for."""

import json
from typing import Any, Final

from rpsd.jobs.job import Job, JobContext
from rpsd.services.feature.materialise import JOB


def run(context: JobContext) -> dict[str, Any]:
    """Take in the closed bars that no view has seen; a run that is stopped has written what it got to, and the next goes on from there.

    Result: Materialiser.run. Args: {"view": "core_technical"} takes that one alone, for all series that have its columns, or for the
    entities that came with the run.
    """
    given = context.services.job.given(context.run_id)
    entities = None if given is None else json.loads(given)
    return {"views": context.services.feature.materialiser.run(context.args.get("view"), entities, go_on=context.go_on)}


MATERIALISE: Final = Job(JOB, "Compute feature views.", lambda settings: settings.jobs.materialise, run, arguments=("view",))
