"""Every error that a client or an operator can meet: one class, one code, one hint."""

from rpsd.core.access_errors import (
    BadDestination,
    BadFrame,
    Forbidden,
    LockedOut,
    RateLimited,
    Unauthenticated,
    UnknownChannel,
    UnknownKey,
)
from rpsd.core.fault import Fault, Kind, RpsdError
from rpsd.core.model_errors import (
    BadModelFile,
    BadView,
    DegenerateFit,
    FeatureGraphChanged,
    GateRefused,
    NoModel,
    RandomSplitRefused,
    SourceFailed,
    UnknownExperiment,
    UnknownFeature,
    UnknownModel,
    UnknownRun,
    UnknownView,
)
from rpsd.core.operations_errors import InMaintenance, OutboundMissing, ReleaseRefused, ReleaseRolledBack, UnknownAlert, UnknownRelease

__all__ = [
    "ERRORS",
    "BadDestination",
    "BadFrame",
    "BadModelFile",
    "BadView",
    "DegenerateFit",
    "Fault",
    "FeatureGraphChanged",
    "Forbidden",
    "GateRefused",
    "InMaintenance",
    "Kind",
    "LockedOut",
    "NoModel",
    "OutboundMissing",
    "RandomSplitRefused",
    "RateLimited",
    "ReleaseRefused",
    "ReleaseRolledBack",
    "RpsdError",
    "SourceFailed",
    "Unauthenticated",
    "UnknownAlert",
    "UnknownChannel",
    "UnknownExperiment",
    "UnknownFeature",
    "UnknownKey",
    "UnknownModel",
    "UnknownRelease",
    "UnknownRun",
    "UnknownView",
]


class InternalError(RpsdError):
    """An unexpected exception; the cause is in the log under the request id and never shown."""


class InvalidRequest(RpsdError):
    """A request that parses but breaks the schema: unknown field, wrong type, out of bounds."""

    code, kind, title = "invalid_request", Kind.INPUT, "The request is not valid"
    hint = "Compare the request with /openapi.json; `errors` points at each bad place."


class MalformedBody(RpsdError):
    """A body that cannot be parsed at all: broken JSON, bad UTF-8, bad gzip, too deep, empty."""

    code, kind, title, status = "malformed_body", Kind.INPUT, "The body cannot be parsed", 400
    hint = "Send a complete, UTF-8 encoded body of the announced content type, at most 32 levels deep."


class BodyTooLarge(RpsdError):
    """A body, before or after decompression, above the configured limit."""

    code, kind, title, status = "body_too_large", Kind.INPUT, "The body is too large", 413
    hint = "Split the request, or raise server.max_body_bytes (server.max_stream_bytes for rows)."


class UrlTooLong(RpsdError):
    """A path or a query string that is longer than any that the appliance has use for."""

    code, kind, title, status = "url_too_long", Kind.INPUT, "The URL is too long", 414
    hint = "Ask for less at a time, or send it as a body where the path takes one."


class UnsupportedMediaType(RpsdError):
    """A content type or encoding that the route does not read."""

    code, kind, title, status = "unsupported_media_type", Kind.INPUT, "The content type is not supported", 415
    hint = "The route's entry in /openapi.json lists the content types it reads."


class NotAcceptable(RpsdError):
    """An Accept header that names nothing the route can write."""

    code, kind, title, status = "not_acceptable", Kind.INPUT, "No acceptable representation", 406
    hint = "Ask for application/json, or for one of the types listed in /openapi.json."


class MethodNotAllowed(RpsdError):
    """A known path, asked with a method that it does not have."""

    code, kind, title, status = "method_not_allowed", Kind.INPUT, "The method is not allowed here", 405
    hint = "The Allow header lists the methods of this path."


class RequestTimeout(RpsdError):
    """A client that did not finish its body within server.body_timeout."""

    code, kind, title, status = "request_timeout", Kind.INPUT, "The request took too long to arrive", 408
    hint = "Send the body without pauses, or raise server.body_timeout."


