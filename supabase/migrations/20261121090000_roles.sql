-- Who may do what. The API signs in as tryon_api, which owns nothing and cannot bypass row-level security. Inside
-- each transaction it says for whom it acts (private.act_as); every policy below reads that, so a query that forgets
-- its `where` still sees only the rows of one shopper or one brand. The settings last for one transaction, which is
-- what a transaction pooler hands out.

do $$
begin
  -- Roles belong to the cluster, not to the database: another database of the same cluster may have made it already.
  if not exists (select from pg_catalog.pg_roles where rolname = 'tryon_api') then
    create role tryon_api nologin noinherit nosuperuser nocreatedb nocreaterole nobypassrls;
  end if;
exception when duplicate_object or unique_violation then
  null;
end
$$;
-- No password here: the operator gives the role `login password '…'` once, outside the migrations.

create schema if not exists private;
comment on schema private is 'Functions for policies and triggers; not exposed by the Data API.';
revoke all on schema private from public, anon, authenticated, service_role;
grant usage on schema private to tryon_api;
grant usage on schema public to tryon_api;

-- From here on, nobody reads a new table unless a migration says so. Functions live in `private`, where only
-- tryon_api may look anything up.
alter default privileges in schema public revoke all on tables from public, anon, authenticated, service_role;
alter default privileges in schema public revoke all on sequences from public, anon, authenticated, service_role;

create function private.act_as(actor text, brand_id uuid default null, user_id uuid default null)
returns void
language plpgsql
set search_path = ''
as $$
begin
  if actor not in ('system', 'operator', 'merchant', 'storefront', 'shopper') then
    raise exception 'unknown actor %', actor using errcode = 'invalid_parameter_value';
  end if;
  if actor in ('merchant', 'storefront') and brand_id is null then
    raise exception 'actor % needs a brand', actor using errcode = 'invalid_parameter_value';
  end if;
  if actor = 'shopper' and user_id is null then
    raise exception 'actor shopper needs a user' using errcode = 'invalid_parameter_value';
  end if;
  perform set_config('tryon.actor', actor, true);
  perform set_config('tryon.brand_id', coalesce(brand_id::text, ''), true);
  perform set_config('tryon.user_id', coalesce(user_id::text, ''), true);
end
$$;
comment on function private.act_as is
  'Says for whom the rest of this transaction acts: system (reconciler, callbacks, sweeps, looking up a key), operator '
  '(brands and their keys), merchant (secret key: one brand), storefront (publishable key: one brand, may admit '
  'shoppers), shopper (one user, in the brand given or in none).';

create function private.is_system() returns boolean
language sql stable set search_path = ''
as $$ select coalesce(current_setting('tryon.actor', true), '') = 'system' $$;
comment on function private.is_system is 'Whether this transaction acts for the service itself.';

create function private.is_operator() returns boolean
language sql stable set search_path = ''
as $$ select coalesce(current_setting('tryon.actor', true), '') = 'operator' $$;
comment on function private.is_operator is 'Whether this transaction acts for the operator of the service.';

create function private.merchant_brand_id() returns uuid
language sql stable set search_path = ''
as $$
  select case when current_setting('tryon.actor', true) = 'merchant'
    then nullif(current_setting('tryon.brand_id', true), '')::uuid end
$$;
comment on function private.merchant_brand_id is 'The brand whose secret key this transaction acts for, else null.';

create function private.storefront_brand_id() returns uuid
language sql stable set search_path = ''
as $$
  select case when current_setting('tryon.actor', true) = 'storefront'
    then nullif(current_setting('tryon.brand_id', true), '')::uuid end
$$;
comment on function private.storefront_brand_id is 'The brand whose publishable key this transaction acts for, else null.';

create function private.shopper_id() returns uuid
language sql stable set search_path = ''
as $$
  select case when current_setting('tryon.actor', true) = 'shopper'
    then nullif(current_setting('tryon.user_id', true), '')::uuid end
$$;
comment on function private.shopper_id is 'The shopper this transaction acts for, else null.';

create function private.shopper_brand_id() returns uuid
language sql stable set search_path = ''
as $$
  select case when current_setting('tryon.actor', true) = 'shopper'
    then nullif(current_setting('tryon.brand_id', true), '')::uuid end
$$;
comment on function private.shopper_brand_id is 'The brand in whose shop this transaction''s shopper is, else null.';

grant execute on function
  private.act_as(text, uuid, uuid), private.is_system(), private.is_operator(), private.merchant_brand_id(),
  private.storefront_brand_id(), private.shopper_id(), private.shopper_brand_id()
to tryon_api;
