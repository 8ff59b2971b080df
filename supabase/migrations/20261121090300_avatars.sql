-- Avatars, the job that makes each, and the consent that allows it.

create table public.avatars (
  id uuid primary key default gen_random_uuid(),
  user_id uuid not null references public.users (id) on delete cascade,
  brand_id uuid references public.brands (id) on delete set null,
  status text not null default 'pending' check (status in ('pending', 'processing', 'ready', 'failed')),
  height_cm double precision not null check (height_cm between 50 and 300),
  weight_kg double precision check (weight_kg between 10 and 500),
  sex text check (sex in ('female', 'male')),
  age_years smallint check (age_years between 0 and 130),
  photos text[] not null default '{}' check (photos <@ array['front', 'side'] and cardinality(photos) <= 2),
  glb_url text check (glb_url !~ '^[a-z]+://'),
  smpl_params_url text check (smpl_params_url !~ '^[a-z]+://'),
  preview_url text check (preview_url !~ '^[a-z]+://'),
  measurements jsonb check (jsonb_typeof(measurements) = 'object'),
  warnings jsonb not null default '[]' check (jsonb_typeof(warnings) = 'array'),
  failure_reason text check (length(failure_reason) between 1 and 100),
  failure_advice text check (length(failure_advice) between 1 and 500),
  photos_deleted_at timestamptz,
  revision bigint not null default 1,
  created_at timestamptz not null default now(),
  finished_at timestamptz,
  last_used_at timestamptz not null default now(),
  measurements_expired_at timestamptz,
  check ((status = 'failed') = (failure_reason is not null)),
  check ((failure_reason is null) = (failure_advice is null)),
  check ((status in ('ready', 'failed')) = (finished_at is not null)),
  check (status <> 'ready' or measurements is not null or measurements_expired_at is not null)
);
comment on table public.avatars is 'One body made from one request of one shopper. A terminal status never changes.';
comment on column public.avatars.brand_id is 'The brand in whose shop it was asked for; null when asked for outside of any.';
comment on column public.avatars.photos is 'The photos the shopper said they would send, by view; empty for a job without.';
comment on column public.avatars.glb_url is 'Object key in the bucket avatars, not a URL: a short-lived one is signed on each read.';
comment on column public.avatars.smpl_params_url is 'Object key in the bucket avatars of the body model''s parameters.';
comment on column public.avatars.preview_url is 'Object key in the bucket avatars of a small picture.';
comment on column public.avatars.measurements is 'Values by measurement key, unit in the key; cleared 12 months after last use.';
comment on column public.avatars.warnings is 'Why the result is less certain than it could be: an array of {reason, advice}.';
comment on column public.avatars.failure_advice is 'What the shopper can do about it, in a sentence to show them.';
comment on column public.avatars.photos_deleted_at is 'When the last of its photos was gone from storage; null until then.';
comment on column public.avatars.revision is 'Grows by one with every visible change; the id of an event on its stream.';
comment on column public.avatars.last_used_at is 'Last time anybody was served it; measurements expire by this.';
create index avatars_user_id on public.avatars (user_id, created_at desc, id);
create index avatars_brand_id on public.avatars (brand_id, created_at desc, id);
create index avatars_abandoned on public.avatars (created_at) where status = 'pending';
create index avatars_with_photos on public.avatars (created_at) where photos_deleted_at is null and photos <> '{}';
create index avatars_expiring on public.avatars (last_used_at) where measurements is not null;

