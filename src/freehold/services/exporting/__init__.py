"""Taking the ledger's calls out, in the forms that other programs read."""

from ._walk import FORMATS, Exported, export

__all__ = ["FORMATS", "Exported", "export"]
