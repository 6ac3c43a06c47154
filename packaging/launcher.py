"""What the binary starts: simplevoice, or with ``-m MODULE`` a module that is in it, as Python would.

``sys.executable -m pip`` and ``sys.executable -m simplevoice`` therefore mean the same in the binary and outside of it.
"""

import multiprocessing
import os
import runpy
import sys
from pathlib import Path

CERTIFICATES = (
    "/etc/ssl/certs/ca-certificates.crt",  # Debian, Arch
    "/etc/pki/tls/certs/ca-bundle.crt",  # Fedora, RHEL
    "/etc/ssl/ca-bundle.pem",  # SUSE
)


def launch() -> None:
    """Run what the arguments ask for."""
    multiprocessing.freeze_support()  # does not return in a worker process
    _trust_what_this_machine_trusts()
    if sys.argv[1:2] == ["-m"] and len(sys.argv) > 2:
        del sys.argv[:2]
        runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
    else:
        from simplevoice.cli import main

        main()


def _trust_what_this_machine_trusts() -> None:
    """Name the system's certificates: the OpenSSL inside looks where the machine that built it keeps them."""
    if "SSL_CERT_FILE" not in os.environ and "SSL_CERT_DIR" not in os.environ:
        for bundle in CERTIFICATES:
            if Path(bundle).is_file():
                os.environ["SSL_CERT_FILE"] = bundle
                break


if __name__ == "__main__":
    launch()
