"""What an operator watches, in Prometheus' terms."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest


class Metrics:
    """The counters of one process. Labels are route templates and outcomes, never ids."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self.requests = Counter(
            "tryon_http_requests",
            "HTTP requests answered.",
            ["method", "route", "status"],
            registry=self._registry,
        )
        self.request_seconds = Histogram(
            "tryon_http_request_duration_seconds",
            "Time until the answer began.",
            ["method", "route"],
            registry=self._registry,
        )
        self.dispatches = Counter(
            "tryon_job_dispatches", "Jobs handed to the GPU queue.", ["outcome"], registry=self._registry
        )
        self.jobs_ended = Counter(
            "tryon_jobs_ended", "Jobs that reached a terminal state.", ["outcome"], registry=self._registry
        )
        self.jobs_lost = Counter(
            "tryon_job_runs_lost", "Runs that ended without a result.", ["cause"], registry=self._registry
        )
        self.subscribers = Gauge("tryon_event_subscribers", "Event streams open now.", registry=self._registry)
        self.reconciler_failures = Counter(
            "tryon_reconciler_failures", "Rounds of the reconciler that raised.", registry=self._registry
        )

    def text(self) -> bytes:
        """Prometheus' text format."""
        return generate_latest(self._registry)
