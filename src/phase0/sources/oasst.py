"""OpenAssistant's message trees: nested under `prompt`, nested under a message's own `replies`, or as flat messages.

Every prompter message gives one example: it is the instruction, what was said from the root down to it is the
history, and the best reply is the response. The best reply is the one with the lowest `rank`; where none is ranked,
the first. Replies that were deleted or that reviewers turned down are never taken, and nothing is read below a
message that was. Of trees with a `tree_state` only those that are `ready_for_export` are read. Synthetic text is kept
(flag `synthetic`), with its model as the source.

Flat messages are read as a whole before their examples appear: nothing promises that a tree's rows stand together.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from phase0.errors import RowError
from phase0.sources import Example, Found, dialogue
from phase0.sources.fields import kind, mapping, optional, text

_READY = "ready_for_export"
_ROLES = ("prompter", "assistant")


class OASST:
    """Message trees in any of the three shapes that OpenAssistant was exported in."""

    name = "oasst"

    def recognises(self, row: Any) -> bool:
        """A tree, or a message with a role."""
        if not isinstance(row, dict):
            return False
        message = row["prompt"] if isinstance(row.get("prompt"), dict) else row
        return "message_id" in message and message.get("role") in _ROLES

    def read(self, rows: Iterable[tuple[int, Any]]) -> Iterator[Found]:
        """Nested trees one after the other; flat messages after the last row, in the order of their rows.

        Of a flat file, a reply that is part of no example is an outcome of its own: `outranked`, or why it is unfit.
        """
        flat: list[_Message] = []
        for line, row in rows:
            try:
                fields = mapping(row)
                if isinstance(fields.get("prompt"), dict) or isinstance(fields.get("replies"), list):
                    yield from _nested(line, fields)
                else:
                    flat.append(_message(line, fields))
            except RowError as error:
                yield Found(line, 0, error)
        yield from _flat(flat)


class _Message(NamedTuple):
    line: int
    id: str
    parent: str | None
    tree: str | None
    role: str
    content: str
    rank: float | None
    model: str | None  # who wrote it, if it is synthetic
    synthetic: bool
    fault: str | None  # why it may not be used
    replies: list[_Message]


def _message(line: int, row: dict[str, Any]) -> _Message:
    role, rank = text(row, "role"), row.get("rank")
    if role not in _ROLES:
        raise RowError("unknown_role", f"role is {role!r}, not {' or '.join(_ROLES)}", field="role")
    if rank is not None and (isinstance(rank, bool) or not isinstance(rank, (int, float))):
        raise RowError("bad_type", f"rank is {kind(rank)}, not a number", field="rank")
    return _Message(
        line=line,
        id=optional(row, "message_id") or "",
        parent=optional(row, "parent_id"),
        tree=optional(row, "message_tree_id"),
        role=role,
        content=text(row, "text"),
        rank=rank if rank == rank else None,  # noqa: PLR0124  a missing rank is NaN in some tables
        model=optional(row, "model_name"),
        synthetic=row.get("synthetic") is True,
        fault=_fault(row),
        replies=[],
    )


def _fault(row: dict[str, Any]) -> str | None:
    if row.get("deleted") is True:
        return "deleted"
    if row.get("review_result") is False:
        return "review_failed"
    return "tree_not_ready" if row.get("tree_state") not in (None, _READY) else None


def _nested(line: int, row: dict[str, Any]) -> Iterator[Found]:
    if _fault(row) == "tree_not_ready":
        raise RowError("tree_not_ready", f"tree_state is {row['tree_state']!r}, not {_READY!r}", field="tree_state")
    root = _planted(line, row["prompt"] if isinstance(row.get("prompt"), dict) else row)
    if root.parent is not None:
        raise RowError("missing_parent", f"what message {root.id!r} replies to is not in its row", field="parent_id")
    outcomes = [_outcome(node, path) for node, path in _walk(root) if node.role == "prompter"]
    if not outcomes:
        raise RowError("no_user_turn", "the tree holds no prompter message")
    for part, outcome in enumerate(outcomes):
        yield Found(line, part, outcome if isinstance(outcome, RowError) else _example(outcome))


def _planted(line: int, row: dict[str, Any]) -> _Message:
    """The tree of a nested message. A reply that is no message at all is left out with what hangs on it."""
    root = _message(line, row)
    open_ = [(root, row)]
    while open_:
        message, fields = open_.pop()
        replies = fields.get("replies")
        for reply in replies if isinstance(replies, list) else ():
            try:
                child = _message(line, mapping(reply))
            except RowError:
                continue
            message.replies.append(child)
            open_.append((child, reply))
    return root


def _flat(messages: list[_Message]) -> Iterator[Found]:
    """The outcomes of flat messages, one for each row that is not part of another row's example."""
    roots, outcomes = _forest(messages)
    seen = set(outcomes)
    used: set[int] = set()
    for node, path in (step for root in roots for step in _walk(root)):
        seen.add(node.line)
        if node.role != "prompter":
            continue
        outcome = _outcome(node, path)
        if isinstance(outcome, RowError):
            outcomes[node.line] = outcome
        else:
            outcomes[node.line] = _example(outcome)
            used.update(message.line for message in outcome)
    for message in messages:
        if message.line not in seen:
            detail = f"message {message.parent!r}, to which this one leads back, is not in the data"
            yield Found(message.line, 0, RowError("missing_parent", detail, field="parent_id"))
        elif message.line in outcomes:
            yield Found(message.line, 0, outcomes[message.line])
        elif message.line not in used:
            yield Found(message.line, 0, _unused(message))


