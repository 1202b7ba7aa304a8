"""The same collector with one difference: what it takes it does not store. What logs are measured against."""

import sys

import uvicorn
from fastapi import FastAPI

from monitor.app import create_app
from monitor.compose import configure_logs, make_deps, open_database
from monitor.ingest import Ingest
from monitor.ingest.batcher import Batcher
from monitor.ingest.commit import Job
from monitor.serving import UVICORN
from monitor.settings import load


class Silent(Batcher):
    """Says at once that it is committed."""

    async def submit(self, job: Job) -> None:
        """Forget the job."""


def app() -> FastAPI:
    """As `monitor.compose.serve_app`, with the batcher exchanged."""
    settings = load()
    configure_logs(settings)
    db = open_database(settings)
    deps = make_deps(settings, db)
    ingest = Ingest(deps)
    ingest.batcher = Silent(db, deps.series, ingest.metrics)
    return create_app(deps, ingest, closing=db.close)


if __name__ == "__main__":
    uvicorn.run(
        "tests.bench.silent:app",
        factory=True,
        host="127.0.0.1",
        port=int(sys.argv[1]),
        **UVICORN,
    )
