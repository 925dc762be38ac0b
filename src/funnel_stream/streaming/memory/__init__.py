"""A log and a group in memory: workers run on them as on Kafka, on one asyncio loop, and alone."""
