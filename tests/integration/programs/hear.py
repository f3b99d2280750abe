"""Prints "ready", and then who sent each datagram to ADDRESS PORT, until it is killed."""

import socket
import sys

sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.bind((sys.argv[1], int(sys.argv[2])))
print("ready", flush=True)
while True:
    data, (peer, _) = sock.recvfrom(2048)
    print(peer, data.decode(), flush=True)
