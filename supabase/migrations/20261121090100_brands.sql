-- Merchants, the keys they call us with, and the garments they sell.

create table public.brands (
  id uuid primary key default gen_random_uuid(),
  name text not null check (length(name) between 1 and 200),
  shopify_shop_domain text unique check (shopify_shop_domain ~ '^[a-z0-9][a-z0-9.-]{0,252}$'),
  allowed_origins text[] not null default '{}' check (cardinality(allowed_origins) <= 50),
  created_at timestamptz not null default now()
);
comment on table public.brands is 'A merchant. Created by the operator.';
comment on column public.brands.shopify_shop_domain is 'Lower-case `….myshopify.com` host; null for a shop elsewhere.';
comment on column public.brands.allowed_origins is
  'Origins (`https://shop.example`) from which this brand''s publishable key is accepted; exact, no wildcard.';
create index brands_created_at on public.brands (created_at, id);

create table public.brand_keys (
  id uuid primary key default gen_random_uuid(),
  brand_id uuid not null references public.brands (id) on delete cascade,
  kind text not null check (kind in ('publishable', 'secret')),
  key_hash bytea not null unique check (octet_length(key_hash) = 32),
  key_prefix text not null check (length(key_prefix) between 4 and 24),
  created_at timestamptz not null default now(),
  expires_at timestamptz,
  revoked_at timestamptz,
  last_used_at timestamptz
);
comment on table public.brand_keys is 'Keys of a brand. The key itself is shown once and stored nowhere.';
comment on column public.brand_keys.key_hash is 'SHA-256 of the whole key; keys carry 256 random bits, so no salt is needed.';
comment on column public.brand_keys.key_prefix is 'First characters of the key, so that a person can tell keys apart.';
comment on column public.brand_keys.expires_at is 'Set when the key is rotated: the old key works until then.';
create index brand_keys_brand_id on public.brand_keys (brand_id, created_at, id);

create table public.garments (
  id uuid primary key default gen_random_uuid(),
  brand_id uuid not null references public.brands (id) on delete cascade,
  name text not null check (length(name) between 1 and 300),
  shopify_product_id text check (length(shopify_product_id) between 1 and 100),
  sizes jsonb not null default '[]' check (jsonb_typeof(sizes) = 'array'),
  size_chart jsonb not null default '{}' check (jsonb_typeof(size_chart) = 'object'),
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  unique (brand_id, shopify_product_id),
  unique (id, brand_id)
);
comment on table public.garments is 'What a brand sells. Public knowledge within the shop.';
comment on column public.garments.sizes is 'Size labels in the order in which the shop lists them.';
comment on column public.garments.size_chart is 'Body or garment measurements of each size, keyed by size label.';
create index garments_brand_id on public.garments (brand_id, created_at, id);

alter table public.brands enable row level security;
alter table public.brand_keys enable row level security;
alter table public.garments enable row level security;
revoke all on public.brands, public.brand_keys, public.garments from public, anon, authenticated, service_role;

grant select, insert, update, delete on public.brands, public.brand_keys, public.garments to tryon_api;

create policy brands_select_api on public.brands for select to tryon_api using (
  (select private.is_system())
  or (select private.is_operator())
  or id = (select private.merchant_brand_id())
  or id = (select private.storefront_brand_id())
  or id = (select private.shopper_brand_id())
);
create policy brands_insert_api on public.brands for insert to tryon_api
  with check ((select private.is_operator()));
create policy brands_update_api on public.brands for update to tryon_api
  using ((select private.is_operator()) or id = (select private.merchant_brand_id()))
  with check ((select private.is_operator()) or id = (select private.merchant_brand_id()));
create policy brands_delete_api on public.brands for delete to tryon_api
  using ((select private.is_operator()));

-- The system reads keys because a key is looked up before anyone is known.
create policy brand_keys_select_api on public.brand_keys for select to tryon_api using (
  (select private.is_system())
  or (select private.is_operator())
  or brand_id = (select private.merchant_brand_id())
);
create policy brand_keys_insert_api on public.brand_keys for insert to tryon_api
  with check ((select private.is_operator()) or brand_id = (select private.merchant_brand_id()));
create policy brand_keys_update_api on public.brand_keys for update to tryon_api
  using (
    (select private.is_system())
    or (select private.is_operator())
    or brand_id = (select private.merchant_brand_id())
  )
  with check (
    (select private.is_system())
    or (select private.is_operator())
    or brand_id = (select private.merchant_brand_id())
  );
create policy brand_keys_delete_api on public.brand_keys for delete to tryon_api
  using ((select private.is_operator()));

create policy garments_select_api on public.garments for select to tryon_api using (
  (select private.is_system())
  or brand_id = (select private.merchant_brand_id())
  or brand_id = (select private.storefront_brand_id())
  or brand_id = (select private.shopper_brand_id())
);
create policy garments_insert_api on public.garments for insert to tryon_api
  with check (brand_id = (select private.merchant_brand_id()));
create policy garments_update_api on public.garments for update to tryon_api
  using (brand_id = (select private.merchant_brand_id()))
  with check (brand_id = (select private.merchant_brand_id()));
create policy garments_delete_api on public.garments for delete to tryon_api
  using (brand_id = (select private.merchant_brand_id()));
