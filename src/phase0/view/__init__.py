"""A local web page over the kept and dropped rows of a run or a file: search, a row's story, its duplicates, marks.

Rows stay in their files and are read from there by offset; an index beside the run says where. Text is shown as text.
"""

from __future__ import annotations

from phase0.view.catalogue import Catalogue, open_catalogue
from phase0.view.server import serve

__all__ = ["Catalogue", "open_catalogue", "serve"]
