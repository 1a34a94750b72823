"""Every setting once: its type, its default as it is written, and one sentence."""
# ruff: noqa: RUF009 - setting() and section() return dataclass fields

import types
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from rpsd.config import kinds, outside
from rpsd.config.alert_rules import ALERT_RULES
from rpsd.config.kinds import Kind, Network, Rate
from rpsd.core.alert_rule import AlertRule
from rpsd.core.parameters import GuardrailParameters, HmmParameters, WaveletParameters
from rpsd.core.regime import SEVERITIES
from rpsd.core.source import Receiver, SourceSetting


def setting(written: Any, kind: Kind, doc: str, *, live: bool = False, room: str = "", follows: str = "") -> Any:
    """A field with its default as written in YAML.

    `live`: SIGHUP applies it without a restart. `room`: the part of rpsd that will use it, while that is not built.
    `follows`: the setting that gives the value while this one is not set.
    """
    metadata = {"written": written, "kind": kind, "doc": doc, "live": live, "room": room, "follows": follows}
    return field(default_factory=lambda: kind.parse(written), metadata=metadata)


def section(cls: type[Any], doc: str) -> Any:
    """A field that holds further settings."""
    return field(default_factory=cls, metadata={"doc": doc})


def bounded_kind(meta: Mapping[str, Any], default: Any) -> Kind:
    """The kind of a parameter that core/parameters.py describes."""
    if meta["choices"]:
        return kinds.word(*meta["choices"])
    if isinstance(default, bool):
        return kinds.FLAG
    if isinstance(default, int):
        whole = kinds.integer(meta["ge"], meta["le"])
        return kinds.or_word(meta["word"], whole) if meta["word"] else whole
    return kinds.number(meta["ge"], meta["le"]) if isinstance(default, float) else kinds.TEXT


def parameter(cls: type[Any], name: str) -> Any:
    """A setting that is the default of a method's parameter: same value, bounds and sentence."""
    found = next(f for f in fields(cls) if f.name == name)
    return setting(found.default, bounded_kind(found.metadata, found.default), found.metadata["doc"])


@dataclass(frozen=True, slots=True)
class Server:
    """How rpsd listens."""

    host: str = setting("127.0.0.1", kinds.TEXT, "Address to listen on; beyond loopback it needs TLS, a trusted proxy or plain_http_from.")
    port: int = setting(8000, kinds.integer(0, 65535), "TCP port of the API; 0 takes any free one.")
    admin_socket: Path = setting(
        "/run/rpsd/admin.sock", kinds.PATH, "UNIX socket through which the CLI reaches the running server.", follows="storage.data_dir"
    )
    outbound_socket: Path = setting(
        "/run/rpsd/outbound.sock", kinds.PATH, "UNIX socket through which `rpsd outbound` takes what is to go out.",
        follows="storage.data_dir",
    )  # fmt: skip
    tls_cert: Path | None = setting(None, kinds.optional(kinds.PATH), "Certificate chain in PEM form; with tls_key the API speaks HTTPS.")
    tls_key: Path | None = setting(None, kinds.optional(kinds.PATH), "Private key of tls_cert, readable by rpsd alone.")
    trusted_proxies: tuple[Network, ...] = setting([], kinds.NETWORKS, "Networks of proxies whose forwarded headers are believed.")
    allowed_hosts: tuple[str, ...] = setting(["localhost", "127.0.0.1"], kinds.TEXTS, "Host names that a request may carry.")
    cors_origins: tuple[str, ...] = setting([], kinds.TEXTS, "Origins whose pages may call the API from a browser; none by default.")
    max_body_bytes: int = setting("32MiB", kinds.SIZE, "Largest request body after decompression.")
    max_stream_bytes: int = setting("2GiB", kinds.SIZE, "Largest streamed body of rows.")
    max_connections: int = setting(12000, kinds.integer(16, 1_000_000), "Connections held at a time.")
    request_timeout: float = setting("30s", kinds.DURATION, "Longest time a request may compute or read before it is interrupted.")
    first_byte_timeout: float = setting("15s", kinds.DURATION, "Longest silence after connecting.")
    header_timeout: float = setting("15s", kinds.DURATION, "Longest time the headers may take to arrive.")
    body_timeout: float = setting("15s", kinds.DURATION, "Longest pause within a request body.")
    keepalive: float = setting("60s", kinds.DURATION, "How long an idle connection stays open.")
    shutdown_grace: float = setting("30s", kinds.DURATION, "How long running requests may finish after SIGTERM.")
    plain_http_from: tuple[Network, ...] = setting(
        [], kinds.NETWORKS, "Private networks that may speak plain HTTP to a non-loopback address."
    )