class BadRows(RpsdError):
    """Sample rows that cannot be stored: NaN, infinity, unsorted or duplicate times, wrong lengths, bad cells."""

    code, kind, title = "bad_rows", Kind.INPUT, "Some rows cannot be stored"
    hint = "Mend the rows listed in `errors`, or send the request with ?on_error=skip to store the good ones."


class BadTime(RpsdError):
    """A time that cannot be read without guessing: naive, ambiguous, out of range, US order."""

    code, kind, title = "bad_time", Kind.INPUT, "A time cannot be read without guessing"
    hint = "Send ISO 8601 with an offset, a date, or int64 nanoseconds; name ?tz= or ?date_format= for anything else."


class BadCsv(RpsdError):
    """A CSV file whose header or layout is not what the contract describes."""

    code, kind, title = "bad_csv", Kind.INPUT, "The CSV cannot be read"
    hint = "First line: a time column (t, time, timestamp, date, datetime) and numeric columns; comma separated, UTF-8."


class BadSymbol(RpsdError):
    """A symbol or interval outside the grammar."""

    code, kind, title = "bad_symbol", Kind.INPUT, "The symbol or interval is malformed"
    hint = "Symbols: A-Z 0-9 . _ = ^ - up to 32 characters; intervals: tick 1s 5s 15s 30s 1m 5m 15m 30m 1h 2h 4h 1d 1w."


class BadRange(RpsdError):
    """An end before its start, or an end in the future."""

    code, kind, title = "bad_range", Kind.INPUT, "The time range is not valid"
    hint = "The end must be after the start and not in the future."


class NotFinite(RpsdError):
    """NaN or infinity where a finite number is needed."""

    code, kind, title = "not_finite", Kind.INPUT, "A value is not a finite number"
    hint = "Remove the value, send null where the schema allows it, or choose a fill policy."


class TooShort(RpsdError):
    """Fewer points than the computation can work with."""

    code, kind, title = "too_short", Kind.INPUT, "Too few points"
    hint = "Send more data; the detail names how many are needed."


class ConstantSeries(RpsdError):
    """A series without any variation, where a fit needs some."""

    code, kind, title = "constant_series", Kind.INPUT, "The series is constant"
    hint = "Check the feed: a fit needs values that move."


class NotPositive(RpsdError):
    """Zero or negative prices where a logarithm is taken."""

    code, kind, title = "not_positive", Kind.INPUT, "Prices must be positive on the log scale"
    hint = "Mend the prices, or choose the price scale."


class GuardrailFailed(RpsdError):
    """A denoised result that failed its guardrails under on_failure: reject."""

    code, kind, title = "guardrail_failed", Kind.INPUT, "The result failed its guardrails"
    hint = "Use guardrails.on_failure back_off or flag, or a gentler method."


class UnknownRegimeType(InvalidRequest):
    """A regime type that is none of 2_state, 3_state, 4_state, 5_state and auto."""

    code, kind, title = "unknown_regime_type", Kind.INPUT, "Unknown regime type"
    hint = "Ask for 2_state, 3_state, 4_state, 5_state or auto."


class BadBook(RpsdError):
    """Book records that cannot be true or cannot be read: crossed, unsorted, negative, stale, off the tick, out of order."""

    code, kind, title = "bad_book", Kind.INPUT, "Some book records cannot be used"
    hint = "`errors` names the records and their rules; send the request with ?on_error=skip to keep the good ones."


class UnknownMethod(RpsdError):
    """A method name that is not in the catalogue, or not of the asked causality."""

    code, kind, title = "unknown_method", Kind.INPUT, "Unknown method"
    hint = "GET /api/v1/denoise/methods lists the methods and their causality."


class BadParameter(RpsdError):
    """A method parameter that is unknown or out of bounds."""

    code, kind, title = "bad_parameter", Kind.INPUT, "A method parameter is not valid"
    hint = "`errors` says what is allowed; GET /api/v1/denoise/methods lists the parameters of denoising."


