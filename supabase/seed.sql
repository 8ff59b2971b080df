-- A brand to look at on one's own machine. It has no keys: the operator makes those through the API.
insert into public.brands (id, name, shopify_shop_domain, allowed_origins)
values (
  '00000000-0000-4000-8000-000000000001', 'Example Outfitters', 'example-outfitters.myshopify.com',
  array['http://localhost:8000']
)
on conflict (id) do nothing;

insert into public.garments (id, brand_id, name, shopify_product_id, sizes, size_chart)
values (
  '00000000-0000-4000-8000-000000000002', '00000000-0000-4000-8000-000000000001', 'Plain T-shirt', '1001',
  '["S", "M", "L", "XL"]',
  '{
    "S": {"chest_girth_cm": [88, 94]},
    "M": {"chest_girth_cm": [94, 100]},
    "L": {"chest_girth_cm": [100, 106]},
    "XL": {"chest_girth_cm": [106, 114]}
  }'
)
on conflict (id) do nothing;