@dataclass(frozen=True, slots=True)
class Storage:
    """Where data lives."""

    data_dir: Path = setting(
        "/var/lib/rpsd", kinds.PATH, "Directory of the database; setting it moves cache, inbox, backups and socket below it."
    )
    cache_dir: Path = setting("/var/cache/rpsd", kinds.PATH, "Directory of compiled kernels; safe to delete.", follows="storage.data_dir")
    secrets_dir: Path = setting(
        "/var/lib/rpsd/secrets", kinds.PATH, "Directory (0700) of the pepper and other secrets; systemd credentials come first.",
        follows="storage.data_dir",
    )  # fmt: skip
    min_free_bytes: int = setting("512MiB", kinds.SIZE, "Free space below which writes are refused with 507.")
    retention: Mapping[str, float] = setting({}, kinds.RETENTION, "How long samples are kept, by interval, e.g. {1s: 30d}.")


@dataclass(frozen=True, slots=True)
class Denoiser:
    """Defaults of denoising when a request does not say otherwise."""

    method: str = setting("auto", kinds.TEXT, "Method of a request that names none.")
    wavelet: str = parameter(WaveletParameters, "wavelet")
    level: int | str = parameter(WaveletParameters, "level")
    threshold_mode: str = parameter(WaveletParameters, "threshold_mode")
    use_fir_filter: bool = parameter(WaveletParameters, "use_fir_filter")
    fir_cutoff: float = parameter(WaveletParameters, "fir_cutoff")


@dataclass(frozen=True, slots=True)
class Regimes:
    """Defaults of regime detection and its models."""

    default_regime_type: str = setting(
        "3_state", kinds.word("2_state", "3_state", "4_state", "5_state", "auto"), "Number of regimes of a request that names none."
    )
    engine: str = parameter(HmmParameters, "engine")
    emission: str = parameter(HmmParameters, "emission")
    columns: tuple[str, ...] = setting(["return"], kinds.TEXTS, "What a model sees of each bar, the return first.")
    train_window: float = setting("2y", kinds.DURATION, "Stretch of history that a retrain fits.")
    retrain_interval: float = setting("24h", kinds.DURATION, "Age from which the retrain job fits a model anew.")
    max_model_age: float = setting("30d", kinds.DURATION, "Age from which answers of a model carry the warning stale_model.")


@dataclass(frozen=True, slots=True)
class Promotion:
    """What a new model must show before it serves."""

    min_heldout_gain_nats: float = setting(0.0, kinds.number(), "Least gain per held-out bar over a model of one state.")
    min_observations: int = setting(250, kinds.integer(2, 1_000_000), "Least bars that a model must have seen.")
    block_on_data_drift: str = setting(
        "HIGH", kinds.word(*SEVERITIES), "Data drift within the training window from which on nothing is promoted; NONE asks for none."
    )
    min_moves: int = setting(200, kinds.integer(2, 1_000_000), "Least distinct moves that a model of an order book is tested on.")
    max_calibration_error: float = setting(
        0.05, kinds.number(0, 1), "Most that the probabilities of a model of an order book may be off on average, in its test."
    )