def _forest(messages: list[_Message]) -> tuple[list[_Message], dict[int, Example | RowError]]:
    """Hang every message under its parent. Returns the roots, and the lines of repeated messages with the reason."""
    known: dict[tuple[str | None, str], _Message] = {}
    repeated: dict[int, Example | RowError] = {}
    for message in messages:
        if known.setdefault((message.tree, message.id), message) is not message:
            repeated[message.line] = RowError(
                "duplicate_id", f"message {message.id!r} is there twice", field="message_id"
            )
    for message in known.values():
        if message.parent is not None and (parent := known.get((message.tree, message.parent))):
            parent.replies.append(message)
    return [message for message in known.values() if message.parent is None], repeated


def _walk(root: _Message) -> Iterator[tuple[_Message, tuple[_Message, ...]]]:
    """Every message of a tree with the path that leads to it, parents before replies."""
    open_: list[tuple[_Message, tuple[_Message, ...]]] = [(root, ())]
    while open_:
        node, path = open_.pop()
        yield node, path
        open_.extend((reply, (*path, node)) for reply in reversed(node.replies))


def _outcome(node: _Message, path: tuple[_Message, ...]) -> tuple[_Message, ...] | RowError:
    """The messages of an example, from the root to the best reply, or why this prompt gives none."""
    for message in (*path, node):
        if message.fault:
            which = "the prompt" if message is node else "an earlier message"
            return RowError(message.fault, f"{which} ({message.id}) is marked {message.fault}")
    fit = [reply for reply in node.replies if reply.role == "assistant" and not reply.fault]
    if not fit:
        return RowError("no_response", f"prompt {node.id} has {len(node.replies)} replies, none of them fit to use")
    best = min(fit, key=lambda reply: (reply.rank is None, reply.rank or 0))
    return (*path, node, best)


def _example(messages: tuple[_Message, ...]) -> Example:
    said = dialogue.read([{"role": message.role, "content": message.content} for message in messages], "tree")
    if any(message.synthetic for message in messages):
        said = said._replace(flags=said.flags | {"synthetic"})
    return dialogue.example(said, source=messages[-1].model if messages[-1].synthetic else None)


def _unused(message: _Message) -> RowError:
    if message.fault:
        return RowError(message.fault, f"reply {message.id} is marked {message.fault}")
    return RowError("outranked", f"another reply than {message.id} was taken, or what it replies to gives no example")
