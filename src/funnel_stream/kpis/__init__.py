"""From sums to figures: every KPI as one entry of a catalogue, and its series with their labels.

Knows no event and no deal but through measures, and nobody who reads the figures.
"""