@dataclass(frozen=True, slots=True)
class Retraining:
    """When a model is trained by itself."""

    budget: int = setting(
        500, kinds.integer(0, 1_000_000), "Most models that are trained again by themselves in a day; first fits are free."
    )
    min_new_bars: int = setting(50, kinds.integer(1, 1_000_000), "New closed bars from which a model is trained before it is old enough.")
    backoff: float = setting("1d", kinds.DURATION, "Wait after a fit that was kept back; it doubles with each further one.")
    backoff_most: float = setting("8d", kinds.DURATION, "Longest such wait.")
    keep_decisions: float = setting("2y", kinds.DURATION, "How long decisions stay listed.")


@dataclass(frozen=True, slots=True)
class Watch:
    """How the model in production is held to what it would have been."""

    rollback: bool = setting(True, kinds.FLAG, "Go back by itself to a predecessor that would have done better.")
    min_bars: int = setting(20, kinds.integer(20, 100_000), "Least bars, or moves of a book, that such a judgement rests on.")
    level: float = setting(
        0.001, kinds.number(1e-9, 0.5), "Probability that such a lead of a predecessor is chance, at which it is believed."
    )


@dataclass(frozen=True, slots=True)
class Models:
    """The model registry."""

    promotion: Promotion = section(Promotion, "What a new model must show before it serves.")
    retraining: Retraining = section(Retraining, "When a model is trained by itself.")
    watch: Watch = section(Watch, "How the model in production is held to what it would have been.")
    keep: int = setting(
        20, kinds.integer(5, 10_000), "Versions of a name that are kept, beside those that serve, have an alias or may return."
    )
    shadow: bool = setting(True, kinds.FLAG, "Let challenger and predecessor predict beside production and keep score.")


@dataclass(frozen=True, slots=True)
class Books:
    """Order books."""

    levels: int = setting(10, kinds.integer(1, 50), "Price levels kept per side; what a record brings beyond them is cut off.")
    label: str = setting(
        "next_mid_move",
        kinds.word("next_mid_move", "horizon_events", "horizon_ms", "smoothed"),
        "What is foretold where a request names no model.",
    )
    horizon_events: int = setting(
        10, kinds.integer(1, 100_000), "Events ahead that such a prediction looks, of horizon_ms milliseconds; next_mid_move has none."
    )
    staleness: float = setting("5s", kinds.DURATION, "Age from which a book is too old to predict from.")
    spread_medians: float = setting(
        50, kinds.number(2, 1e6), "Running medians of the spread from which on a record is too wide to be true."
    )
    retention: float = setting("30d", kinds.DURATION, "How long the tapes of order books are kept; where they stand stays.")
    train_events: int = setting(400_000, kinds.integer(1000, 2_000_000), "Latest events of a book that a training reads.")
    retrain_interval: float = setting("24h", kinds.DURATION, "Age from which the job book_train fits a model anew.")


@dataclass(frozen=True, slots=True)
class Features:
    """The feature store."""

    default_view: str = setting("core_technical", kinds.TEXT, "View that is kept for every series that has its columns.")
    quality_threshold: float = setting(0.9, kinds.number(0, 1), "Quality below which a vector carries a warning and the log names it.")


@dataclass(frozen=True, slots=True)
class Drift:
    """The drift monitor."""

    interval: float = setting("3600s", kinds.DURATION, "Time between two scans.")
    psi: tuple[float, ...] = setting([0.1, 0.2, 0.3], kinds.THRESHOLDS, "Population stability index of LOW, MEDIUM and HIGH drift.")
    false_alarm_rate: float = setting(0.01, kinds.number(0, 1), "Share of scans that may cry drift where there is none.")


