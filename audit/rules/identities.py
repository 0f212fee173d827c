"""The table of identities: which printed figure follows from which others, a row each. `identity.apply` reads it."""

from __future__ import annotations

from assay.audit.rules.book_identities import BOOK_IDENTITIES
from assay.audit.rules.identity import Identity
from assay.audit.rules.score_identities import SCORE_IDENTITIES

__all__ = ["IDENTITIES"]

#: Every identity, in the order of the checks' numbers within each subject.
IDENTITIES: tuple[Identity, ...] = (*SCORE_IDENTITIES, *BOOK_IDENTITIES)
