#!/bin/sh
# The release step: bring the database up to date before the new version takes traffic. Needs the owner's connection.
set -eu
: "${MIGRATION_DATABASE_URL:?the connection string of the database's owner, session mode}"
export DO_NOT_TRACK=1 SUPABASE_TELEMETRY_DISABLED=1
exec supabase migration up --db-url "$MIGRATION_DATABASE_URL" --workdir /app --yes