@dataclass(frozen=True, slots=True)
class Jobs:
    """When recurring work runs: a time of day, a weekday with its time, or an interval."""

    timezone: str = setting("UTC", kinds.ZONE, "IANA zone in which the times below are read.")
    retrain: str = setting("02:00", kinds.SCHEDULE, "Fit the regime models of all daily series.")
    backup: str = setting("01:00", kinds.SCHEDULE, "Take and verify a backup, then prune old ones.")
    watch: str = setting("1h", kinds.SCHEDULE, "Score the models in production against predecessor and challenger.")
    upkeep: str = setting("03:00", kinds.SCHEDULE, "Fold, compress and prune the database.")
    restore_drill: str = setting("Sun 04:00", kinds.SCHEDULE, "Restore the newest backup into scratch and compare.")
    materialise: str = setting("5m", kinds.SCHEDULE, "Compute feature views.")
    fetch: str = setting("15m", kinds.SCHEDULE, "Pull market data from the sources.")


@dataclass(frozen=True, slots=True)
class Inbox:
    """The folder that files may be dropped into."""

    dir: Path = setting("/var/lib/rpsd/inbox", kinds.PATH, "Directory that is watched.", follows="storage.data_dir")
    pattern: str = setting("*.csv", kinds.TEXT, "Names of the files that are taken.")


@dataclass(frozen=True, slots=True)
class Lockout:
    """When failed logins lock a peer out."""

    failures: int = setting(10, kinds.integer(1, 10_000), "Failed logins that lock a peer out.")
    window: float = setting("5m", kinds.DURATION, "Stretch of time in which they are counted.")


@dataclass(frozen=True, slots=True)
class Auth:
    """Who may call."""

    required: bool = setting(True, kinds.FLAG, "Ask for an API key; false only on loopback.")
    jwt_ttl: float = setting("15m", kinds.DURATION, "Life of a token made from a key.")
    lockout: Lockout = section(Lockout, "When failed logins lock a peer out.")


@dataclass(frozen=True, slots=True)
class Limits:
    """Calls per key."""

    read: Rate = setting("120000/min", kinds.RATE, "Reads of one key.")
    predict: Rate = setting("120000/min", kinds.RATE, "Predictions of one key.")
    ingest: Rate = setting("120000/min", kinds.RATE, "Ingest requests of one key.")
    train: Rate = setting("600/min", kinds.RATE, "Fits of one key.")
    public: Rate = setting("600/min", kinds.RATE, "Calls without a valid key, of one address.")


@dataclass(frozen=True, slots=True)
class Performance:
    """Threads and caches."""

    max_workers: int | None = setting("auto", kinds.WORKERS, "Worker processes for fits, at most one less than the cores; auto takes one.")
    chunk_size: int = setting(1000, kinds.integer(1, 1_000_000), "Rows of one piece of a streamed answer.")
    cache_size: int = setting(1000, kinds.integer(0, 1_000_000), "Answers that the cache holds.")
    cache_ttl: float = setting("1h", kinds.DURATION, "How long a cached answer is used.")


@dataclass(frozen=True, slots=True)
class Compute:
    """Where heavy work runs."""

    scheduler: str = setting("local", kinds.SCHEDULER, "local, or the address of a Dask scheduler.", room="cluster")


@dataclass(frozen=True, slots=True)
class Slo:
    """Service level objectives."""

    availability: float = setting(0.999, kinds.number(0, 1), "Share of requests that must succeed.")
    predict_p99: float = setting("50ms", kinds.DURATION, "99th percentile of predictions.")
    detect_fresh_p99: float = setting("2s", kinds.DURATION, "99th percentile of fresh regime detections.")


