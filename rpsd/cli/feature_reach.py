"""What `rpsd features` needs: asked of the running server, or done on the data directory itself. Both have the same methods."""

from math import isnan
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rpsd.client import Client
    from rpsd.services.wiring import Services

JOB = "materialise"


class LiveFeatures:
    """The feature store of the running server."""

    def __init__(self, client: "Client") -> None:
        self._client = client

    def catalogue(self) -> list[dict[str, Any]]:
        """Every feature of the catalogue."""
        return list(self._client.pages("/api/v1/features", "features"))

    def views(self) -> list[dict[str, Any]]:
        """The views, the newest version of each."""
        return list(self._client.pages("/api/v1/feature-views", "views"))

    def submit(self, view: str, entities: list[str] | None) -> dict[str, Any]:
        """The run that materialises."""
        body = {} if entities is None else {"entities": entities}
        found: dict[str, Any] = self._client.ask("POST", f"/api/v1/feature-views/{view}/materialize", json=body)["job"]
        return found

    def vector(self, view: str, entity: str, as_of: str | None) -> dict[str, Any]:
        """The vector of an entity."""
        return self._client.feature_vector(view, entity, as_of=as_of)

    def frame(self, view: str, entity: str, **chosen: Any) -> dict[str, Any]:
        """Rows as columns; `chosen` holds start, end, as_of and limit."""
        return self._client.feature_frame(view, entity, **chosen)


class LocalFeatures:
    """The feature store of a data directory that no server owns."""

    def __init__(self, services: "Services") -> None:
        self._store = services.feature

    def catalogue(self) -> list[dict[str, Any]]:
        """Every feature of the catalogue."""
        return self._store.views.features(None, 1000)[0]

    def views(self) -> list[dict[str, Any]]:
        """The views, the newest version of each."""
        return self._store.views.page(None, 1000)[0]

    def submit(self, view: str, entities: list[str] | None) -> dict[str, Any]:
        """The run that materialises."""
        return self._store.materialiser.submit(view, entities, by="cli")

    def vector(self, view: str, entity: str, as_of: str | None) -> dict[str, Any]:
        """The vector of an entity."""
        from rpsd.core import instant

        return self._store.vectors.of(view, entity, as_of_ns=None if as_of is None else instant.parse(as_of))

    def frame(self, view: str, entity: str, **chosen: Any) -> dict[str, Any]:
        """Rows as columns; `chosen` holds start, end, as_of and limit."""
        from rpsd.core import instant

        start_ns, end_ns, as_of_ns = (None if chosen[name] is None else instant.parse(chosen[name]) for name in ("start", "end", "as_of"))
        found = self._store.frames.read(view, entity, start_ns=start_ns, end_ns=end_ns, as_of_ns=as_of_ns, limit=chosen["limit"])
        columns = {
            name: [None if isnan(cell) else cell for cell in found.piece.features[:, i].tolist()]
            for i, name in enumerate(found.graph.names)
        }
        return {
            "view": found.view.name,
            "version": found.view.version,
            "graph": found.graph.hash,
            "entity": found.entity,
            "reading": found.reading,
            "t": instant.texts(found.piece.t),
            "known_at": instant.texts(found.piece.known),
            "features": columns,
            "next": None if found.next_ns is None else instant.text(found.next_ns),
        }
