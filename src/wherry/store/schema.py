"""Every table of the state database, one constant per package.

The schema only grows: `CREATE ... IF NOT EXISTS`, and `COLUMNS` for a column that a table got later. So an older and
a newer wherry can share one file (docs/adr/0031-additive-schema.md). Statements end with ";" at the end of a line.
"""

from __future__ import annotations

from wherry.store.schema_models import FILE_DIGEST, MODEL

__all__ = ["COLUMNS", "KEEPS_BLOBS", "KEEPS_LAYERS", "STATEMENTS"]

# `is_deleted`: removed by force while a container uses it; gone from lists, kept until that container goes
IMAGE = """
CREATE TABLE IF NOT EXISTS image (
  id TEXT PRIMARY KEY,
  manifest TEXT NOT NULL,
  created_ns INTEGER NOT NULL,
  size INTEGER NOT NULL,
  added_ns INTEGER NOT NULL,
  is_deleted INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS image_layer (
  image_id TEXT NOT NULL REFERENCES image(id) ON DELETE CASCADE,
  position INTEGER NOT NULL,
  diff_id TEXT NOT NULL,
  PRIMARY KEY (image_id, position)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS image_layer_diff_id ON image_layer (diff_id);
CREATE TABLE IF NOT EXISTS image_blob (
  image_id TEXT NOT NULL REFERENCES image(id) ON DELETE CASCADE,
  digest TEXT NOT NULL,
  PRIMARY KEY (image_id, digest)
) WITHOUT ROWID;
"""

# name: the whole reference (docker.io/library/python:3.10, or ...@sha256:...)
REFERENCE = """
CREATE TABLE IF NOT EXISTS reference (
  name TEXT PRIMARY KEY,
  image_id TEXT NOT NULL REFERENCES image(id) ON DELETE CASCADE
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS reference_image_id ON reference (image_id);
"""

# size: bytes of the uncompressed tar. blob: the stored tar (mostly compressed) when pack can't make its bytes again
LAYER = """
CREATE TABLE IF NOT EXISTS layer (
  diff_id TEXT PRIMARY KEY,
  size INTEGER NOT NULL,
  blob TEXT,
  created_ns INTEGER NOT NULL
) WITHOUT ROWID;
"""

# kind: layer (key is a DiffID) or blob (key is a Digest)
LEASE = """
CREATE TABLE IF NOT EXISTS lease (
  id INTEGER PRIMARY KEY,
  what TEXT NOT NULL,
  pid INTEGER NOT NULL,
  start_time INTEGER NOT NULL,
  boot_id TEXT NOT NULL,
  created_ns INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS lease_item (
  lease_id INTEGER NOT NULL REFERENCES lease(id) ON DELETE CASCADE,
  kind TEXT NOT NULL,
  key TEXT NOT NULL,
  PRIMARY KEY (lease_id, kind, key)
) WITHOUT ROWID;
"""

# Read by the store: an image is in use when a row here names it in `image_id`.
# The columns stand in the order of engine.containers_rows.ContainerRow, which says what they hold
CONTAINER = """
CREATE TABLE IF NOT EXISTS container (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  image_id TEXT NOT NULL,
  image_name TEXT NOT NULL,
  created_ns INTEGER NOT NULL,
  phase TEXT NOT NULL,
  owner TEXT NOT NULL,
  command TEXT NOT NULL,
  labels TEXT NOT NULL,
  ports TEXT NOT NULL,
  remove INTEGER NOT NULL,
  options TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS container_image_id ON container (image_id);
"""

