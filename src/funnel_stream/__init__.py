"""Live KPIs of a marketing-and-sales funnel, from Kafka events to Prometheus metrics."""

__version__ = "0.1.0"