@dataclass(frozen=True, slots=True)
class Monitoring:
    """Logs, metrics and health."""

    metrics_enabled: bool = setting(True, kinds.FLAG, "Answer /metrics.")
    metrics_port: int = setting(
        8000,
        kinds.integer(0, 65535),
        "Port of /metrics; another than server.port opens a second listener for /metrics and /health alone.",
        follows="server.port",
    )
    metrics_allow: tuple[Network, ...] = setting(
        ["127.0.0.0/8"], kinds.NETWORKS, "Networks that read /metrics and detailed health without a key."
    )
    health_check_interval: float = setting("30s", kinds.DURATION, "Time between two readings of the system and its parts.")
    health_check_timeout: float = setting("30s", kinds.DURATION, "Age from which a missing heartbeat is a failure.")
    resource_limit: float = setting(90, kinds.number(1, 100), "Percent of CPU, memory or disk above which health is degraded.")
    log_level: str = setting("INFO", kinds.word("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"), "Least level that is logged.", live=True)
    log_format: str = setting("flat", kinds.word("flat", "ecs"), "Names of the log fields: plain, or Elastic Common Schema.", live=True)
    log_file: Path | None = setting(None, kinds.optional(kinds.PATH), "File that receives the log beside stdout.", live=True)
    symbol_label_limit: int = setting(0, kinds.integer(0, 1000), "Symbols that metrics may carry as labels; the rest share one.")
    classic_metric_names: bool = setting(False, kinds.FLAG, "Expose the metric names of earlier systems as well.")
    slo: Slo = section(Slo, "Service level objectives.")


@dataclass(frozen=True, slots=True)
class Alerts:
    """Alerts and where they go."""

    webhooks: tuple[Receiver, ...] = setting([], outside.WEBHOOKS, "Addresses that alerts are sent to.")
    rules: str | tuple[str | AlertRule, ...] = setting(
        "default", ALERT_RULES, "default, or a list of rules as the manual's chapter on observing says; default among them keeps those."
    )


@dataclass(frozen=True, slots=True)
class Offsite:
    """Copies of backups elsewhere."""

    dir: Path | None = setting(None, kinds.optional(kinds.PATH), "Directory that the newest backup is copied to, such as a mounted disk.")
    command: tuple[str, ...] = setting(
        [], kinds.TEXTS, "Program and arguments that take the newest backup away; {file} stands for it, and no shell reads them."
    )
    encrypt_to: str | None = setting(
        None, kinds.optional(kinds.TEXT), "Recipient that what leaves is encrypted to: an age or SSH public key, else a key of gpg."
    )


@dataclass(frozen=True, slots=True)
class Backup:
    """Backups."""

    dir: Path = setting("/var/backups/rpsd", kinds.PATH, "Directory of the backups.", follows="storage.data_dir")
    keep_days: int = setting(30, kinds.integer(1, 36_500), "Days after which the nightly job removes a backup; the newest always stays.")
    offsite: Offsite = section(Offsite, "Copies of backups elsewhere.")


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings, read once and passed on. `origin` maps a dotted name to where its value came from; absent means default."""

    server: Server = section(Server, "How rpsd listens.")
    storage: Storage = section(Storage, "Where data lives.")
    denoiser: Denoiser = section(Denoiser, "Defaults of denoising when a request does not say otherwise.")
    guardrails: GuardrailParameters = section(GuardrailParameters, "Which guardrails decide on a denoised series, and what a failure does.")
    regimes: Regimes = section(Regimes, "Defaults of regime detection and its models.")
    models: Models = section(Models, "The model registry.")
    books: Books = section(Books, "Order books.")
    features: Features = section(Features, "The feature store.")
    drift: Drift = section(Drift, "The drift monitor.")
    jobs: Jobs = section(Jobs, "When recurring work runs: a time of day, a weekday with its time, or an interval.")
    sources: Mapping[str, SourceSetting] = setting(
        {}, outside.SOURCES, "Market data vendors by name, as the manual's chapter on them says."
    )
    inbox: Inbox = section(Inbox, "The folder that files may be dropped into.")
    auth: Auth = section(Auth, "Who may call.")
    limits: Limits = section(Limits, "Calls per key.")
    performance: Performance = section(Performance, "Threads and caches.")
    compute: Compute = section(Compute, "Where heavy work runs.")
    monitoring: Monitoring = section(Monitoring, "Logs, metrics and health.")
    alerts: Alerts = section(Alerts, "Alerts and where they go.")
    backup: Backup = section(Backup, "Backups.")
    path: Path | None = None
    origin: Mapping[str, str] = field(default_factory=lambda: types.MappingProxyType({}))
