"""Reserves, plumbs and releases in a loop until it is killed. argv: ROOT NETNS-PID."""

import os
import sys

from wherry.engine import Engine
from wherry.host.linux import LinuxHost
from wherry.network.model import NetworkRequest, PortMapping
from wherry.settings import Paths, Settings

env = {"PATH": os.environ["PATH"]}
engine = Engine(Settings(Paths.for_user(env, 0, sys.argv[1]), env, 0, "/"), LinuxHost(env))
while True:
    attachment = engine.networks.reserve("e" * 64, NetworkRequest(ports=(PortMapping(80, "tcp", "", 8000),)))
    engine.networks.plumb(attachment, int(sys.argv[2]))
    engine.networks.close_listeners(attachment)
    engine.networks.release("e" * 64)
