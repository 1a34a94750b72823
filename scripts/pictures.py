"""Draw the pictures of the manual from the bundled data (`make pictures`; needs the extra `plot`)."""

from pathlib import Path

from PIL import Image

from rpsd import samples
from rpsd.cli.plot import regimes
from rpsd.cli.plot.denoised import Shown, picture
from rpsd.config import Settings
from rpsd.core import instant
from rpsd.core.parameters import GuardrailParameters
from rpsd.denoise import run
from rpsd.services.intake.csv import CsvReader
from rpsd.services.regime.detection import Wish
from rpsd.services.regime.file import detect_apart

PICTURES = Path(__file__).resolve().parent.parent / "rpsd" / "manual" / "pictures"
MORNING = slice(800, 955)  # two and a half hours of the third session, with turns in both directions
COLOURS = 128  # a palette makes the file a third of its size


def goog() -> None:
    """GOOG by the minute: a line of hindsight that turns before the price does, and a causal one that turns after it."""
    reader = CsvReader("1m")
    reader.feed(samples.path("goog_1m").read_bytes())
    rows = reader.finish().samples
    y = rows.columns["close"]
    kept = GuardrailParameters(on_failure="flag")  # full strength, to be looked at; by default the guardrails would weaken it
    result = run.denoise(y, t=rows.t, method="wavelet", guardrails=kept)
    causal = run.denoise(y, t=rows.t, method="ema", causality="causal", guardrails=kept, params={"span": 15.0})
    shown = Shown(rows.t, y, result, "GOOG close", "USD", {"denoised: ema, causal": causal.values})
    picture(PICTURES / "goog.png", shown, MORNING)
    _packed(PICTURES / "goog.png")


def sp500() -> None:
    """The S&P 500 by the day: shades of three regimes, which the parameters know from the whole range."""
    reader = CsvReader("1d")
    reader.feed(samples.path("sp500_1d").read_bytes())
    wish = Wish(regime_type="3_state", include=("prices", "probabilities", "residuals"))
    start_ns = instant.parse("2014-01-01")
    told = detect_apart(Settings(), "S&P 500", reader.finish().samples, wish, start_ns=start_ns, progress=lambda *_: None)
    regimes.picture(PICTURES / "sp500.png", told, "S&P 500 1d")
    _packed(PICTURES / "sp500.png")


def _packed(file: Path) -> None:
    """Give the picture a palette."""
    with Image.open(file) as drawn:
        packed = drawn.convert("RGB").quantize(COLOURS, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    packed.save(file, optimize=True)


def main() -> None:
    """Write every picture."""
    PICTURES.mkdir(exist_ok=True)
    goog()
    sp500()


if __name__ == "__main__":
    main()
