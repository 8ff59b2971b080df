#!/bin/sh
# Serve, without the owner's connection string that the release step of the same service needs.
set -eu
unset MIGRATION_DATABASE_URL
# Event streams never end by themselves: after ten seconds they are cut, and browsers come back with Last-Event-ID.
exec uvicorn --factory api.app:create_app --host 0.0.0.0 --port "$PORT" \
  --no-access-log --proxy-headers --forwarded-allow-ips "*" --timeout-graceful-shutdown 10
