"""The tests: unit without services, integration on a real PostgreSQL and RabbitMQ."""
