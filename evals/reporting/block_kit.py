"""Renders Slack's Block Kit as HTML, closely enough to judge wording and length in a browser."""

import html
import re
from datetime import UTC, datetime
from typing import Any

STYLE = """
body{font:15px/1.46 Lato,'Helvetica Neue',Arial,sans-serif;color:#1d1c1d;margin:16px;
background:#f4f4f4}
article{background:#fff;border:1px solid #ddd;border-radius:8px;padding:10px 14px;
margin:0 0 18px;break-inside:avoid}
article>small{color:#868686}article.modal{border:2px solid #999}
h3{font-size:17px;margin:6px 0}.context,.plain{font-size:13px;color:#616061;margin:3px 0}
.section{margin:6px 0;white-space:pre-wrap}
.fields{display:grid;grid-template-columns:1fr 1fr;gap:0 16px}
@media(max-width:500px){.fields{grid-template-columns:1fr}}
.said{white-space:pre-wrap;border-left:4px solid #ddd;padding-left:10px;margin:4px 0}
.letter{white-space:pre-wrap;background:#f8f8f8;border:1px solid #ddd;border-radius:4px;padding:8px;
font:13px/1.4 monospace}
button{font:inherit;font-weight:700;font-size:13px;background:#fff;border:1px solid #bbb;
border-radius:4px;padding:5px 10px;margin:3px 6px 3px 0}
button.primary{background:#007a5a;color:#fff;border-color:#007a5a}
button.danger{color:#c01343;border-color:#e01e5a}
textarea{width:100%;height:110px;font:inherit}label{font-weight:700;display:block;margin-top:8px}
a{color:#1264a3;text-decoration:none;background:#e8f5fa}
"""
DATE = re.compile(r"&lt;!date\^(\d+)\^([^|]*)\|([^&]*)&gt;")
AGO = "23 minutes ago"


def render_mrkdwn(text: str) -> str:
    """Return the HTML of a text in Slack's markup: bold, code, mentions and dates."""
    text = html.escape(html.unescape(text), quote=False)
    text = DATE.sub(_date, text)
    text = re.sub(r"&lt;@([A-Z0-9]+)&gt;", r"<a>@\1</a>", text)
    text = re.sub(r"\*([^*\n]+)\*", r"<b>\1</b>", text)
    return re.sub(r"`([^`\n]+)`", r"<code>\1</code>", text)


def render_block(block: dict[str, Any]) -> str:
    """Return the HTML of one block; KeyError for a block that the desk does not use."""
    kind = block["type"]
    if kind == "header":
        return f"<h3>{html.escape(block['text']['text'])}</h3>"
    if kind == "section":
        return _section(block)
    if kind == "rich_text":
        return "".join(_rich_text(each) for each in block["elements"])
    if kind == "divider":
        return "<hr>"
    if kind == "input":
        label = f"<label>{html.escape(block['label']['text'])}</label>"
        return label + _element(block["element"])
    inner = " ".join(_element(each) for each in block["elements"])
    return f"<div class={kind}>{inner}</div>"


def render_confirmations(block: dict[str, Any]) -> str:
    """Return HTML with the question that each button of a block asks first; empty for none."""
    return "".join(_confirmation(each) for each in block.get("elements", ()) if "confirm" in each)


def render_article(
    name: str, blocks: list[dict[str, Any]], view: dict[str, Any] | None = None
) -> str:
    """Return the HTML of one message, or of one window when `view` is given, under its name."""
    inner = "\n".join(render_block(each) + render_confirmations(each) for each in blocks)
    head = f"<h3>{html.escape(view['title']['text'])}</h3><hr>" if view and "title" in view else ""
    foot = (
        f"<hr><button class=primary>{view['submit']['text']}</button>"
        if view and "submit" in view
        else ""
    )
    kind = "modal" if view else "card"
    return f"<article class={kind}><small>{html.escape(name)}</small>{head}{inner}{foot}</article>"


def _section(block: dict[str, Any]) -> str:
    """Return the HTML of a text with its accessory, or of several texts in columns."""
    if "fields" in block:
        texts = (render_mrkdwn(each["text"]) for each in block["fields"])
        return f"<div class=fields>{''.join(f'<div class=section>{t}</div>' for t in texts)}</div>"
    extra = _element(block["accessory"]) if "accessory" in block else ""
    return f"<div class=section>{render_mrkdwn(block['text']['text'])} {extra}</div>"


def _date(found: re.Match[str]) -> str:
    if "ago" in found.group(2):
        return AGO
    return datetime.fromtimestamp(int(found.group(1)), UTC).strftime("%d %b, %H:%M")


def _confirmation(button: dict[str, Any]) -> str:
    asked = {name: html.escape(part["text"]) for name, part in button["confirm"].items()}
    says = f"{asked['title']} {asked['text']} [{asked['confirm']}] [{asked['deny']}]"
    return f"<div class=plain>↳ {html.escape(button['text']['text'])} asks: {says}</div>"


def _menu(element: dict[str, Any]) -> str:
    """Return the HTML of an open menu with the first of its options."""
    chosen = [html.escape(o["text"]["text"]) for o in element.get("options", ())]
    says = element.get("placeholder", {}).get("text", "Choose a person")
    head = "⋯" if element["type"] == "overflow" else f"{html.escape(says)} ▾"
    listed = "<br>".join(chosen[:6] + ["…"] * (len(chosen) > 6))
    return f"<button>{head}</button><div class=context>{listed}</div>"


def _rich_text(element: dict[str, Any]) -> str:
    inner = html.escape("".join(each["text"] for each in element["elements"]))
    name = "letter" if element["type"] == "rich_text_preformatted" else "said"
    return f"<div class={name}>{inner}</div>"


def _element(element: dict[str, Any]) -> str:
    kind = element["type"]
    if kind == "button":
        label = html.escape(element["text"]["text"])
        return f"<button class='{element.get('style', '')}'>{label}</button>"
    if kind == "feedback_buttons":
        return "<button>👍 Right</button><button>👎 Wrong</button>"
    if kind == "overflow" or kind.endswith("select"):
        return _menu(element)
    if kind == "plain_text_input":
        return f"<textarea>{html.escape(element.get('initial_value', ''))}</textarea>"
    if kind in ("radio_buttons", "checkboxes"):
        box = "○" if kind == "radio_buttons" else "☐"
        return "<br>".join(f"{box} {html.escape(o['text']['text'])}" for o in element["options"])
    return render_mrkdwn(element["text"]) if kind == "mrkdwn" else html.escape(element["text"])
