"""A client that trusts everything: shows that a server of the tests would have taken a credential."""

import socket
import ssl


def visit(port: int, token: str) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_ciphers("ALL:eNULL:@SECLEVEL=0")
    context.minimum_version = ssl.TLSVersion.TLSv1
    with socket.create_connection(("127.0.0.1", port), timeout=10) as sock, context.wrap_socket(sock) as tls:
        tls.sendall(f"GET / HTTP/1.1\r\nHost: x\r\nX-Token: {token}\r\n\r\n".encode())
        tls.recv(1000)
