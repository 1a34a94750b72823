"""The Python client of the HTTP API, over TCP or the admin socket; errors come back as the classes that the server raised."""

from rpsd.client.access import AccessCalls
from rpsd.client.book import BookCalls
from rpsd.client.connection import rebuilt
from rpsd.client.experiment import ExperimentCalls
from rpsd.client.market import MarketCalls
from rpsd.client.model import ModelCalls
from rpsd.client.stream import Events, StreamCalls

__all__ = ["Client", "Events", "rebuilt"]


class Client(MarketCalls, BookCalls, ModelCalls, ExperimentCalls, AccessCalls, StreamCalls):
    """One connection pool to one server. `key` is an API key; over `socket` (the admin socket) none is needed.

    `with Client("http://127.0.0.1:8000", key="rpsd_…") as client: client.denoise([1.0, 1.2, 0.9, 1.1])["values"]`
    """
