"""From events to facts: one deal's journey, and what it adds to which measure in which minute.

Knows no window, no KPI and no Kafka; what a partition holds is a row of events for each deal.
"""
