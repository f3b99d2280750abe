"""Stands in for the monitor. argv: SOURCE-FOLDER, JSON list of [fd, protocol, address, port]."""

import importlib.util
import json
import select
import sys

spec = importlib.util.spec_from_file_location("monitor_proxy", f"{sys.argv[1]}/wherry/runtime/monitor_proxy.py")
assert spec
assert spec.loader
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
proxy = module.Proxy(json.loads(sys.argv[2]))
poll = select.poll()
poll.register(proxy.fileno(), select.POLLIN)
print("ready", flush=True)
while True:
    poll.poll()
    proxy.turn()
