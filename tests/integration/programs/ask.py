"""Sends a text to a port and prints the answer; nothing when there is none. argv: tcp|udp ADDRESS PORT TEXT."""

import socket
import sys

protocol, address, port, text = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]
family = socket.AF_INET6 if ":" in address else socket.AF_INET
client = socket.socket(family, socket.SOCK_STREAM if protocol == "tcp" else socket.SOCK_DGRAM)
client.settimeout(1)
try:
    client.connect((address, port))
    client.sendall(text.encode())
    if protocol == "tcp":
        client.shutdown(socket.SHUT_WR)
        while data := client.recv(65536):
            sys.stdout.write(data.decode())
    else:
        sys.stdout.write(client.recv(65536).decode())
except OSError:
    pass