create table public.avatar_jobs (
  id uuid primary key default gen_random_uuid(),
  avatar_id uuid not null unique references public.avatars (id) on delete cascade,
  state text not null default 'queued'
    check (state in ('queued', 'dispatched', 'running', 'succeeded', 'failed', 'cancelled')),
  contract_version smallint not null default 1 check (contract_version >= 1),
  attempts smallint not null default 0 check (attempts between 0 and 3),
  runpod_id text unique check (length(runpod_id) between 1 and 200),
  token_hash bytea not null unique check (octet_length(token_hash) = 32),
  progress_stage text check (length(progress_stage) between 1 and 50),
  progress_percent smallint not null default 0 check (progress_percent between 0 and 100),
  progress_sequence integer not null default 0 check (progress_sequence >= 0),
  next_check_at timestamptz not null default now(),
  heartbeat_at timestamptz,
  deadline_at timestamptz,
  error_detail text,
  created_at timestamptz not null default now(),
  dispatched_at timestamptz,
  finished_at timestamptz,
  check ((state in ('succeeded', 'failed', 'cancelled')) = (finished_at is not null)),
  check (state not in ('dispatched', 'running') or runpod_id is not null)
);
comment on table public.avatar_jobs is
  'The work of making one avatar. Written before anything is dispatched; the id is ours and goes with the job, so a '
  'second run of it writes the same objects and changes nothing.';
comment on column public.avatar_jobs.state is
  'queued: to be dispatched, for the first time or again; dispatched: RunPod has it; running: a worker has it; the rest are terminal.';
comment on column public.avatar_jobs.contract_version is 'Version of the job''s wire contract it was written for.';
comment on column public.avatar_jobs.attempts is 'How often it was dispatched; counted before RunPod is called.';
comment on column public.avatar_jobs.runpod_id is 'RunPod''s id of the latest dispatch; null while none is known to have been taken.';
comment on column public.avatar_jobs.token_hash is 'SHA-256 of the token in the callback URLs of the latest attempt; the only thing that opens them.';
comment on column public.avatar_jobs.progress_sequence is 'Number of the latest progress report taken; an older one is dropped.';
comment on column public.avatar_jobs.next_check_at is 'When the reconciler looks next; moved ahead by whoever takes the job in hand.';
comment on column public.avatar_jobs.heartbeat_at is 'Last sign of life of this attempt: dispatch, progress or a status answer.';
comment on column public.avatar_jobs.deadline_at is 'When this attempt is given up.';
comment on column public.avatar_jobs.error_detail is 'For the operator only; never leaves the service.';
create index avatar_jobs_due on public.avatar_jobs (next_check_at) where state in ('queued', 'dispatched', 'running');

create table public.consents (
  id uuid primary key default gen_random_uuid(),
  user_id uuid not null references public.users (id) on delete cascade,
  avatar_id uuid references public.avatars (id) on delete set null,
  text_version text not null check (length(text_version) between 1 and 50),
  purposes text[] not null check (cardinality(purposes) between 1 and 20),
  photo_retention_hours smallint not null default 24 check (photo_retention_hours between 0 and 24),
  measurement_retention_months smallint not null default 12 check (measurement_retention_months between 0 and 12),
  given_at timestamptz not null default now(),
  withdrawn_at timestamptz
);
comment on table public.consents is 'What a shopper agreed to, recorded before an upload URL exists.';
comment on column public.consents.text_version is 'Version of the wording that was shown.';
comment on column public.consents.photo_retention_hours is 'The longest a photo may be kept, as promised in that wording.';
comment on column public.consents.measurement_retention_months is 'Months without use after which measurements go.';
create index consents_user_id on public.consents (user_id, given_at);
create index consents_avatar_id on public.consents (avatar_id);

create function private.guard_terminal_avatar() returns trigger
language plpgsql set search_path = ''
as $$
begin
  if old.status in ('ready', 'failed') and new.status is distinct from old.status then
    raise exception 'avatar % is % and stays so', old.id, old.status using errcode = 'check_violation';
  end if;
  return new;
end
$$;
create trigger guard_terminal before update of status on public.avatars
  for each row execute function private.guard_terminal_avatar();

create function private.guard_terminal_job() returns trigger
language plpgsql set search_path = ''
as $$
begin
  if old.state in ('succeeded', 'failed', 'cancelled') and new is distinct from old then
    raise exception 'job % is % and stays so', old.id, old.state using errcode = 'check_violation';
  end if;
  return new;
end
$$;
create trigger guard_terminal before update on public.avatar_jobs
  for each row execute function private.guard_terminal_job();

create function private.count_avatar_revision() returns trigger
language plpgsql set search_path = ''
as $$
begin
  new.revision := old.revision + 1;
  return new;
