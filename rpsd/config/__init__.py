"""Settings: the only home of PyYAML; each setting stands once, in settings.py."""

from rpsd.config.kinds import Rate
from rpsd.config.read import Reload, read, reload
from rpsd.config.render import Row, explain, render, unused
from rpsd.config.settings import Settings
from rpsd.config.validate import validate

__all__ = ["Rate", "Reload", "Row", "Settings", "explain", "read", "reload", "render", "unused", "validate"]