# `number` names the bridge (0 is the default network); `cursor` is the offset in the pool that was given last, so that
# an address is not given again at once. `sandbox` is a container's (or build step's) network namespace: `owner_*` is
# the process that reserved it; a build step lives as long as that, a container by its own records. `joint` is its place
# on one network: `slot` names the veth, `maker` is the process that is just making it ("" once it is there).
# `endpoint` and `published` are what older versions wrote, when a container was on one network: moved at the upgrade
NETWORK = """
CREATE TABLE IF NOT EXISTS network (
  number INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  name TEXT NOT NULL UNIQUE,
  subnet TEXT NOT NULL,
  gateway TEXT NOT NULL,
  ip_range TEXT NOT NULL DEFAULT '',
  internal INTEGER NOT NULL DEFAULT 0,
  is_auto INTEGER NOT NULL DEFAULT 1,
  labels TEXT NOT NULL DEFAULT '{}',
  options TEXT NOT NULL DEFAULT '{}',
  created_ns INTEGER NOT NULL,
  cursor INTEGER NOT NULL DEFAULT 1
);
CREATE TABLE IF NOT EXISTS endpoint (
  slot INTEGER PRIMARY KEY AUTOINCREMENT,
  container_id TEXT NOT NULL UNIQUE,
  network INTEGER NOT NULL REFERENCES network(number),
  address TEXT NOT NULL,
  mac TEXT NOT NULL,
  name TEXT NOT NULL DEFAULT '',
  hostname TEXT NOT NULL DEFAULT '',
  aliases TEXT NOT NULL DEFAULT '[]',
  hosts_path TEXT NOT NULL DEFAULT '',
  owner_pid INTEGER NOT NULL DEFAULT 0,
  owner_start INTEGER NOT NULL DEFAULT 0,
  owner_boot TEXT NOT NULL DEFAULT '',
  is_step INTEGER NOT NULL DEFAULT 0,
  UNIQUE (network, address)
);
CREATE TABLE IF NOT EXISTS published (
  protocol TEXT NOT NULL,
  host_port INTEGER NOT NULL,
  host_ip TEXT NOT NULL,
  container_id TEXT NOT NULL REFERENCES endpoint(container_id) ON DELETE CASCADE,
  container_port INTEGER NOT NULL,
  PRIMARY KEY (protocol, host_port, host_ip)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS sandbox (
  serial INTEGER PRIMARY KEY AUTOINCREMENT,
  container_id TEXT NOT NULL UNIQUE,
  name TEXT NOT NULL DEFAULT '',
  hostname TEXT NOT NULL DEFAULT '',
  hosts_path TEXT NOT NULL DEFAULT '',
  names_path TEXT NOT NULL DEFAULT '',
  owner_pid INTEGER NOT NULL DEFAULT 0,
  owner_start INTEGER NOT NULL DEFAULT 0,
  owner_boot TEXT NOT NULL DEFAULT '',
  is_step INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE IF NOT EXISTS joint (
  slot INTEGER PRIMARY KEY AUTOINCREMENT,
  container_id TEXT NOT NULL REFERENCES sandbox(container_id) ON DELETE CASCADE,
  network INTEGER NOT NULL REFERENCES network(number),
  device TEXT NOT NULL DEFAULT 'eth0',
  address TEXT NOT NULL,
  address6 TEXT NOT NULL DEFAULT '',
  mac TEXT NOT NULL,
  aliases TEXT NOT NULL DEFAULT '[]',
  links TEXT NOT NULL DEFAULT '[]',
  maker TEXT NOT NULL DEFAULT '',
  UNIQUE (network, address),
  UNIQUE (container_id, network)
);
CREATE UNIQUE INDEX IF NOT EXISTS joint_address6 ON joint (network, address6) WHERE address6 <> '';
CREATE TABLE IF NOT EXISTS host_port (
  protocol TEXT NOT NULL,
  host_port INTEGER NOT NULL,
  host_ip TEXT NOT NULL,
  container_id TEXT NOT NULL REFERENCES sandbox(container_id) ON DELETE CASCADE,
  container_port INTEGER NOT NULL,
  PRIMARY KEY (protocol, host_port, host_ip)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS host_port_container_id ON host_port (container_id);
INSERT OR IGNORE INTO sandbox
  (serial, container_id, name, hostname, hosts_path, owner_pid, owner_start, owner_boot, is_step)
  SELECT slot, container_id, name, hostname, hosts_path, owner_pid, owner_start, owner_boot, is_step FROM endpoint;
INSERT OR IGNORE INTO joint (slot, container_id, network, address, mac, aliases)
  SELECT slot, container_id, network, address, mac, aliases FROM endpoint;
INSERT OR IGNORE INTO host_port SELECT protocol, host_port, host_ip, container_id, container_port FROM published;
DELETE FROM published;
DELETE FROM endpoint;
CREATE INDEX IF NOT EXISTS published_container_id ON published (container_id);
"""

