"""Real servers from development wheels, for whoever has no Docker: Kafka and PostgreSQL."""
