"""HTML as a browser would understand it, to look at what a page says and where its links lead."""

from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Final

_VOID: Final = {"meta", "link", "img", "br", "input", "hr"}


class Element:
    """An element of a page; ``attributes`` without a value have an empty one."""

    def __init__(self, tag: str, attributes: dict[str, str]) -> None:
        self.tag = tag
        self.attributes = attributes
        self.children: list[Element | str] = []

    def __getitem__(self, attribute: str) -> str:
        return self.attributes[attribute]

    @property
    def raw(self) -> str:
        """The text in it, to the letter."""
        return "".join(each if isinstance(each, str) else each.raw for each in self.children)

    @property
    def text(self) -> str:
        """The text in it, with white space as it is shown."""
        return " ".join(self.raw.split())

    def every(self, *tags: str) -> "Iterator[Element]":
        """The elements of these tags (any without one) in it, in order."""
        for child in self.children:
            if isinstance(child, Element):
                if not tags or child.tag in tags:
                    yield child
                yield from child.every(*tags)

    def one(self, tag: str) -> "Element":
        [found] = self.every(tag)
        return found

    def texts(self, tag: str) -> list[str]:
        return [each.text for each in self.every(tag)]

    def links(self) -> dict[str, str]:
        """Where links lead, by their text."""
        return {link.text: link["href"] for link in self.every("a")}

    def labelled(self, label: str) -> "Element":
        """The element with that ``aria-label``."""
        [found] = [each for each in self.every() if each.attributes.get("aria-label") == label]
        return found


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open = [Element("", {})]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        assert len(set(names)) == len(names), f"<{tag}> has an attribute twice"
        element = Element(tag, {name: value or "" for name, value in attrs})
        self.open[-1].children.append(element)
        if tag not in _VOID:
            self.open.append(element)

    def handle_endtag(self, tag: str) -> None:
        assert self.open[-1].tag == tag, f"</{tag}> closes <{self.open[-1].tag}>"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        self.open[-1].children.append(data)


def parsed(html: str) -> Element:
    """The document; an ``AssertionError`` if its elements are not nested in each other."""
    reader = _Reader()
    reader.feed(html)
    reader.close()
    assert len(reader.open) == 1, f"<{reader.open[-1].tag}> is never closed"
    return reader.open[0]


def assert_sound(page: Element) -> None:
    """What holds for every page: one heading, tables that say what they are, unique ids, and
    nothing that its security policy forbids."""
    page.one("h1")
    page.one("main")
    ids = [each["id"] for each in page.every() if "id" in each.attributes]
    assert len(set(ids)) == len(ids)
    for each in page.every():
        assert each.tag != "style"
        assert each.tag != "script" or (not each.raw and each["src"].startswith("/static/"))
        assert not [name for name in each.attributes if name == "style" or name.startswith("on")]
        assert not each.attributes.get("href", "").lower().startswith("javascript:")
        assert each.attributes.get("aria-labelledby", ids[0]) in ids
    for table in page.every("table"):
        assert table.one("caption").text
        assert all(head.attributes.get("scope") for head in table.every("th"))
