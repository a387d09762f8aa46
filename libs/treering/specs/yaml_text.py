"""Reads YAML that somebody else wrote, under bounds that hold while it is read, not afterwards.

Only PyYAML's pure event parser is used (its C loader crashes the process on deep input), and the tree is made
here: at most 256 KiB of UTF-8, 32 levels, 10,000 nodes after aliases are expanded, one document, no tags but those of
YAML itself (``!!str``), no duplicate keys. What unquoted words mean is in ``scalars``, what merge keys (``<<``) mean
in ``yaml_merge``. Keys are text, exactly as written.
"""

from __future__ import annotations

from pathlib import Path

import yaml
from yaml.parser import Parser
from yaml.reader import Reader
from yaml.scanner import Scanner

from treering.kernel.refusal import Refused
from treering.specs.nodes import ListNode, MapNode, Node, Place, Scalar
from treering.specs.scalars import plain_value, tagged_value, whole_text
from treering.specs.yaml_merge import MERGE, is_merge_key, merged

BYTES_MAX = 256 * 1024
DEPTH_MAX = 32
NODES_MAX = 10_000
TAG = "tag:yaml.org,2002:"


class Unreadable(Refused):
    """A text is not YAML that treering reads; ``at`` is where, ``message`` what is wrong."""

    def __init__(self, code: str, at: Place, message: str) -> None:
        super().__init__(code, f"{at}: {message}")
        self.at = at
        self.message = message


def read_yaml(path: Path) -> MapNode:
    """The mapping a file holds; raises ``Unreadable`` (codes ``yaml.*``)."""
    return parse_yaml(read_text(path), str(path))


def read_text(path: Path) -> str:
    """The text of a file of at most BYTES_MAX bytes of UTF-8; raises ``Unreadable``."""
    try:
        if not path.is_file():  # a FIFO would wait for ever, and a device has no end
            why = "is not a regular file; give the path of one" if path.exists() else "there is no such file"
            raise Unreadable("yaml.unreadable", Place(str(path)), why)
    except OSError as error:
        raise cannot_read(str(path), error) from error
    return read_from(path, str(path))


def read_from(source: Path | str | int, name: str) -> str:
    """The text of a file or descriptor that is there; ``name`` is what messages call it."""
    try:
        with open(source, "rb", closefd=not isinstance(source, int)) as file:
            raw = file.read(BYTES_MAX + 1)
    except OSError as error:
        raise cannot_read(name, error) from error
    if len(raw) > BYTES_MAX:
        raise Unreadable("yaml.too_large", Place(name), f"has more than {BYTES_MAX} bytes")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise Unreadable("yaml.not_utf8", Place(name, line), "is not UTF-8 text") from error


def cannot_read(name: str, error: OSError) -> Unreadable:
    return Unreadable("yaml.unreadable", Place(name), f"cannot be read: {error.strerror}")


def parse_yaml(text: str, file: str) -> MapNode:
    """The mapping a text holds; ``file`` is the name its places carry. Raises ``Unreadable``."""
    if len(text) > BYTES_MAX:
        raise Unreadable("yaml.too_large", Place(file), f"has more than {BYTES_MAX} characters")
    try:
        node = Composer(text, file).document()
    except yaml.MarkedYAMLError as error:
        raise Unreadable("yaml.syntax", place_of(error, file), f"is not YAML: {error.problem}") from error
    except yaml.YAMLError as error:
        reason = getattr(error, "reason", "cannot be read")
        raise Unreadable("yaml.syntax", Place(file), f"is not YAML: {reason}") from error
    if not isinstance(node, MapNode):
        raise Unreadable("yaml.not_a_mapping", node.at, "a mapping of keys to values is needed at the top")
    return node


def place_of(error: yaml.MarkedYAMLError, file: str) -> Place:
    mark = error.problem_mark or error.context_mark
    return Place(file, mark.line + 1, mark.column + 1) if mark else Place(file)


class Events(Reader, Scanner, Parser):
    """PyYAML's parser, stopped at the first bracket that goes too deep (it looks ahead over many of them)."""

    def __init__(self, text: str, file: str) -> None:
        Reader.__init__(self, text)
        Scanner.__init__(self)
        Parser.__init__(self)
        self.file = file

    def fetch_flow_collection_start(self, TokenClass: type[yaml.Token]) -> None:
        if self.flow_level >= DEPTH_MAX:
            raise too_deep(Place(self.file, self.line + 1, self.column + 1))
        super().fetch_flow_collection_start(TokenClass)


