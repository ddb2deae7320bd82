"""The ground the others stand on: settings, PostgreSQL, RabbitMQ, migrations, logging."""
