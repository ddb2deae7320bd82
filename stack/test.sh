#!/bin/sh
# Run a command on a PostgreSQL and a RabbitMQ of its own, which are gone afterwards.
set -eu
stack/install.sh services
local="python -m stack.local --instance test-$$"
PATH="$PWD/.venv/bin:$PATH"
export PATH
trap '$local down >/dev/null' EXIT
trap 'exit 130' INT TERM
$local up --no-consumer >/dev/null
$local exec "$@"
