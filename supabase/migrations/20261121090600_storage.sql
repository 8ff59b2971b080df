-- The buckets. Everything is written with the service key or a signed URL made with it; the policies say what a
-- signed-in shopper may read directly, and the absence of any other policy says the rest.

insert into storage.buckets (id, name, public, file_size_limit, allowed_mime_types)
values
  ('photos', 'photos', false, 26214400, array['image/jpeg', 'image/png', 'image/webp', 'image/heic', 'image/heif']),
  ('avatars', 'avatars', false, 52428800, array['model/gltf-binary', 'application/json', 'application/octet-stream', 'image/png', 'image/webp']),
  ('garments', 'garments', true, 52428800, array['model/gltf-binary', 'image/jpeg', 'image/png', 'image/webp'])
on conflict (id) do update set
  public = excluded.public,
  file_size_limit = excluded.file_size_limit,
  allowed_mime_types = excluded.allowed_mime_types;

-- Keys are <avatar id>/<file name>. The subquery is under the policies of avatars: only the shopper's own match.
create policy avatar_files_select_own on storage.objects for select to authenticated using (
  bucket_id = 'avatars'
  and (storage.foldername(name))[1] in (
    select avatars.id::text from public.avatars where avatars.user_id = (select auth.uid())
  )
);
