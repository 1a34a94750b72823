"""The errors of models, features and experiments; core/errors.py lists them with all others."""

from rpsd.core.fault import Kind, RpsdError


class DegenerateFit(RpsdError):
    """A fit that collapsed: a state on one point, a variance at its floor, no convergence."""

    code, kind, title = "degenerate_fit", Kind.INPUT, "The fit is degenerate"
    hint = "Use fewer states or a longer range."


class RandomSplitRefused(RpsdError):
    """A validation that would shuffle events: neighbours share their label, so the test would know the answers."""

    code, kind, title = "random_split_refused", Kind.INPUT, "A random split is refused"
    hint = "Use the purged walk-forward, split: walk_forward; the manual shows what a random split pretends."


class NoModel(RpsdError):
    """A question about a live regime or an order book for which no production model exists."""

    code, kind, title = "no_model", Kind.MISSING, "No production model"
    hint = "Train one: POST /api/v1/models/{name}/retrain, or `rpsd retrain --model NAME`."


class UnknownModel(RpsdError):
    """A model name that the registry does not hold."""

    code, kind, title = "unknown_model", Kind.MISSING, "No such model"
    hint = "GET /api/v1/models lists the models; names look like regime:AAPL:1d:3_state or book:BTC-USDT:next_mid_move."


class GateRefused(RpsdError):
    """A promotion of a model version that did not pass the gate when it was fitted."""

    code, kind, title = "gate_refused", Kind.CONFLICT, "The version has not passed the promotion gate"
    hint = "Retrain on better data; a key with the scope admin can send force, which the audit log records."


class UnknownFeature(RpsdError):
    """A feature that is not in the catalogue, or a window out of its bounds."""

    code, kind, title = "unknown_feature", Kind.INPUT, "There is no such feature"
    hint = "GET /api/v1/features lists the catalogue with the bounds of every window."


class BadView(RpsdError):
    """A view that cannot be computed: a cycle, a name twice, a feature that looks ahead, or columns that the series lacks."""

    code, kind, title = "bad_view", Kind.INPUT, "The feature view cannot be computed"
    hint = "`errors` names each bad place; a view is a list of catalogue features, transforms of them, and other views."


class UnknownView(RpsdError):
    """A view, or a version of it, that is not registered."""

    code, kind, title = "unknown_view", Kind.MISSING, "There is no such feature view"
    hint = "GET /api/v1/feature-views lists the views and their versions."


class FeatureGraphChanged(RpsdError):
    """A model, or a caller, that expects other features than are computed now."""

    code, kind, title = "feature_graph_changed", Kind.CONFLICT, "The features are not those the model was trained on"
    hint = "Train the model anew on the present features, or name the version of the view that it was trained on."


class BadModelFile(RpsdError):
    """A model file that is damaged, no model, or holds what no model may: it was set aside and never loaded."""

    code, kind, title = "bad_model_file", Kind.INPUT, "The model file is not valid"
    hint = "Export the model again and compare the digests; pickled models are never read: retrain them here."


class UnknownExperiment(RpsdError):
    """An experiment that is not there, or that the caller may not see."""

    code, kind, title = "unknown_experiment", Kind.MISSING, "There is no such experiment"
    hint = "GET /api/v1/experiments lists those that the key may see."


class UnknownRun(RpsdError):
    """A run that is not there, or that the caller may not see."""

    code, kind, title = "unknown_run", Kind.MISSING, "There is no such run"
    hint = "GET /api/v1/experiments/{id}/runs lists the runs of an experiment."


class SourceFailed(RpsdError):
    """A vendor of market data or a receiver of alerts that did not answer as it should, or that is left alone after failures."""

    code, kind, title, status = "source_failed", Kind.BUSY, "The other end did not answer well", 503
    hint = "The detail says what it answered; GET /health/detailed shows its circuit breaker."
