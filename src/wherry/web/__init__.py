"""A small HTTP/1.1 server: strict, threaded, with sendfile and recv_into (docs/adr/0120-own-http-server.md)."""
