-- What was deleted, and what of a deletion is still to be done.

create table public.deletions (
  id uuid primary key default gen_random_uuid(),
  subject text not null check (subject in ('avatar', 'shopper', 'photos', 'measurements')),
  subject_digest bytea not null check (octet_length(subject_digest) = 32),
  brand_id uuid references public.brands (id) on delete set null,
  requested_by text not null check (requested_by in ('shopper', 'merchant', 'operator', 'retention', 'completion')),
  objects_left text[] not null default '{}',
  runpod_ids_left text[] not null default '{}',
  attempts smallint not null default 0 check (attempts >= 0),
  next_attempt_at timestamptz not null default now(),
  requested_at timestamptz not null default now(),
  completed_at timestamptz,
  check (completed_at is null or (objects_left = '{}' and runpod_ids_left = '{}'))
);
comment on table public.deletions is
  'A tombstone of each deletion, without personal data. Written in the transaction that deletes the rows; the objects '
  'and the running job are removed after it, and the tombstone is complete when they are gone.';
comment on column public.deletions.subject_digest is
  'SHA-256 of the id of what was deleted: proves that a given id was deleted to whoever knows it, and tells nobody else.';
comment on column public.deletions.requested_by is
  'Who asked; retention is a time limit that passed, completion is photos going because their job ended.';
comment on column public.deletions.objects_left is 'Objects still to be removed, as bucket/key; empty when done.';
comment on column public.deletions.runpod_ids_left is 'RunPod jobs still to be cancelled; empty when done.';
create index deletions_due on public.deletions (next_attempt_at) where completed_at is null;
create index deletions_subject_digest on public.deletions (subject_digest);
create index deletions_brand_id on public.deletions (brand_id);

alter table public.deletions enable row level security;
revoke all on public.deletions from public, anon, authenticated, service_role;
grant select, insert, update on public.deletions to tryon_api;

create policy deletions_select_api on public.deletions for select to tryon_api
  using ((select private.is_system()));
create policy deletions_insert_api on public.deletions for insert to tryon_api with check (
  (select private.is_system())
  or ((select private.shopper_id()) is not null and requested_by = 'shopper')
  or (brand_id = (select private.merchant_brand_id()) and requested_by = 'merchant')
);
create policy deletions_update_api on public.deletions for update to tryon_api
  using ((select private.is_system()))
  with check ((select private.is_system()));