class UnknownRoute(RpsdError):
    """A path that the appliance does not have."""

    code, kind, title = "unknown_route", Kind.MISSING, "No such path"
    hint = "See /docs for all paths; the API lives under /api/v1."


class UnknownSeries(RpsdError):
    """A (symbol, interval) that has no stored samples."""

    code, kind, title = "unknown_series", Kind.MISSING, "No such series"
    hint = "Post samples to /api/v1/series/{symbol}/{interval}/samples or `rpsd series import` them; GET /api/v1/series lists all."


class UnknownColumn(RpsdError):
    """A column that the series does not have."""

    code, kind, title = "unknown_column", Kind.MISSING, "No such column"
    hint = "GET /api/v1/series/{symbol}/{interval} lists the columns."


class UnknownBook(RpsdError):
    """A symbol whose order book was never fed."""

    code, kind, title = "unknown_book", Kind.MISSING, "No such order book"
    hint = "Post snapshots to /api/v1/books/{symbol}/snapshots or `rpsd books import` them; GET /api/v1/books lists all."


class UnknownJob(RpsdError):
    """A job id or name that does not exist."""

    code, kind, title = "unknown_job", Kind.MISSING, "No such job"
    hint = "GET /api/v1/jobs or `rpsd jobs list` shows the runs; jobs are retrain, search, book_train, book_backtest, upkeep and backup."


class UnknownFile(RpsdError):
    """A file named on the command line that does not exist or cannot be read."""

    code, kind, title = "unknown_file", Kind.MISSING, "No such file"
    hint = "Check the path and its permissions."


class IdempotencyConflict(RpsdError):
    """The same Idempotency-Key with another body."""

    code, kind, title = "idempotency_conflict", Kind.CONFLICT, "The idempotency key was used with another body"
    hint = "Use a fresh key for a new request; repeat the exact body to get the first answer again."


class StateConflict(RpsdError):
    """A request that the present state does not allow: cancel a finished job, promote twice."""

    code, kind, title = "state_conflict", Kind.CONFLICT, "The present state does not allow this"
    hint = "Read the resource again and decide anew."


class BookGap(RpsdError):
    """Incremental updates that do not continue the book: at least one is missing."""

    code, kind, title = "book_gap", Kind.CONFLICT, "The updates do not continue the book"
    hint = "Post a snapshot with its update id to /api/v1/books/{symbol}/snapshots, then the updates that follow it."


class BookNotValid(RpsdError):
    """A prediction from a live book that is empty, out of step, crossed, or too old."""

    code, kind, title = "book_not_valid", Kind.CONFLICT, "The book is not in a state to predict from"
    hint = "Feed it what the detail says it waits for; of a book of the past, send its `snapshots` with the request."


class BadBackup(RpsdError):
    """A backup file that is damaged, of a newer schema, or not a backup at all."""

    code, kind, title = "bad_backup", Kind.CONFLICT, "The backup cannot be used"
    hint = "Run `rpsd backup verify FILE`; take another backup; upgrade rpsd for a newer schema."


class Unavailable(RpsdError):
    """Not ready, shutting down, in maintenance, or the writer has stopped."""

    code, kind, title, status = "unavailable", Kind.BUSY, "The service cannot do this now", 503
    hint = "Try again shortly; GET /health/ready says what is missing."


class DeadlineExceeded(RpsdError):
    """Work that outlived its deadline and was interrupted."""

    code, kind, title, status = "deadline_exceeded", Kind.BUSY, "The work took too long and was stopped", 503
    hint = "Ask for a smaller range, or raise server.request_timeout."


class DiskFull(RpsdError):
    """Not enough free space to write safely; reads go on."""

    code, kind, title, status = "disk_full", Kind.BUSY, "The disk is full", 507
    hint = "Free space under storage.data_dir; writes resume by themselves."