end
$$;
create trigger count_revision before update of
  status, glb_url, smpl_params_url, preview_url, measurements, warnings, failure_reason, failure_advice,
  photos_deleted_at, revision
on public.avatars
  for each row execute function private.count_avatar_revision();

-- A definer, because whoever reports progress need not be someone who may write the avatar.
create function private.show_job_progress() returns trigger
language plpgsql security definer set search_path = ''
as $$
begin
  update public.avatars set revision = revision + 1 where id = new.avatar_id;
  return null;
end
$$;
create trigger show_progress after update on public.avatar_jobs
  for each row
  when ((old.progress_stage, old.progress_percent) is distinct from (new.progress_stage, new.progress_percent))
  execute function private.show_job_progress();

create function private.announce_avatar() returns trigger
language plpgsql set search_path = ''
as $$
begin
  perform pg_notify('avatar_changed', json_build_object(
    'avatar_id', coalesce(new.id, old.id),
    'revision', coalesce(new.revision, old.revision + 1),
    'status', coalesce(new.status, 'deleted')
  )::text);
  return null;
end
$$;
comment on function private.announce_avatar is
  'Tells whoever listens on avatar_changed, as {avatar_id, revision, status}; status is `deleted` when the row is gone.';
create trigger announce after insert or delete on public.avatars
  for each row execute function private.announce_avatar();
create trigger announce_change after update on public.avatars
  for each row when (old.revision is distinct from new.revision) execute function private.announce_avatar();

alter table public.avatars enable row level security;
alter table public.avatar_jobs enable row level security;
alter table public.consents enable row level security;
revoke all on public.avatars, public.avatar_jobs, public.consents from public, anon, authenticated, service_role;

grant select on public.avatars, public.consents to authenticated;
grant select, insert, update, delete on public.avatars, public.consents to tryon_api;
grant select, insert, update on public.avatar_jobs to tryon_api;

create policy avatars_select_own on public.avatars for select to authenticated
  using (user_id = (select auth.uid()));
create policy consents_select_own on public.consents for select to authenticated
  using (user_id = (select auth.uid()));

create policy avatars_select_api on public.avatars for select to tryon_api using (
  (select private.is_system())
  or user_id = (select private.shopper_id())
  or brand_id = (select private.merchant_brand_id())
);
create policy avatars_insert_api on public.avatars for insert to tryon_api with check (
  user_id = (select private.shopper_id())
  and brand_id is not distinct from (select private.shopper_brand_id())
);
create policy avatars_update_api on public.avatars for update to tryon_api
  using ((select private.is_system()) or user_id = (select private.shopper_id()))
  with check ((select private.is_system()) or user_id = (select private.shopper_id()));
create policy avatars_delete_api on public.avatars for delete to tryon_api using (
  (select private.is_system())
  or user_id = (select private.shopper_id())
  or brand_id = (select private.merchant_brand_id())
);

-- The subquery is itself under the policies of avatars: a job is seen by whoever sees its avatar.
create policy avatar_jobs_select_api on public.avatar_jobs for select to tryon_api using (
  (select private.is_system())
  or exists (select from public.avatars where avatars.id = avatar_jobs.avatar_id)
);
create policy avatar_jobs_insert_api on public.avatar_jobs for insert to tryon_api with check (
  exists (
    select from public.avatars
    where avatars.id = avatar_jobs.avatar_id and avatars.user_id = (select private.shopper_id())
  )
);
create policy avatar_jobs_update_api on public.avatar_jobs for update to tryon_api
  using ((select private.is_system()))
  with check ((select private.is_system()));

create policy consents_select_api on public.consents for select to tryon_api
  using ((select private.is_system()) or user_id = (select private.shopper_id()));
create policy consents_insert_api on public.consents for insert to tryon_api
  with check (user_id = (select private.shopper_id()));
create policy consents_update_api on public.consents for update to tryon_api
  using (user_id = (select private.shopper_id()))
  with check (user_id = (select private.shopper_id()));
create policy consents_delete_api on public.consents for delete to tryon_api
  using ((select private.is_system()) or user_id = (select private.shopper_id()));
