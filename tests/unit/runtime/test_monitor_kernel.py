"""The monitor's own JSON is everybody's JSON."""

from __future__ import annotations

import json
import os
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from wherry.runtime import monitor_kernel as kernel

TEXT = st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=20)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=20,
)


@given(st.dictionaries(TEXT, VALUES, max_size=5))
def test_what_is_encoded_is_json_and_decodes_to_itself(value: dict[str, object]) -> None:
    text = kernel.encode(value)
    assert json.loads(text) == value
    assert kernel.decode(text.encode()) == value


def test_a_record_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    for number in (1, 2):
        kernel.replace(str(path), {"number": number}, durable=True)
        assert json.loads(path.read_text()) == {"number": number}
    assert [one.name for one in tmp_path.iterdir()] == ["record.json"]


def test_the_start_time_is_the_hosts() -> None:
    from wherry.host.linux import LinuxHost

    assert kernel.start_time(os.getpid()) == LinuxHost({}).start_time(os.getpid())
    assert kernel.start_time(2**22 + 5) == 0
