"""docker-compose's labels: all state of a project that outlives a command, and the order in which they are kept."""

from __future__ import annotations

__all__ = [
    "CONFIG_FILES", "CONFIG_HASH", "DEPENDS_ON", "ENVIRONMENT_FILE", "IMAGE", "IMAGE_VOLUME_DIGEST", "NETWORK",
    "NUMBER", "ONE_OFF", "PROJECT", "REPLACE", "SERVICE", "SLUG", "VERSION", "VOLUME", "WORKING_DIR",
]  # fmt: skip

_PREFIX = "com.docker.compose."

PROJECT = _PREFIX + "project"
SERVICE = _PREFIX + "service"
NUMBER = _PREFIX + "container-number"
ONE_OFF = _PREFIX + "oneoff"
""""True" for containers of `run`, else "False"."""
SLUG = _PREFIX + "slug"
"""Of a one-off: a random word of 64 hex digits, whose beginning is in its name."""
CONFIG_HASH = _PREFIX + "config-hash"
IMAGE = _PREFIX + "image"
"""The image's id, at the time when the container was made."""
IMAGE_VOLUME_DIGEST = _PREFIX + "image-volume-digest"
"""TARGET=ID of each `type: image` volume, joined by commas."""
DEPENDS_ON = _PREFIX + "depends_on"
"""SERVICE:CONDITION:RESTART of each dependency, joined by commas."""
WORKING_DIR = _PREFIX + "project.working_dir"
CONFIG_FILES = _PREFIX + "project.config_files"
"""Joined by commas."""
ENVIRONMENT_FILE = _PREFIX + "project.environment_file"
REPLACE = _PREFIX + "replace"
"""The id of the container that this one takes the place of."""
NETWORK = _PREFIX + "network"
"""A network's key in the file."""
VOLUME = _PREFIX + "volume"
"""A volume's key in the file."""
VERSION = _PREFIX + "version"
