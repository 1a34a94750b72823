"""What a job that trains models leaves behind in its row."""

from collections.abc import Mapping
from typing import Any

from rpsd.core.errors import RpsdError


def told(outcomes: Mapping[str, dict[str, Any] | RpsdError]) -> dict[str, Any]:
    """How the models went: how many were `trained` and `promoted`, `failed` [{model, code, detail}], `models` [{name, version, stage}].

    A model that was kept back has its `reason`, and so has one of an order book, which says how well it foretells. The cards hold the rest.
    """
    trained = [one for one in outcomes.values() if not isinstance(one, RpsdError)]
    refused = {name: one for name, one in outcomes.items() if isinstance(one, RpsdError)}
    return {
        "trained": len(trained),
        "promoted": sum(one["promoted"] for one in trained),
        "failed": [{"model": name, "code": error.code, "detail": error.detail} for name, error in refused.items()],
        "models": [_brief(one) for one in trained],
    }


def _brief(model: dict[str, Any]) -> dict[str, Any]:
    brief = {key: model[key] for key in ("name", "version", "stage")}
    is_telling = not model["promoted"] or model["name"].startswith("book:")
    return brief | {"reason": model["reason"]} if is_telling else brief
