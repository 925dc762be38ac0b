"""The page at ``/``: the funnel and its KPIs to look at, rendered here, refreshed live."""
