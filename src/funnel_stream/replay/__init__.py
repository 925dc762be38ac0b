"""Files of events to figures in one process, as of an instant or of many. Knows no Kafka."""
