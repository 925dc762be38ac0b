"""From sums to figures: every KPI as one entry of a catalogue, and its series with their labels.

Knows events and deals only through measures, and nothing of who reads the figures.
"""