# volume_use: which containers mount it, and whether the image's content is still to be copied in for that one; a volume
# without a name of its own may still be `is_named` by a container: it then does not go with that one.
# image_use: which images containers mount; they are kept as those that containers are made from.
# The folder is ROOT/volumes/NAME/_data
VOLUME = """
CREATE TABLE IF NOT EXISTS volume (
  name TEXT PRIMARY KEY,
  labels TEXT NOT NULL DEFAULT '{}',
  options TEXT NOT NULL DEFAULT '{}',
  created_ns INTEGER NOT NULL,
  is_anonymous INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS volume_use (
  container_id TEXT NOT NULL,
  target TEXT NOT NULL,
  volume TEXT NOT NULL REFERENCES volume(name) ON DELETE CASCADE,
  needs_copy INTEGER NOT NULL DEFAULT 0,
  is_named INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (container_id, target)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS volume_use_volume ON volume_use (volume);
CREATE TABLE IF NOT EXISTS image_use (
  container_id TEXT NOT NULL,
  target TEXT NOT NULL,
  image_id TEXT NOT NULL,
  PRIMARY KEY (container_id, target)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS image_use_image_id ON image_use (image_id);
"""

# step: what a build step made. key: hex of everything the step depends on; kind: "ordinary" now, another kind of key
# (what the step read) can stand beside it. step_layer: what the step adds, base first,
# never the tree below it.
# step_source: which cache of another machine the record came from; no row when it was made here.
# file_hash: the content of a file of a build context, as it was at that size, mtime and ctime
BUILD = """
CREATE TABLE IF NOT EXISTS step (
  key TEXT PRIMARY KEY,
  kind TEXT NOT NULL,
  what TEXT NOT NULL,
  created_ns INTEGER NOT NULL,
  used_ns INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS step_layer (
  key TEXT NOT NULL REFERENCES step(key) ON DELETE CASCADE,
  position INTEGER NOT NULL,
  diff_id TEXT NOT NULL,
  PRIMARY KEY (key, position)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS step_source (
  key TEXT PRIMARY KEY REFERENCES step(key) ON DELETE CASCADE,
  source TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS file_hash (
  device INTEGER NOT NULL,
  inode INTEGER NOT NULL,
  size INTEGER NOT NULL,
  mtime_ns INTEGER NOT NULL,
  ctime_ns INTEGER NOT NULL,
  digest TEXT NOT NULL,
  PRIMARY KEY (device, inode)
) WITHOUT ROWID;
"""

# traced_paths: what a RUN with the key `weak` looked at, one row for each way it went (build.traced_store).
# traced_result: a step of kind 'traced': what was found there; `vals` is for people only, since `key` has it all.
# build_seen, copy_seen: what the last build of a project was made of, for --explain only
TRACED = """
CREATE TABLE IF NOT EXISTS traced_paths (
  weak TEXT NOT NULL,
  id TEXT NOT NULL,
  paths BLOB NOT NULL,
  looks INTEGER NOT NULL,
  used_ns INTEGER NOT NULL,
  PRIMARY KEY (weak, id)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS traced_result (
  key TEXT PRIMARY KEY REFERENCES step(key) ON DELETE CASCADE,
  weak TEXT NOT NULL,
  paths_id TEXT NOT NULL,
  vals BLOB NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS traced_result_paths ON traced_result (weak, paths_id);
CREATE TRIGGER IF NOT EXISTS traced_result_gone AFTER DELETE ON traced_result BEGIN DELETE FROM traced_paths
  WHERE weak = OLD.weak AND id = OLD.paths_id AND NOT EXISTS
  (SELECT 1 FROM traced_result WHERE weak = OLD.weak AND paths_id = OLD.paths_id); END;
CREATE TABLE IF NOT EXISTS build_seen (
  project TEXT PRIMARY KEY,
  digest TEXT NOT NULL,
  steps BLOB NOT NULL,
  used_ns INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS copy_seen (
  project TEXT NOT NULL,
  slot TEXT NOT NULL,
  files BLOB NOT NULL,
  PRIMARY KEY (project, slot)
) WITHOUT ROWID;
"""

# cache_folder: what RUN steps keep between builds (engine.builder_folders). `name` is the path below ROOT/cache; `size`
# is what it held at `measured_ns`
CACHE_FOLDER = """
CREATE TABLE IF NOT EXISTS cache_folder (
  name TEXT PRIMARY KEY,
  what TEXT NOT NULL,
  created_ns INTEGER NOT NULL,
  used_ns INTEGER NOT NULL,
  uses INTEGER NOT NULL DEFAULT 1,
  size INTEGER NOT NULL DEFAULT 0,
  measured_ns INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
"""

