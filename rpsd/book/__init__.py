"""The catalogue of predictors of order books: each gives the mirrored book the mirrored probabilities, exactly."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Predictor:
    """A member of the catalogue: `name` is a word of the parameter `model` of a training, `summary` one sentence.

    `shares`: what the log-odds of its logistic part may count beside those of its trees; 1 is the logistic alone, 0 the trees alone.
    """

    name: str
    shares: tuple[float, ...]
    summary: str
    source: str


PREDICTORS: Final[tuple[Predictor, ...]] = (
    Predictor(
        "logistic",
        (1.0,),
        "Logistic regression without a constant on odd features; a threshold of even ones where the label knows flat.",
        "Hosmer and Lemeshow (2000), Applied Logistic Regression, section 2; McCullagh (1980), J. R. Statist. Soc. B 42, 109-142",
    ),
    Predictor(
        "boosted",
        (0.0,),
        "Gradient boosted trees on all features of the book and of its mirror, of which the mirrored answer is subtracted.",
        "Friedman (2001), Ann. Stat. 29, 1189-1232",
    ),
    Predictor(
        "blend",
        (0.75, 0.5, 0.25),
        "Weighted mean of the log-odds of both.",
        "Genest and Zidek (1986), Statistical Science 1, 114-135",
    ),
)