class Composer:
    """Makes the tree, counting as it goes."""

    def __init__(self, text: str, file: str) -> None:
        self.events = Events(text, file)
        self.file = file
        self.count = 0
        self.anchors: dict[str, tuple[Node, int] | None] = {}  # None while its node is still being read

    def document(self) -> Node:
        self.next()  # the start of the stream
        if self.events.check_event(yaml.StreamEndEvent):
            raise Unreadable("yaml.empty", Place(self.file), "is empty")
        self.next()
        node = self.node(self.next(), 1)
        self.next()
        if not self.events.check_event(yaml.StreamEndEvent):
            at = self.place(self.next())
            raise Unreadable("yaml.documents", at, "a second document ('---') is not read")
        return node

    def next(self) -> yaml.Event:
        event: yaml.Event = self.events.get_event()  # type: ignore[no-untyped-call]
        if isinstance(event, yaml.ScalarEvent) and not event.value.isascii():
            try:
                event.value = whole_text(event.value)
            except UnicodeError as error:
                raise Unreadable("yaml.syntax", self.place(event), "has half of a character in it") from error
        return event

    def place(self, event: yaml.Event) -> Place:
        mark = event.start_mark
        return Place(self.file, mark.line + 1, mark.column + 1) if mark else Place(self.file)

    def node(self, event: yaml.Event, depth: int) -> Node:
        at = self.place(event)
        if isinstance(event, yaml.AliasEvent):
            return self.alias(event.anchor or "", at, depth)
        assert isinstance(event, yaml.ScalarEvent | yaml.CollectionStartEvent)  # no other can come here
        if depth > DEPTH_MAX:
            raise too_deep(at)
        self.spend(1, at)
        if event.anchor is None:
            return self.content(event, at, depth)
        before = self.count
        self.anchors[event.anchor] = None
        node = self.content(event, at, depth)
        self.anchors[event.anchor] = (node, self.count - before + 1)
        return node

    def content(self, event: yaml.ScalarEvent | yaml.CollectionStartEvent, at: Place, depth: int) -> Node:
        if isinstance(event, yaml.ScalarEvent):
            return scalar(event, at)
        is_mapping = isinstance(event, yaml.MappingStartEvent)
        if event.tag not in (None, TAG + ("map" if is_mapping else "seq")):
            raise foreign_tag(event.tag, at)
        return self.mapping(at, depth) if is_mapping else self.sequence(at, depth)

    def alias(self, name: str, at: Place, depth: int) -> Node:
        known = self.anchors.get(name)
        if known is None:
            what = "contains itself" if name in self.anchors else "is not defined above"
            raise Unreadable("yaml.alias", at, f"the alias *{name} {what}")
        node, size = known
        self.spend(size, at)
        if depth + height(node) - 1 > DEPTH_MAX:
            raise too_deep(at)
        return node

    def mapping(self, at: Place, depth: int) -> MapNode:
        entries: dict[str, Node] = {}
        places: dict[str, Place] = {}
        merge: Node | None = None
        while not isinstance(event := self.next(), yaml.MappingEndEvent):
            key, place = self.key(event)
            is_merge = is_merge_key(event)
            if key in entries or (is_merge and merge is not None):
                first = f", first in line {places[key].line}" if key in places else "; write <<: [*A, *B]"
                raise Unreadable("yaml.duplicate_key", place, f"the key {key!r} is there twice{first}")
            if is_merge:
                merge = self.node(self.next(), depth + 1)
                continue
            places[key] = place
            entries[key] = self.node(self.next(), depth + 1)
        found = merged(MapNode(entries, places, at), merge)
        if found is None:
            raise Unreadable("yaml.merge_key", at, f"'{MERGE}' takes a mapping or a list of mappings: {MERGE}: *NAME")
        return found

    def key(self, event: yaml.Event) -> tuple[str, Place]:
        place = self.place(event)
        self.spend(1, place)
        if not isinstance(event, yaml.ScalarEvent) or event.tag is not None:
            raise Unreadable("yaml.key", place, "a key is plain text, not a collection, an alias or a tag")
        if event.anchor is not None:
            self.anchors[event.anchor] = (scalar(event, place), 1)
        return event.value, place

    def sequence(self, at: Place, depth: int) -> ListNode:
        items: list[Node] = []
        while not isinstance(event := self.next(), yaml.SequenceEndEvent):
            items.append(self.node(event, depth + 1))
        return ListNode(tuple(items), at)

    def spend(self, nodes: int, at: Place) -> None:
        self.count += nodes
        if self.count > NODES_MAX:
            raise Unreadable("yaml.too_many_nodes", at, f"more than {NODES_MAX} values (aliases expanded)")


def scalar(event: yaml.ScalarEvent, at: Place) -> Scalar:
    text = event.value
    if event.tag is None and not event.implicit[0]:
        return Scalar(text, at, text)
    try:
        value = plain_value(text) if event.tag is None else tagged_value(text, event.tag.removeprefix(TAG))
    except ValueError as error:
        raise Unreadable("yaml.number", at, f"{text[:40]!r} {error}") from error
    except KeyError as error:
        raise foreign_tag(event.tag, at) from error
    return Scalar(value, at, text, plain=event.tag is None)


def foreign_tag(tag: str | None, at: Place) -> Unreadable:
    return Unreadable("yaml.tag", at, f"the tag {tag!r} is not read here; leave it away")


def height(node: Node) -> int:
    if isinstance(node, MapNode):
        return 1 + max(map(height, node.entries.values()), default=0)
    if isinstance(node, ListNode):
        return 1 + max(map(height, node.items), default=0)
    return 1


def too_deep(at: Place) -> Unreadable:
    return Unreadable("yaml.too_deep", at, f"nested more than {DEPTH_MAX} levels deep")