class DirectoryLocked(RpsdError):
    """Another process owns the data directory."""

    code, kind, title, status = "directory_locked", Kind.BUSY, "Another rpsd owns this data directory", 503
    hint = "Stop the other process, or use the running server through its admin socket."


class AddressTaken(RpsdError):
    """Another process listens on the address already."""

    code, kind, title, status = "address_taken", Kind.BUSY, "The address is in use", 503
    hint = "Stop the other process (`ss -ltnp` shows it), or set server.port to another port."


class WorkerFailed(RpsdError):
    """The worker process died, hung or was killed; its slot has been refilled."""

    code, kind, title, status = "worker_failed", Kind.BUSY, "The worker did not finish", 503
    hint = "Try again; if it repeats, look for the worker's last log line and its memory limit."


class Cancelled(RpsdError):
    """Work that was cancelled on request."""

    code, kind, title = "cancelled", Kind.CONFLICT, "The work was cancelled"
    hint = "Start it again when wanted."


class MissingExtra(RpsdError):
    """A format or a picture that needs an optional extra which is not installed."""

    code, kind, title = "missing_extra", Kind.CONFIG, "An optional extra is not installed"
    hint = "Install it beside rpsd: pip install 'rpsd[plot]' for pictures, 'rpsd[arrow]' for Parquet."


class BadConfig(RpsdError):
    """A configuration that cannot be used; every fault is listed with file, line and column."""

    code, kind, title = "bad_config", Kind.CONFIG, "The configuration is not valid"
    hint = "Mend each place named above; `rpsd config check` reads the settings without starting anything."


class NewerSchema(RpsdError):
    """A data directory written by a newer rpsd."""

    code, kind, title = "newer_schema", Kind.CONFIG, "The data directory belongs to a newer rpsd"
    hint = "Install that release again, or restore a backup made by this one."


class UnsafeStorage(RpsdError):
    """A database that does not hold the practices asked of it: PRAGMA read back, SQLite version, network disk."""

    code, kind, title = "unsafe_storage", Kind.CONFIG, "The storage is not safe to use"
    hint = "Put storage.data_dir on a local disk and use the SQLite that rpsd ships."


class CorruptData(RpsdError):
    """A block, model or file whose checksum does not match; it is never served."""

    code, kind, title = "corrupt_data", Kind.INTERNAL, "Stored data is damaged"
    hint = "Run `rpsd backup verify` and restore; the detail names the damaged record."


# fmt: off
ERRORS: tuple[type[RpsdError], ...] = (
    InternalError, InvalidRequest, MalformedBody, BodyTooLarge, UrlTooLong, UnsupportedMediaType, NotAcceptable, MethodNotAllowed,
    RequestTimeout,
    BadRows, BadTime, BadCsv, BadSymbol, BadRange, NotFinite, TooShort, ConstantSeries, NotPositive, DegenerateFit, GuardrailFailed,
    UnknownRegimeType, BadBook, RandomSplitRefused, UnknownMethod, BadParameter, UnknownRoute, UnknownSeries, UnknownColumn, NoModel,
    UnknownModel, UnknownFeature, BadView, UnknownView, FeatureGraphChanged, BadModelFile, UnknownExperiment, UnknownRun, UnknownBook,
    UnknownJob, UnknownKey, UnknownAlert, UnknownFile, IdempotencyConflict, StateConflict, GateRefused, BookGap, BookNotValid, BadBackup,
    Unauthenticated, Forbidden, RateLimited, LockedOut, UnknownChannel, BadFrame, BadDestination,
    Unavailable, OutboundMissing, SourceFailed, DeadlineExceeded, DiskFull, DirectoryLocked, AddressTaken, WorkerFailed, Cancelled,
    InMaintenance, UnknownRelease, ReleaseRefused, ReleaseRolledBack,
    MissingExtra, BadConfig, NewerSchema, UnsafeStorage, CorruptData,
)
# fmt: on
"""The catalogue; a contract test compares it with the classes above."""
