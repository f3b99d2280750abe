"""What is written of requests that were seen."""

from __future__ import annotations

from wherry.contract.call import Answer
from wherry.contract.model import App, Contract
from wherry.contract.record import Exchange, contract_of
from wherry.contract.write import write

JSON = {"content-type": "application/json"}


def recorded(*seen: Exchange) -> tuple[Contract, list[str], str]:
    contract, notes = contract_of(seen, App())
    return contract, notes, write(contract).decode()


def exchange(answer: bytes, again: bytes | None = None, **wishes: object) -> Exchange:
    given = {"method": "POST", "path": "/predict", "headers": JSON, "body": b'{"a": 1}'} | wishes
    return Exchange(
        **given,  # type: ignore[arg-type]
        answer=Answer(200, JSON, answer),
        again=None if again is None else Answer(200, JSON, again),
    )


def test_no_secret_is_written() -> None:
    headers = {"authorization": "Bearer s3cret", "cookie": "sid=s3cret", "x-api-key": "s3cret", "x-tenant": "a", **JSON}
    body = b'{"password": "s3cret", "a": 1}'
    _, notes, text = recorded(exchange(b"{}", headers=headers, body=body, path="/predict?api_key=s3cret&n=1"))
    assert "s3cret" not in text
    assert not any("s3cret" in note for note in notes)
    assert "x-tenant: a" in text
    assert "path: /predict?n=1" in text
    assert any(note.startswith("authorization was sent") for note in notes)


def test_the_same_request_is_written_once() -> None:
    contract, _, _ = recorded(
        exchange(b'{"y": 1}'), exchange(b'{"y": 1}', body=b'{ "a":1 }'), exchange(b"{}", path="/x")
    )
    assert [one.name for one in contract.requests] == ["POST /predict", "POST /x"]


def test_what_changes_each_time_is_held_to_its_type() -> None:
    first, again = (
        b'{"id": "a1", "n": 1, "p": 0.5, "same": [1, 2]}',
        b'{"id": "b2", "n": 9, "p": 0.5001, "same": [1, 2]}',
    )
    contract, _, text = recorded(exchange(first, again))
    assert "id: !type 'string'" in text
    assert "n: !type 'integer'" in text
    expect = contract.requests[0].expect
    assert expect.json["same"] == [1, 2]
    assert [where.text for where, _ in expect.tolerances] == ["$.p"]


def test_bytes_are_kept_by_their_digest() -> None:
    answer = Answer(200, {"content-type": "image/png"}, b"\x89PNG\xff")
    seen = Exchange("GET", "/x", {}, b"", answer, answer)
    assert "digest: sha256:" in recorded(seen)[2]
