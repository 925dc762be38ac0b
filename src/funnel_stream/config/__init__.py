"""Reading and checking ``funnel.yaml``, with the line of every mistake; its schema for editors."""