# layer_form: compressed forms of layers (store.compressed). known_blob: what is where (store.known_blobs). Both are
# hints that outlive the layers; nothing is kept for their sake
TRANSFER = """
CREATE TABLE IF NOT EXISTS layer_form (
  diff_id TEXT NOT NULL,
  digest TEXT NOT NULL,
  media_type TEXT NOT NULL,
  size INTEGER NOT NULL,
  maker TEXT NOT NULL DEFAULT '',
  used_ns INTEGER NOT NULL,
  PRIMARY KEY (diff_id, digest)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS layer_form_used_ns ON layer_form (used_ns);
CREATE TABLE IF NOT EXISTS known_blob (
  host TEXT NOT NULL,
  digest TEXT NOT NULL,
  repository TEXT NOT NULL,
  seen_ns INTEGER NOT NULL,
  PRIMARY KEY (host, digest, repository)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS known_blob_digest ON known_blob (digest);
CREATE INDEX IF NOT EXISTS known_blob_seen_ns ON known_blob (seen_ns);
"""

# Of a name that was loaded with all its platforms: the index, and what it holds besides images (nested indexes,
# attestations and their blobs). The images are rows of `image`, under NAME@DIGEST
INDEX = """
CREATE TABLE IF NOT EXISTS image_index (
  name TEXT PRIMARY KEY,
  digest TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS index_blob (
  name TEXT NOT NULL REFERENCES image_index(name) ON DELETE CASCADE,
  digest TEXT NOT NULL,
  PRIMARY KEY (name, digest)
) WITHOUT ROWID;
"""

# What is pushed with an image as its referrers; `digest` is of the payload's blob
ATTACHMENT = """
CREATE TABLE IF NOT EXISTS attachment (
  image_id TEXT NOT NULL REFERENCES image(id) ON DELETE CASCADE,
  artifact_type TEXT NOT NULL,
  digest TEXT NOT NULL,
  media_type TEXT NOT NULL,
  size INTEGER NOT NULL,
  title TEXT NOT NULL DEFAULT '',
  annotations TEXT NOT NULL DEFAULT '{}',
  created_ns INTEGER NOT NULL,
  PRIMARY KEY (image_id, artifact_type, digest)
) WITHOUT ROWID;
"""

_ALL = (
    IMAGE, REFERENCE, LAYER, LEASE, CONTAINER, NETWORK, VOLUME, BUILD, TRANSFER, ATTACHMENT, INDEX, CACHE_FOLDER,
    TRACED, MODEL, FILE_DIGEST,
)  # fmt: skip

# (table, column, declaration) of columns that came after the table was first released
COLUMNS: tuple[tuple[str, str, str], ...] = (
    ("volume_use", "needs_copy", "INTEGER NOT NULL DEFAULT 0"),
    ("volume_use", "is_named", "INTEGER NOT NULL DEFAULT 0"),
    # EnableIPv6, and the IPv6 pool: docker keeps a pool that is not used
    ("network", "ipv6", "INTEGER NOT NULL DEFAULT 0"),
    ("network", "subnet6", "TEXT NOT NULL DEFAULT ''"),
    ("network", "gateway6", "TEXT NOT NULL DEFAULT ''"),
    ("network", "ip_range6", "TEXT NOT NULL DEFAULT ''"),
    # JSON: auxiliary addresses, IPAM options, attachable, config_only, config_from
    ("network", "more", "TEXT NOT NULL DEFAULT '{}'"),
)

STATEMENTS: tuple[str, ...] = tuple(part.strip() for text in _ALL for part in text.split(";\n") if part.strip())

# Queries of one column: what garbage collection must keep. A package with a table that needs layers adds its own.
KEEPS_LAYERS: tuple[str, ...] = ("SELECT diff_id FROM image_layer", "SELECT diff_id FROM step_layer")
KEEPS_BLOBS: tuple[str, ...] = (
    "SELECT id FROM image",
    "SELECT manifest FROM image",
    "SELECT substr(name, instr(name, '@') + 1) FROM reference WHERE instr(name, '@') > 0",
    "SELECT digest FROM image_blob",
    "SELECT digest FROM attachment",
    "SELECT id FROM model",
    "SELECT digest FROM model_blob",
    "SELECT blob FROM layer WHERE blob IS NOT NULL",
    "SELECT digest FROM index_blob WHERE name IN (SELECT name FROM reference)",
)
