"""A certificate authority for tests, and what it has signed, in all the formats that users of Kafka
are handed."""

import subprocess
from pathlib import Path
from typing import Final, NamedTuple

from tests.programs import binary

KEY_PASSWORD: Final = "key secret"
STORE_PASSWORD: Final = "store secret"
"""Of every JKS and PKCS12 store."""
_NEW_KEY: Final = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")


class Pair(NamedTuple):
    """PEM files."""

    certificate: Path
    key: Path
    """PKCS #8."""


class Authority:
    """An authority that keeps all it makes in a folder; what was made before is made once."""

    def __init__(self, folder: Path, name: str = "authority of the tests") -> None:
        self._folder = folder
        self._key = folder / "ca.key"
        self.certificate = folder / "ca.pem"
        """What clients and brokers trust."""
        openssl(
            *("req", "-x509", *_NEW_KEY, "-subj", f"/CN={name}", "-days", "30"),
            *("-addext", "keyUsage=critical,keyCertSign,cRLSign"),
            *("-keyout", str(self._key), "-out", str(self.certificate)),
        )

    def server(self, *, days: int = 30) -> Pair:
        """For a broker on this machine; expired if ``days`` is negative."""
        return self._signed(f"server{days}", "localhost", "DNS:localhost,IP:127.0.0.1", days)

    def server_elsewhere(self) -> Pair:
        """For a broker that has another name, and no address."""
        return self._signed("elsewhere", "kafka.example", "DNS:kafka.example", 30)

    def client(self, name: str) -> Pair:
        """For the user of this name (letters, digits and hyphens)."""
        return self._signed(f"client-{name}", name, f"DNS:{name}", 30)

    def encrypted(self, pair: Pair) -> Pair:
        """The same with a key that ``KEY_PASSWORD`` opens."""
        key = pair.key.with_suffix(".encrypted.key")
        if not key.exists():
            password = ("-passout", f"pass:{KEY_PASSWORD}")
            openssl("pkcs8", "-topk8", "-in", str(pair.key), "-out", str(key), *password)
        return Pair(pair.certificate, key)

    def both(self, pair: Pair) -> Path:
        """Key and certificate in one file, as Kafka's own key stores of type PEM have them."""
        path = pair.key.with_suffix(".both.pem")
        path.write_text(pair.key.read_text() + pair.certificate.read_text())
        return path

    def trust_store(self, kind: str) -> Path:
        """A store of that kind (JKS, PKCS12) in which the authority is trusted."""
        path = self._folder / f"trust.{kind.lower()}"
        if not path.exists():
            _keytool(
                *("-importcert", "-alias", "ca", "-file", str(self.certificate)),
                *("-keystore", str(path), "-storetype", kind, "-storepass", STORE_PASSWORD),
            )
        return path

    def key_store(self, pair: Pair, kind: str) -> Path:
        """A store of that kind (JKS, PKCS12) with this certificate and its key."""
        packed = pair.key.with_suffix(".pkcs12")
        if not packed.exists():
            openssl(
                *("pkcs12", "-export", "-in", str(pair.certificate), "-inkey", str(pair.key)),
                *("-name", "key", "-out", str(packed), "-passout", f"pass:{STORE_PASSWORD}"),
            )
        if kind == "PKCS12":
            return packed
        path = pair.key.with_suffix(f".{kind.lower()}")
        if not path.exists():
            _keytool(
                *("-importkeystore", "-srckeystore", str(packed), "-srcstorepass", STORE_PASSWORD),
                *("-destkeystore", str(path), "-deststoretype", kind),
                *("-deststorepass", STORE_PASSWORD),
            )
        return path

    def _signed(self, file: str, name: str, alternatives: str, days: int) -> Pair:
        key, request, extensions, certificate = (
            self._folder / f"{file}.{kind}" for kind in ("key", "csr", "extensions", "pem")
        )
        if not certificate.exists():
            openssl(
                *("req", "-new", *_NEW_KEY, "-subj", f"/CN={name}"),
                *("-keyout", str(key), "-out", str(request)),
            )
            extensions.write_text(
                f"subjectAltName={alternatives}\nauthorityKeyIdentifier=keyid\n"
                "extendedKeyUsage=serverAuth,clientAuth\n"
            )
            openssl(
                *("x509", "-req", "-in", str(request), "-extfile", str(extensions)),
                *("-CA", str(self.certificate), "-CAkey", str(self._key), "-CAcreateserial"),
                *("-days", str(days), "-out", str(certificate)),
            )
        return Pair(certificate, key)


def openssl(*arguments: str, stdin: bytes = b"") -> bytes:
    """What the program prints; without it an error in CI, elsewhere a skip."""
    return _printed(binary("openssl"), *arguments, stdin=stdin)


def _keytool(*arguments: str) -> None:
    _printed(binary("keytool"), *arguments, "-noprompt")


def _printed(*command: str, stdin: bytes = b"") -> bytes:
    done = subprocess.run(command, input=stdin, capture_output=True, timeout=60, check=False)
    assert done.returncode == 0, f"{command}: {done.stdout!r} {done.stderr!r}"
    return done.stdout
