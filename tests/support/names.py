"""Names as traffic may bring them: markup of several languages, characters that turn text around or move a cursor."""

from __future__ import annotations

MARKUP = '<script>alert(1)</script> & #panic("x") *bold* $x$ \\ `raw`'
ODD = "Auf\u00e4ng\u202eed\u202c \u4efb\u52a1 \x07\x1b[31m"
