"""Answers on one port: who asked, which port, and what. argv: tcp|udp ADDRESS PORT."""

import socket
import sys
import threading

protocol, address, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
kind = socket.SOCK_STREAM if protocol == "tcp" else socket.SOCK_DGRAM
server = socket.socket(socket.AF_INET, kind)
server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
server.bind((address, port))
if protocol == "tcp":
    server.listen(512)
print("ready", flush=True)


def answer(client: socket.socket, peer: str) -> None:
    with client:
        first = client.recv(65536)
        client.sendall(f"{peer} {port}:".encode() + first)
        while more := client.recv(65536):
            client.sendall(more)


while True:
    if protocol == "udp":
        data, source = server.recvfrom(65536)
        server.sendto(f"{source[0]} {port}:".encode() + data, source)
    else:
        accepted, source = server.accept()
        threading.Thread(target=answer, args=(accepted, source[0]), daemon=True).start()
