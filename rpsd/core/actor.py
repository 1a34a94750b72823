"""Who acts, and from where, as one word that every call passes on."""


class Actor(str):
    """A key's id, or another name of the audit log, that also knows the address it acts from; everywhere else it is its text.

    >>> Actor("k1", "10.0.0.5") == "k1", Actor("k1", "10.0.0.5").peer
    (True, '10.0.0.5')
    """

    __slots__ = ("peer",)
    peer: str

    def __new__(cls, name: str, peer: str) -> "Actor":
        """The name with the address."""
        made = super().__new__(cls, name)
        made.peer = peer
        return made
