"""What is said of an end of a copy that is not what its name promises."""

from __future__ import annotations

from pathlib import Path

import pytest

from wherry.cancel import Cancel
from wherry.engine import Engine
from wherry.engine.copy_media import opened_origin
from wherry.errors import InvalidSpec
from wherry.host.fake import FakeHost
from wherry.registry.media.location import Location
from wherry.settings import Paths, Settings


def test_a_folder_that_is_no_layout_is_named(tmp_path: Path) -> None:
    settings = Settings(Paths.for_user({}, 0, str(tmp_path / "root")), {}, 0, "/")
    with Engine(settings, FakeHost()) as engine:
        location = Location.parse(f"oci:{tmp_path}")
        with pytest.raises(InvalidSpec) as caught, opened_origin(engine, location, Cancel()):
            pass
    assert caught.value.where == str(tmp_path)
