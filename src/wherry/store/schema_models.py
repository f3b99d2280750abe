"""The tables of models; `store.schema` says the rules that they follow."""

from __future__ import annotations

__all__ = ["FILE_DIGEST", "MODEL"]

# Models and other artifacts (engine.models): `id` is the manifest's digest, `name` the whole reference
MODEL = """
CREATE TABLE IF NOT EXISTS model (
  id TEXT PRIMARY KEY,
  size INTEGER NOT NULL,
  added_ns INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS model_blob (
  model_id TEXT NOT NULL REFERENCES model(id) ON DELETE CASCADE,
  digest TEXT NOT NULL,
  PRIMARY KEY (model_id, digest)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS model_name (
  name TEXT PRIMARY KEY,
  model_id TEXT NOT NULL REFERENCES model(id) ON DELETE CASCADE
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS model_name_model_id ON model_name (model_id);
"""

# file_digest: the sha256 of a file outside of the store, as it was with these stamps (engine.models_hash)
FILE_DIGEST = """
CREATE TABLE IF NOT EXISTS file_digest (
  device INTEGER NOT NULL,
  inode INTEGER NOT NULL,
  size INTEGER NOT NULL,
  mtime_ns INTEGER NOT NULL,
  ctime_ns INTEGER NOT NULL,
  digest TEXT NOT NULL,
  PRIMARY KEY (device, inode)
) WITHOUT ROWID;
"""
