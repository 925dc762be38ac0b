"""Answers for whoever doubts a figure: what a deal adds to it, and which deals are behind it."""
