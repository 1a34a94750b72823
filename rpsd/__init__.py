"""rpsd: regimes, predictions and signal denoising, served from one box on the LAN."""

__version__ = "0.1.0"
