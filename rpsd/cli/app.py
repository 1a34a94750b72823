"""The command `rpsd`: every group and command in one place."""

from rpsd.cli import (
    alerts,
    audit,
    backup,
    bench,
    books,
    config,
    demo,
    denoise,
    doctor,
    drift,
    events,
    features,
    fetch,
    health,
    init,
    jobs,
    keys,
    maintenance,
    manual,
    models,
    outbound,
    predict,
    regimes,
    release,
    retraining,
    runs,
    selftest,
    series,
    serve,
)
from rpsd.cli.root import application

app = application()
# in the order in which a newcomer meets them
for name, function in (
    ("demo", demo.demo),
    ("init", init.init),
    ("serve", serve.serve),
    ("outbound", outbound.outbound),
    ("health", health.health),
    ("doctor", doctor.doctor),
    ("selftest", selftest.selftest),
    ("bench", bench.bench),
    ("denoise", denoise.denoise),
    ("regimes", regimes.regimes),
    ("predict", predict.predict),
    ("retrain", models.retrain),
    ("fetch", fetch.fetch),
    ("events", events.events),
    ("restore", backup.restore),
    ("manual", manual.manual),
):
    app.command(name)(function)
for group in (config, series, books, features, models, drift, runs, jobs, keys, backup, alerts, audit, maintenance, release):
    app.add_typer(group.app)
models.app.command("decisions")(retraining.decisions)
models.app.command("shadow")(retraining.shadow)
