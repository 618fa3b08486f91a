"""Everything phase0 raises on purpose. The command line prints these as one line; anything else is a bug.

Phase0Error
├── UsageError            a value given by the caller cannot be used; nothing was done
│   └── PlanError         the plan is wrong; nothing has been spent
├── DataError             a file is not what it should be; that file is not read further
├── RowError              one row is not what it should be; the row is dropped, the run goes on
├── HubError              the dataset hub refused, or could not be reached
├── BusyError             somebody else holds the lock on this folder
├── Unfinished            work ended before its end; what it bought is kept, and the same again goes on
├── TooManyFailures       a stage wrote what stands, but too many rows have no score
├── UnfitLicense          rows are under licences or terms that the caller does not want
└── ProviderError         a model provider failed a request
    ├── Transient         another try may help (rate limit, overload, timeout)
    ├── Refused           this request, as it is, will not be answered; others may be
    └── Fatal             no request will be answered (bad key, no credit, unknown model)
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from phase0.providers import Limits


class Phase0Error(Exception):
    """Base of all errors that phase0 raises on purpose."""

    def __reduce__(self) -> tuple[Callable[..., Phase0Error], tuple[type[Phase0Error], tuple[object, ...]], object]:
        # Exceptions are made again from their message alone; these may cross to another process whole.
        return _again, (type(self), self.args), self.__dict__


def _again(kind: type[Phase0Error], said: tuple[object, ...]) -> Phase0Error:
    return kind.__new__(kind, *said)


class UsageError(Phase0Error):
    """A value the caller gave cannot be used."""


class PlanError(UsageError):
    """The plan is wrong. Raised before anything is read, written or spent."""


class DataError(Phase0Error):
    """A file is not what it should be: unreadable, truncated, of no known layout, or changed behind our back."""


class RowError(Phase0Error):
    """One row is not what it should be. `reason` is a stable code, `field` the field at fault if there is one."""

    def __init__(self, reason: str, detail: str, *, field: str | None = None) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail
        self.field = field


class HubError(Phase0Error):
    """The dataset hub refused a download or an upload, or could not be reached."""


class BusyError(Phase0Error):
    """Another process holds the lock on a folder."""


class Unfinished(Phase0Error):
    """Work that ended before its end, with all it had bought kept: the same again goes on.

    `how` is `stopped` (by Ctrl-C), `budget` (the next request might exceed it), `submitted` (batches are on their way),
    `fatal` (no endpoint will answer until a person changes something) or `unreachable`.
    """

    def __init__(self, message: str, *, how: str) -> None:
        super().__init__(message)
        self.how = how


class TooManyFailures(Phase0Error):
    """A stage wrote all that it could, and more of its rows failed than its caller allows."""


class UnfitLicense(Phase0Error):
    """Rows are under licences or terms that do not allow what is required of them, or that nobody knows."""


class ProviderError(Phase0Error):
    """A model provider failed a request."""

    begun = False
    """Whether work on the request had begun, so that it may be on the bill whatever became of it."""


class Transient(ProviderError):
    """Another try may help. `retry_after` is the provider's own wish in seconds, `limits` what its headers said.

    `reason` is `rate_limit`, `overload`, `server`, `timeout`, `unreachable` (nothing was sent), `connection` (it
    broke), `malformed` (a body that is no reply), `incomplete` (a reply that broke off) or `unanswered` (its batch
    ended before its turn).
    """

    def __init__(
        self, message: str, *, reason: str, retry_after: float | None = None, limits: Limits | None = None
    ) -> None:
        super().__init__(message)
        self.reason = reason
        self.retry_after = retry_after
        self.limits = limits


class Refused(ProviderError):
    """This request, as it is, will not be answered; others may be.

    `reason` is `content_filter` or `too_long`, which speak of the request itself, `bad_request` (no word of why: the
    fault may be in every request alike) or `not_found` (a file or batch that is not there).
    """

    def __init__(self, message: str, *, reason: str) -> None:
        super().__init__(message)
        self.reason = reason


class Fatal(ProviderError):
    """No request will be answered until a person changes something.

    `reason` is `bad_key`, `no_access`, `no_quota`, `unknown_model` or `unsupported` (the server cannot do what every
    request asks for).
    """

    def __init__(self, message: str, *, reason: str) -> None:
        super().__init__(message)
        self.reason = reason


def near_miss(name: str, known: Iterable[str]) -> str:
    """`" Did you mean 'x'?"` when a known name is close to `name`, else the empty string."""
    close = difflib.get_close_matches(name, list(known), n=1)
    return f" Did you mean {close[0]!r}?" if close else ""
