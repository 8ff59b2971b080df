-- Shoppers, what they agreed to, and the requests of theirs that must not happen twice.

create table public.users (
  id uuid primary key default gen_random_uuid(),
  email text check (length(email) between 3 and 320),
  brand_id uuid references public.brands (id) on delete cascade,
  created_at timestamptz not null default now(),
  last_seen_at timestamptz not null default now()
);
comment on table public.users is 'A shopper: anonymous within one brand, or signed in through Supabase Auth.';
comment on column public.users.id is 'For a shopper signed in through Supabase Auth, the id that Auth knows them by.';
comment on column public.users.email is 'Only of a signed-in shopper; null for an anonymous one.';
comment on column public.users.brand_id is
  'The brand whose widget the anonymous shopper came through; null for a signed-in shopper, who belongs to no brand.';
create index users_brand_id on public.users (brand_id);

create table public.idempotency_keys (
  user_id uuid not null references public.users (id) on delete cascade,
  operation text not null check (length(operation) between 1 and 100),
  key text not null check (length(key) between 1 and 255),
  request_digest bytea not null check (octet_length(request_digest) = 32),
  resource_id uuid,
  created_at timestamptz not null default now(),
  primary key (user_id, operation, key)
);
comment on table public.idempotency_keys is
  'One row for each Idempotency-Key a shopper sent: the same request again answers with the same resource. Kept 24 hours.';
comment on column public.idempotency_keys.operation is 'Method and route, as `POST /v1/avatars`.';
comment on column public.idempotency_keys.request_digest is
  'SHA-256 of the request body: the same key with another body is refused.';
comment on column public.idempotency_keys.resource_id is 'What the first request made; null while it is still under way.';
create index idempotency_keys_created_at on public.idempotency_keys (created_at);

alter table public.users enable row level security;
alter table public.idempotency_keys enable row level security;
revoke all on public.users, public.idempotency_keys from public, anon, authenticated, service_role;

grant select on public.users to authenticated;
grant select, insert, update, delete on public.users, public.idempotency_keys to tryon_api;

create policy users_select_own on public.users for select to authenticated
  using (id = (select auth.uid()));

create policy users_select_api on public.users for select to tryon_api using (
  (select private.is_system())
  or id = (select private.shopper_id())
);
-- A storefront admits a shopper under an id that the API made, and can read none back.
create policy users_insert_api on public.users for insert to tryon_api with check (
  brand_id = (select private.storefront_brand_id())
  or (id = (select private.shopper_id()) and brand_id is null)
);
create policy users_update_api on public.users for update to tryon_api
  using ((select private.is_system()) or id = (select private.shopper_id()))
  with check ((select private.is_system()) or id = (select private.shopper_id()));
create policy users_delete_api on public.users for delete to tryon_api
  using ((select private.is_system()) or id = (select private.shopper_id()));

create policy idempotency_keys_select_api on public.idempotency_keys for select to tryon_api
  using ((select private.is_system()) or user_id = (select private.shopper_id()));
create policy idempotency_keys_insert_api on public.idempotency_keys for insert to tryon_api
  with check (user_id = (select private.shopper_id()));
create policy idempotency_keys_update_api on public.idempotency_keys for update to tryon_api
  using (user_id = (select private.shopper_id()))
  with check (user_id = (select private.shopper_id()));
create policy idempotency_keys_delete_api on public.idempotency_keys for delete to tryon_api
  using ((select private.is_system()) or user_id = (select private.shopper_id()));
