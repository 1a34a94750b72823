"""Parameters of every method with bounds and one sentence each; read by config, web and CLI without any numerics."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import lru_cache
from typing import Any, TypeVar, get_args, get_type_hints

from rpsd.core.errors import BadParameter, Fault

T = TypeVar("T")


def bounded(
    default: Any, doc: str, *, ge: float | None = None, le: float | None = None, choices: tuple[str, ...] = (), word: str = ""
) -> Any:
    """A dataclass field with its default, one sentence, inclusive bounds or the allowed words; `word` may stand for a number."""
    return field(default=default, metadata={"doc": doc, "ge": ge, "le": le, "choices": choices, "word": word})


@dataclass(frozen=True, slots=True)
class WaveletParameters:
    """The classic pipeline: wavelet shrinkage, then a zero-phase low pass."""

    wavelet: str = bounded("db4", "Name of any discrete PyWavelets wavelet.")
    level: int | str = bounded(
        4, "Depth of the transform, clipped to what the length allows; auto takes all of that.", ge=1, le=20, word="auto"
    )
    threshold_mode: str = bounded(
        "bayes", "How each level is shrunk.", choices=("bayes", "universal", "sure", "minimax", "empirical_bayes", "block")
    )
    shrinkage: str = bounded("soft", "How coefficients above the threshold are treated.", choices=("soft", "hard", "garrote"))
    noise: str = bounded("finest", "Level from which the noise is estimated.", choices=("finest", "per_level"))
    boundary: str = bounded(
        "symmetric",
        "How the series is continued beyond its ends.",
        choices=("symmetric", "reflect", "antireflect", "antisymmetric", "constant", "smooth", "zero", "periodic", "periodization"),
    )
    use_fir_filter: bool = bounded(True, "Follow the shrinkage by a zero-phase FIR low pass of 101 taps.")
    fir_cutoff: float = bounded(0.1, "Cut-off of the FIR in cycles per sample; 0.1 is a period of ten bars.", ge=0.001, le=0.499)
    strength: float = bounded(1.0, "Multiplier of the thresholds and of the FIR's part; the back-off halves it.", ge=0.0, le=1.0)


@dataclass(frozen=True, slots=True)
class TiBayesParameters:
    """Translation-invariant wavelet shrinkage under a prior that is learnt from the series."""

    wavelet: str = bounded(
        "mix", "haar for jumps, sym8 for curves, mix averages both by their local risk.", choices=("mix", "haar", "sym8")
    )
    noise: str = bounded("auto", "Whether the noise may vary along the series; auto tests it.", choices=("auto", "constant", "varying"))
    depth: int = bounded(0, "Levels of the transform, clipped to what the length allows; 0 is log2(n) - 3, at most 10.", ge=0, le=10)
    strength: float = bounded(1.0, "Share of the correction that is applied; the back-off halves it.", ge=0.0, le=1.0)


@dataclass(frozen=True, slots=True)
class TvParameters:
    """Exact total variation: constant pieces between jumps."""

    lam: float = bounded(0.0, "Price of a unit of variation, in the unit of the series; 0 takes the least estimated risk.", ge=0.0, le=1e70)
    noise: str = bounded("auto", "Whether samples with more noise weigh less where it varies.", choices=("auto", "constant"))
    strength: float = bounded(1.0, "Multiplier of lam; the back-off halves it.", ge=0.0, le=1.0)


@dataclass(frozen=True, slots=True)
class SavgolParameters:
    """The Savitzky-Golay filter: a polynomial around every sample."""

    window: int = bounded(11, "Samples of the fit, an odd number, clipped to the series.", ge=3, le=9999)
    order: int = bounded(2, "Degree of the polynomial, below the window.", ge=0, le=10)
    strength: float = bounded(1.0, "Share of the correction that is applied; the back-off halves it.", ge=0.0, le=1.0)


@dataclass(frozen=True, slots=True)
class KalmanParameters:
    """The causal filter of a local level or trend, its signal-to-noise ratio refitted by maximum likelihood on a trailing window."""

    model: str = bounded("level", "Random walk, or random walk whose drift is one too.", choices=("level", "trend"))
    ratio: float = bounded(0.0, "Variance of the state's step over that of the noise; 0 estimates it on a trailing window.", ge=0.0, le=1e6)
    slope_ratio: float = bounded(1e-4, "Trend at a given ratio: variance of the drift's step over that of the noise.", ge=0.0, le=1e6)
    window: int = bounded(1024, "Samples of the trailing window of the estimate.", ge=64, le=65536)
    refit_every: int = bounded(64, "Samples between two estimates.", ge=1, le=65536)
    strength: float = bounded(1.0, "Share of the correction that is applied; the back-off halves it.", ge=0.0, le=1.0)


@dataclass(frozen=True, slots=True)
class FixedLagParameters:
    """The local-level smoother that waits for a fixed number of samples."""

    lag: int = bounded(5, "Samples that a value waits for.", ge=1, le=256)
    ratio: float = bounded(0.0, "Variance of the state's step over that of the noise; 0 estimates it on a trailing window.", ge=0.0, le=1e6)
    window: int = bounded(1024, "Samples of the trailing window of the estimate.", ge=64, le=65536)
    refit_every: int = bounded(64, "Samples between two estimates.", ge=1, le=65536)
    strength: float = bounded(1.0, "Share of the correction that is applied; the back-off halves it.", ge=0.0, le=1.0)


@dataclass(frozen=True, slots=True)
class ImmParameters:
    """Thirty interacting local levels: six signal-to-noise ratios with five noise scales each."""

    lowest: float = bounded(0.003, "Lowest of the six ratios of the state's step variance to that of the noise.", ge=1e-6, le=1e6)
    highest: float = bounded(100.0, "Highest of the six ratios.", ge=1e-6, le=1e6)
    stay: float = bounded(0.995, "Probability that the model of a sample is that of the sample before.", ge=0.0, le=0.999999)
    strength: float = bounded(1.0, "Share of the correction that is applied; the back-off halves it.", ge=0.0, le=1.0)


@dataclass(frozen=True, slots=True)
class ModelAverageParameters:
    """The causal `auto`: kalman and imm, weighted by how well each foretold the samples so far."""

    forgetting: float = bounded(0.99, "Power of the old weights at each sample; 1 never forgets.", ge=0.5, le=1.0)
    window: int = bounded(1024, "Samples of the trailing window of the filter's estimate.", ge=64, le=65536)
    refit_every: int = bounded(64, "Samples between two estimates of the filter.", ge=1, le=65536)
    stay: float = bounded(0.995, "Probability that the imm model of a sample is that of the sample before.", ge=0.0, le=0.999999)
    strength: float = bounded(1.0, "Share of the correction that is applied; the back-off halves it.", ge=0.0, le=1.0)


@dataclass(frozen=True, slots=True)
class KalmanSmootherParameters:
    """The local-level smoother of a whole session."""

    ratio: float = bounded(0.0, "Variance of the state's step over that of the noise; 0 estimates it.", ge=0.0, le=1e6)
    strength: float = bounded(1.0, "Share of the correction that is applied; the back-off halves it.", ge=0.0, le=1.0)


@dataclass(frozen=True, slots=True)
class HaarCausalParameters:
    """Shrinkage of the trailing stationary Haar transform."""

    level: int = bounded(4, "Depth of the transform; it looks back 2^level - 1 samples.", ge=1, le=12)
    window: int = bounded(512, "Samples over which noise and signal of each level are averaged.", ge=16, le=65536)
    strength: float = bounded(1.0, "Share of the correction that is applied; the back-off halves it.", ge=0.0, le=1.0)


@dataclass(frozen=True, slots=True)
class EmaParameters:
    """The exponential moving average."""

    span: float = bounded(10.0, "Span n of the average; its weight is 2 / (n + 1).", ge=1.0, le=1e6)
    strength: float = bounded(1.0, "Share of the correction that is applied; the back-off halves it.", ge=0.0, le=1.0)


@dataclass(frozen=True, slots=True)
class GuardrailParameters:
    """The guardrails: which family decides, and what happens on a failure."""

    policy: str = bounded("calibrated", "Which guardrails decide.", choices=("calibrated", "classic", "none"))
    on_failure: str = bounded("back_off", "What a failure does.", choices=("back_off", "flag", "reject"))
    correlation_threshold: float = bounded(0.85, "Classic: least Pearson correlation of input and output.", ge=-1.0, le=1.0)
    rmse_threshold: float = bounded(0.5, "Classic: largest RMSE in standard deviations of the input.", ge=0.0, le=1e6)
    trend_threshold: float = bounded(0.90, "Classic: least share of equal signs of 30-bar slopes.", ge=0.0, le=1.0)
    power_threshold: float = bounded(0.95, "Classic: least share of the low-frequency power kept.", ge=0.0, le=1.0)
    revision: bool = bounded(False, "Whether to measure how far the newest value of a hindsight method will still move.")
    revision_threshold: float = bounded(1.0, "Largest revision of the newest value in deviations of the noise.", ge=0.0, le=1e6)


@dataclass(frozen=True, slots=True)
class HmmParameters:
    """The hidden Markov model of returns in percent, and the jump model, which uses k, starts, jump_penalty and max_iterations."""

    k: int = bounded(3, "Number of states.", ge=1, le=5)
    starts: int = bounded(8, "Short runs from different beginnings; the best goes on.", ge=1, le=64)
    sticky: float = bounded(100.0, "Dirichlet pseudo-count on the diagonal of the transition matrix.", ge=0.0, le=10000.0)
    spread: float = bounded(1.0, "Dirichlet pseudo-count off the diagonal.", ge=0.0, le=1000.0)
    max_iterations: int = bounded(500, "Most EM iterations of the final run.", ge=1, le=10000)
    tolerance: float = bounded(1e-6, "Gain of the penalised log-likelihood per bar below which EM has converged.", ge=0.0, le=1.0)
    variance_floor: float = bounded(1e-3, "Least variance of a state as a share of the sample's.", ge=0.0, le=1.0)
    emission: str = bounded(
        "auto",
        "Density of a state: Student t, Gaussian, or auto, a Student t that may turn out Gaussian.",
        choices=("auto", "t", "gaussian"),
    )
    jump_penalty: float = bounded(5.0, "Price of a change of state in the jump model, in nats.", ge=0.0, le=300.0)
    engine: str = bounded("numba", "Which model fits: numba, hmmlearn, or jump for the jump model.", choices=("numba", "hmmlearn", "jump"))


@dataclass(frozen=True, slots=True)
class LabelParameters:
    """What a book model foretells."""

    label: str = bounded(
        "next_mid_move",
        "The next move of the mid price, the mid so many events or milliseconds ahead, or the mean of the mids ahead against those before.",
        choices=("next_mid_move", "horizon_events", "horizon_ms", "smoothed"),
    )
    horizon: int = bounded(10, "Events or milliseconds ahead; next_mid_move has none.", ge=1, le=100_000)
    delay_ms: float = bounded(0.0, "Latency: the label begins so long after the event.", ge=0.0, le=60_000.0)


@dataclass(frozen=True, slots=True)
class BookParameters:
    """The predictors of order books."""

    model: str = bounded(
        "auto",
        "logistic, boosted trees, their blend, or auto, which takes trees only where they gain more than their standard error.",
        choices=("auto", "logistic", "boosted", "blend"),
    )
    calibration: str = bounded("auto", "How scores become probabilities.", choices=("auto", "platt", "isotonic"))
    folds: int = bounded(5, "Blocks of the purged walk-forward.", ge=2, le=20)
    test_share: float = bounded(0.4, "Share of the events, the latest, that are kept for the final test.", ge=0.05, le=0.8)
    trees: int = bounded(150, "Most trees of the boosted predictor.", ge=1, le=150)
    leaves: int = bounded(8, "Most leaves of a tree.", ge=2, le=8)
    bootstrap: int = bounded(500, "Resamples of the cluster bootstrap.", ge=20, le=10_000)
    split: str = bounded("walk_forward", "How the validation splits events: in order of time.", choices=("walk_forward", "random"))


@dataclass(frozen=True, slots=True)
class BacktestParameters:
    """How a book model is put to a test with costs; fees have no default, a request names them."""

    strategy: str = bounded("taker", "taker pays the other side, maker waits in the queue at the best quote.", choices=("taker", "maker"))
    threshold: float = bounded(0.6, "Probability of a direction from which a decision is taken.", ge=0.5, le=1.0)
    latency_ms: float = bounded(10.0, "From the event that decides to the order's arrival at the exchange.", ge=0.0, le=60_000.0)
    hold_ms: float = bounded(
        1000.0, "Time after which a position is closed, or a waiting order cancelled, if no decision did so before.", ge=1.0, le=3_600_000.0
    )
    size: float = bounded(1.0, "Size of an order, in units of the book's sizes.", ge=1e-9, le=1e12)
    credit_cancellations: bool = bounded(False, "maker: a queue ahead is never longer than what the book shows at its price.")


PARAMETERS: tuple[type[Any], ...] = (
    WaveletParameters,
    TiBayesParameters,
    TvParameters,
    SavgolParameters,
    KalmanParameters,
    FixedLagParameters,
    ImmParameters,
    ModelAverageParameters,
    KalmanSmootherParameters,
    HaarCausalParameters,
    EmaParameters,
    GuardrailParameters,
    HmmParameters,
    LabelParameters,
    BookParameters,
    BacktestParameters,
)


_BEYOND = 2**63
_WORDS: dict[type, str] = {int: "an integer", float: "a number", bool: "true or false", str: "a string"}


def _kind(hint: Any) -> type:
    """The type of a field; of a number or a word, that of the number."""
    kind: type = get_args(hint)[0] if get_args(hint) else hint
    return kind


def _reason(value: Any, kind: type, metadata: Mapping[str, Any]) -> str | None:
    """Why the value cannot stand for a field of this kind, or None when it can."""
    if metadata["word"] and value == metadata["word"]:
        return None
    if kind is float and type(value) is int:
        if abs(value) >= _BEYOND:
            return "expected a number that fits into 64 bits"
        value = float(value)
    if type(value) is not kind:
        instead = f" or {metadata['word']}" if metadata["word"] else ""
        return f"expected {_WORDS[kind]}{instead}, got {type(value).__name__}"
    if metadata["choices"] and value not in metadata["choices"]:
        return f"expected one of {', '.join(metadata['choices'])}, got {str(value)[:40]!r}"
    low, high = metadata["ge"], metadata["le"]
    inside = (low is None or value >= low) and (high is None or value <= high)
    return None if inside else f"expected {low} to {high}, got {str(value)[:40]}"


@lru_cache(maxsize=64)
def _known(cls: type[Any]) -> dict[str, tuple[type, Mapping[str, Any]]]:
    """Kind and metadata of each field by its name; finding them costs more than the checks."""
    kinds = get_type_hints(cls)
    return {f.name: (_kind(kinds[f.name]), f.metadata) for f in fields(cls)}


def build(cls: type[T], given: Mapping[str, Any], pointer: str = "/params") -> T:
    """An instance of the parameter class with the given values over its defaults. Raises BadParameter, naming every bad one."""
    known = _known(cls)  # type: ignore[arg-type]  # a class is hashable
    faults, values = [], {}
    for name, value in given.items():
        if name not in known:
            faults.append(Fault(f"{pointer}/{name[:40]}", f"unknown; known are {', '.join(known)}"))
            continue
        kind, metadata = known[name]
        if reason := _reason(value, kind, metadata):
            faults.append(Fault(f"{pointer}/{name}", reason))
        else:
            values[name] = float(value) if kind is float else value
    if faults:
        raise BadParameter(f"{faults[0].pointer}: {faults[0].reason}", errors=faults)
    return cls(**values)


def described(cls: type[Any]) -> list[dict[str, Any]]:
    """The fields of a parameter class as JSON: name, type, default, minimum, maximum, choices, word, description."""
    hints = get_type_hints(cls)
    rows = []
    for f in fields(cls):
        row = {"name": f.name, "type": _kind(hints[f.name]).__name__, "default": f.default, "description": f.metadata["doc"]}
        bounds = {"minimum": f.metadata["ge"], "maximum": f.metadata["le"], "choices": list(f.metadata["choices"]) or None}
        bounds["word"] = f.metadata["word"] or None
        rows.append(row | {name: bound for name, bound in bounds.items() if bound is not None})
    return rows
