-- Indexes of trigrams let searches with patterns find their rows. The extension comes with PostgreSQL (Fedora: postgresql-contrib) and the owner
-- of a database may create it.
create extension if not exists pg_trgm with schema public;
