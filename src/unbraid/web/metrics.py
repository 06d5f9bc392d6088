"""Metrics of the server in Prometheus text format 0.0.4."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from fastapi import APIRouter, Request, Response
from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric

from unbraid.jobs.choices import ALL
from unbraid.jobs.service import Service
from unbraid.jobs.session import State
from unbraid.models.catalog import catalog
from unbraid.web.description import METRICS

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
METHODS = {"GET", "HEAD", "POST", "PUT", "OPTIONS"}
SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60)

router = APIRouter(tags=["about"])


class Metrics:
    """The metrics of one server process. Session metrics are read from the store on each scrape."""

    def __init__(self, service: Service, clock: Callable[[], float] = time.time) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self.registry.register(_Sessions(service, clock))
        labels = ["method", "route"]
        self._seconds = Histogram(
            "unbraid_http_request_seconds", "Time to answer", labels, buckets=SECONDS, registry=self.registry
        )
        self._answers = Counter(
            "unbraid_http_responses", "Answers by status", [*labels, "status"], registry=self.registry
        )
        self._faults = Counter("unbraid_http_faults", "Answers of 500 and above", registry=self.registry)

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count one answer. Unknown methods share the label `other`, so that clients can't create series."""
        labels = (method if method in METHODS else "other", route)
        self._seconds.labels(*labels).observe(seconds)
        self._answers.labels(*labels, str(status)).inc()
        if status >= 500:
            self._faults.inc()

    def text(self) -> bytes:
        """The current metrics."""
        return generate_latest(self.registry)


class _Sessions:
    """Metrics of the session store."""

    def __init__(self, service: Service, clock: Callable[[], float]) -> None:
        self._service, self._clock = service, clock

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics; the registry calls this on each scrape."""
        jobs = self._service.sessions.store
        counts = jobs.counts()
        by_state = GaugeMetricFamily("unbraid_sessions", "Sessions by state", labels=["state"])
        for state in State:
            by_state.add_metric([state.value], counts.get(state, 0))
        yield by_state
        oldest = jobs.oldest_pending()
        age = 0.0 if oldest is None else max(0.0, self._clock() - oldest)
        yield GaugeMetricFamily(
            "unbraid_queue_age_seconds", "How long the first song in the queue has waited", age
        )
        rates = self._service.queue_snapshot.rates
        pace = GaugeMetricFamily(
            "unbraid_seconds_per_song_second",
            "Seconds of work for a second of song, measured; estimated before the first song",
            labels=["model", "stems"],
        )
        for entry in catalog().values():
            pace.add_metric([entry.name, "one"], rates.of(entry.name, entry.sources[0]))
            pace.add_metric([entry.name, ALL], rates.of(entry.name, ALL))
        yield pace
        free = self._service.sessions.objects.free_bytes()
        if free is not None:
            yield GaugeMetricFamily("unbraid_free_bytes", "Free disk space for songs and stems", free)


@router.get("/metrics", response_class=Response, openapi_extra=METRICS, operation_id="about_metrics")
def metrics(request: Request) -> Response:
    """Report the server's metrics in Prometheus text format."""
    registry: Metrics = request.app.state.context.metrics
    return Response(registry.text(), headers={"Content-Type": CONTENT_TYPE})
