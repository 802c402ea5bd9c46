"""Certificates, good and bad, made with the openssl command."""

import pathlib
import subprocess

CA_CONFIG = """
[ca]
default_ca = here
[here]
database = {folder}/index.txt
new_certs_dir = {folder}
rand_serial = yes
unique_subject = no
default_md = sha256
policy = anything
[anything]
commonName = optional
[req]
distinguished_name = name
prompt = no
[name]
commonName = Test
"""
GOOD_NAMES = "DNS:localhost,IP:127.0.0.1"
#: The same names in DER, with a NUL: "localhost\\0.evil.example" as a DNS name.
NUL_NAME = "DER:" + (bytes([0x30, 25, 0x82, 23]) + b"localhost\0.evil.example").hex(":")


class Authority:
    """Certificates below `folder`; `root.pem` is the one that the tests trust."""

    def __init__(self, folder: str) -> None:
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "index.txt").write_text("")
        (self.folder / "ca.cnf").write_text(CA_CONFIG.format(folder=self.folder))
        for root in ("root", "other"):
            self.self_signed(root, "basicConstraints=critical,CA:TRUE", "keyUsage=critical,keyCertSign")

    def path(self, name: str) -> str:
        return str(self.folder / name)

    def run(self, *arguments: str) -> None:
        done = subprocess.run(["openssl", *arguments], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise SystemExit(f"openssl {' '.join(arguments)}: {done.stderr}")

    def key(self, name: str, kind: str) -> None:
        options = {"ec": ["EC", "-pkeyopt", "ec_paramgen_curve:P-256"], "rsa": ["RSA", "-pkeyopt", "rsa_keygen_bits:2048"],
                   "weak": ["RSA", "-pkeyopt", "rsa_keygen_bits:1024"]}[kind]
        self.run("genpkey", "-algorithm", *options, "-out", self.path(f"{name}.key"))

    def self_signed(self, name: str, *extensions: str) -> None:
        self.key(name, "ec")
        added = [part for extension in extensions for part in ("-addext", extension)]
        self.run("req", "-x509", "-config", self.path("ca.cnf"), "-key", self.path(f"{name}.key"), "-days", "30",
                 "-subj", f"/CN={name}", "-out", self.path(f"{name}.pem"), *added)

    def issue(self, name: str, *, names: str = GOOD_NAMES, usage: str = "serverAuth", key: str = "ec", digest: str = "sha256",
              start: str = "20200101000000Z", end: str = "20491231000000Z", issuer: str = "root",
              extra: str = "", subject: str = "server") -> None:
        """`name.pem` (with its chain, if the issuer is no root) and `name.key`."""
        self.key(name, key)
        request, extensions = self.path(f"{name}.csr"), self.path(f"{name}.ext")
        self.run("req", "-new", "-config", self.path("ca.cnf"), "-key", self.path(f"{name}.key"),
                 "-subj", f"/CN={subject}", "-out", request)
        lines = [f"subjectAltName={names}", f"extendedKeyUsage={usage}" if usage else "", extra]
        pathlib.Path(extensions).write_text("\n".join(line for line in lines if line) + "\n")
        self.run("ca", "-batch", "-notext", "-config", self.path("ca.cnf"), "-in", request, "-out", self.path(f"{name}.pem"),
                 "-cert", self.path(f"{issuer}.pem"), "-keyfile", self.path(f"{issuer}.key"), "-extfile", extensions,
                 "-startdate", start, "-enddate", end, "-md", digest)
        if issuer not in ("root", "other"):
            with open(self.path(f"{name}.pem"), "a", encoding="ascii") as chain:
                chain.write(pathlib.Path(self.path(f"{issuer}.pem")).read_text(encoding="ascii"))


def make(folder: str) -> Authority:
    authority = Authority(folder)
    authority.issue("good")
    authority.issue("expired", end="20210101000000Z")
    authority.issue("early", start="20480101000000Z")
    authority.issue("wrong_name", names="DNS:vault.example")
    authority.issue("wrong_address", names="IP:127.0.0.9")
    authority.issue("nul_name", names=NUL_NAME)
    authority.issue("part_name", names="DNS:local*,DNS:*host,DNS:*")
    authority.issue("other_authority", issuer="other")
    authority.issue("wrong_usage", usage="clientAuth")
    authority.issue("weak_key", key="weak")
    authority.issue("sha1", digest="sha1")
    authority.issue("critical", extra="1.2.3.4.5=critical,DER:05:00")
    authority.issue("no_authority", extra="basicConstraints=CA:FALSE")
    authority.issue("below_leaf", issuer="no_authority")
    authority.issue("short_path", extra="basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign\n"
                    "nameConstraints=critical,permitted;DNS:vault.example", usage="")
    authority.issue("out_of_constraint", issuer="short_path", names="DNS:localhost")
    authority.issue("client", usage="clientAuth")
    authority.self_signed("alone", "subjectAltName=" + GOOD_NAMES)
    return authority
