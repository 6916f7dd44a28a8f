"""Bundles: the folder that an owned model lives in, and the only way in and out of it.

A bundle holds everything that is needed to check, run and rebuild a student, and nothing that can run code by being
read. `write` makes one, `verify` says whether it is still what its signer signed, `export` copies one out. Knows files,
digests and signatures; does not know how any student works.
"""

from ._cards import data_card, model_card
from ._data import DATA_FILE, dataset_digest, encode_examples, read_examples
from ._formats import REFUSED_SUFFIXES, Layout
from ._signing import load_signing_key, public_hex, signing_key, trusted_signers
from ._verify import Verified, read_contract, read_manifest, verify
from ._write import SCHEMA, add_evidence, compose, export, recover, student_id, write

__all__ = [
    "DATA_FILE",
    "REFUSED_SUFFIXES",
    "SCHEMA",
    "Layout",
    "Verified",
    "add_evidence",
    "compose",
    "data_card",
    "dataset_digest",
    "encode_examples",
    "export",
    "load_signing_key",
    "model_card",
    "public_hex",
    "read_contract",
    "read_examples",
    "read_manifest",
    "recover",
    "signing_key",
    "student_id",
    "trusted_signers",
    "verify",
    "write",
]
