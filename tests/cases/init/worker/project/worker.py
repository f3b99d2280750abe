"""Takes what is written to a folder, and has no port."""

import json
import signal
import threading
from pathlib import Path

stop = threading.Event()


def predict(x: float) -> float:
    return 2 * x + 1


def main() -> None:
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    inbox = Path("/tmp/inbox")
    inbox.mkdir(exist_ok=True)
    (inbox / "first.json").write_text('{"x": 3}')
    while not stop.wait(0.1):
        for one in inbox.glob("*.json"):
            print(json.dumps({"y": predict(json.loads(one.read_text())["x"])}), flush=True)
            one.unlink()


if __name__ == "__main__":
    main()
