-- What shoppers tried on, and what happened in the widget.

create table public.tryon_sessions (
  id uuid primary key default gen_random_uuid(),
  user_id uuid not null references public.users (id) on delete cascade,
  brand_id uuid not null references public.brands (id) on delete cascade,
  avatar_id uuid references public.avatars (id) on delete set null,
  garment_id uuid,
  selected_size text check (length(selected_size) between 1 and 50),
  fit_result jsonb check (jsonb_typeof(fit_result) = 'object'),
  created_at timestamptz not null default now(),
  -- With the brand, so that a session can never point at another brand's garment.
  foreign key (garment_id, brand_id) references public.garments (id, brand_id) on delete set null (garment_id)
);
comment on table public.tryon_sessions is 'One shopper trying one garment of one brand.';
comment on column public.tryon_sessions.fit_result is 'How each size would sit on this avatar, as it was shown.';
create index tryon_sessions_brand_id on public.tryon_sessions (brand_id, created_at desc, id);
create index tryon_sessions_user_id on public.tryon_sessions (user_id, created_at desc, id);
create index tryon_sessions_avatar_id on public.tryon_sessions (avatar_id);
create index tryon_sessions_garment_id on public.tryon_sessions (garment_id);

create table public.events (
  id uuid primary key default gen_random_uuid(),
  brand_id uuid not null references public.brands (id) on delete cascade,
  user_id uuid references public.users (id) on delete set null,
  session_id uuid references public.tryon_sessions (id) on delete set null,
  event_type text not null check (event_type ~ '^[a-z][a-z0-9_.]{0,99}$'),
  metadata jsonb not null default '{}' check (jsonb_typeof(metadata) = 'object'),
  created_at timestamptz not null default now()
);
comment on table public.events is 'What happened, for a brand''s figures. Outlives the shopper, without them.';
comment on column public.events.user_id is 'Null once the shopper is deleted: the count stays, the person does not.';
comment on column public.events.metadata is 'Facts about the event; never anything that identifies or measures a person.';
create index events_brand_id on public.events (brand_id, created_at desc, id);
create index events_user_id on public.events (user_id);
create index events_session_id on public.events (session_id);

alter table public.tryon_sessions enable row level security;
alter table public.events enable row level security;
revoke all on public.tryon_sessions, public.events from public, anon, authenticated, service_role;

grant select on public.tryon_sessions, public.events to authenticated;
grant select, insert, update, delete on public.tryon_sessions to tryon_api;
grant select, insert, delete on public.events to tryon_api;

create policy tryon_sessions_select_own on public.tryon_sessions for select to authenticated
  using (user_id = (select auth.uid()));
create policy events_select_own on public.events for select to authenticated
  using (user_id = (select auth.uid()));

create policy tryon_sessions_select_api on public.tryon_sessions for select to tryon_api using (
  (select private.is_system())
  or user_id = (select private.shopper_id())
  or brand_id = (select private.merchant_brand_id())
);
create policy tryon_sessions_insert_api on public.tryon_sessions for insert to tryon_api with check (
  user_id = (select private.shopper_id())
  and brand_id = (select private.shopper_brand_id())
  and (
    avatar_id is null
    or exists (select from public.avatars where avatars.id = avatar_id and avatars.user_id = (select private.shopper_id()))
  )
);
create policy tryon_sessions_update_api on public.tryon_sessions for update to tryon_api
  using (user_id = (select private.shopper_id()))
  with check (
    user_id = (select private.shopper_id())
    and (
      avatar_id is null
      or exists (
        select from public.avatars where avatars.id = avatar_id and avatars.user_id = (select private.shopper_id())
      )
    )
  );
create policy tryon_sessions_delete_api on public.tryon_sessions for delete to tryon_api
  using ((select private.is_system()) or user_id = (select private.shopper_id()));

create policy events_select_api on public.events for select to tryon_api using (
  (select private.is_system())
  or user_id = (select private.shopper_id())
  or brand_id = (select private.merchant_brand_id())
);
create policy events_insert_api on public.events for insert to tryon_api with check (
  (select private.is_system())
  or brand_id = (select private.merchant_brand_id())
  or (user_id = (select private.shopper_id()) and brand_id = (select private.shopper_brand_id()))
);
create policy events_delete_api on public.events for delete to tryon_api
  using ((select private.is_system()) or user_id = (select private.shopper_id()));
