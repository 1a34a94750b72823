"""Everything that happens by itself, or by `rpsd jobs run`; this tuple alone tells what happens at night."""

from typing import Final

from rpsd.jobs.anchor import ANCHOR
from rpsd.jobs.backup import BACKUP
from rpsd.jobs.book_backtest import BOOK_BACKTEST
from rpsd.jobs.book_train import BOOK_TRAIN
from rpsd.jobs.drift_scan import DRIFT_SCAN
from rpsd.jobs.fetch import FETCH
from rpsd.jobs.inbox import INBOX
from rpsd.jobs.job import Job
from rpsd.jobs.materialise import MATERIALISE
from rpsd.jobs.offsite import OFFSITE
from rpsd.jobs.restore_drill import RESTORE_DRILL
from rpsd.jobs.retrain import RETRAIN
from rpsd.jobs.search import SEARCH
from rpsd.jobs.upkeep import UPKEEP
from rpsd.jobs.watch import WATCH

JOBS: Final[tuple[Job, ...]] = (
    ANCHOR,
    BACKUP,
    BOOK_BACKTEST,
    BOOK_TRAIN,
    DRIFT_SCAN,
    FETCH,
    INBOX,
    MATERIALISE,
    OFFSITE,
    RESTORE_DRILL,
    RETRAIN,
    SEARCH,
    UPKEEP,
    WATCH,
)
