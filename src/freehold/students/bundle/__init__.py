"""Bundles: the folder that an owned model lives in, and the only way in and out of it.

A bundle holds everything that is needed to check, run and rebuild a student, and nothing that can run code by being
read. `write` makes one, `verify` says whether it is still what its signer signed, `export` copies one out; `pack` and
`unpack` move one together with what it takes to serve it elsewhere. Knows files, digests and signatures; does not know
how any student works.
"""

from ._archive import SUFFIXES, Served, Unpacked, is_archive, pack, served, unpack
from ._cards import data_card, model_card
from ._data import DATA_FILE, dataset_digest, encode_examples, read_examples
from ._formats import REFUSED_SUFFIXES, Layout
from ._signing import load_signing_key, public_hex, signing_key, trust, trusted_signers
from ._verify import Verified, read_contract, read_manifest, verify
from ._write import SCHEMA, add_evidence, compose, export, recover, student_id, write

__all__ = [
    "DATA_FILE",
    "REFUSED_SUFFIXES",
    "SCHEMA",
    "SUFFIXES",
    "Layout",
    "Served",
    "Unpacked",
    "Verified",
    "add_evidence",
    "compose",
    "data_card",
    "dataset_digest",
    "encode_examples",
    "export",
    "is_archive",
    "load_signing_key",
    "model_card",
    "pack",
    "public_hex",
    "read_contract",
    "read_examples",
    "read_manifest",
    "recover",
    "served",
    "signing_key",
    "student_id",
    "trust",
    "trusted_signers",
    "unpack",
    "verify",
    "write",
]
