"""A page of HTML that needs nothing else, neither a network nor a script: the frame that all reports share."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from gpudl.train.report.chart import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH
from gpudl.train.report.style import CSS, SCRIPT


def document(
    title: str, head: str, sections: Iterable[tuple[str, str, str]], foot: str, *, css: str = "", meta: str = ""
) -> str:
    """The whole page.

    Args:
        title: of the window, plain text.
        head: what stands above all, HTML as all the rest; links to the sections follow it.
        sections: (id, title, content) of each.
        foot: the line at the end.
        css: rules besides those of all reports.
        meta: elements for the page's head.
    """
    known = list(sections)
    links = "".join(f'<a href="#{name}">{heading}</a>' for name, heading, _ in known)
    body = "".join(f'<section id="{name}"><h2>{heading}</h2>{content}</section>' for name, heading, content in known)
    places = {"LEFT": LEFT, "RIGHT": WIDTH - RIGHT, "TOP": TOP, "BOTTOM": HEIGHT - BOTTOM, "WIDTH": WIDTH}
    script = SCRIPT
    for name, place in places.items():
        script = script.replace(f"%{name}%", str(place))
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">{meta}'
        f"<title>{escape(title)}</title><style>{CSS}{css}</style></head>\n"
        f"<body><header>{head}<nav>{links}</nav></header>\n<main>{body}</main>\n"
        f"<footer>{foot}</footer><script>{script}</script></body></html>\n"
    )
