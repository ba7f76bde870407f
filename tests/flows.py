"""What every form that a test sees must have: words for all it shows."""

from collections.abc import Iterator
from typing import Any

from homeassistant.data_entry_flow import FlowResultType, section

from tests.house import dig, placeholders, read_json


def unspoken(result: Any, *where: str) -> list[str]:
    """What a flow's answer shows without words: fields, errors, ends, and empty placeholders."""
    return list(_unspoken(result, dig(read_json("translations/en.json"), *where)))


def _unspoken(result: Any, texts: Any) -> Iterator[str]:
    if result["type"] not in (FlowResultType.FORM, FlowResultType.MENU):
        yield from _unspoken_end(result, texts)
        return
    step = dig(texts, "step", result["step_id"]) or {}
    shown = [step.get("title", ""), step.get("description", "")]
    if not all(shown[:1]):
        yield f"{result['step_id']}.title"
    shown += [dig(texts, "error", error) or "" for error in (result.get("errors") or {}).values()]
    yield from (
        f"error.{error}"
        for error in (result.get("errors") or {}).values()
        if not dig(texts, "error", error)
    )
    for option in result.get("menu_options") or ():
        yield from (
            f"{part}.{option}"
            for part in ("menu_options", "menu_option_descriptions")
            if not dig(step, part, option)
        )
    is_form = result["type"] is FlowResultType.FORM
    fields = result.get("data_schema") if is_form else None
    for marker, kind in (fields.schema if fields else {}).items():
        parts = {marker.schema: step}
        if isinstance(kind, section):
            inside = dig(step, "sections", marker.schema) or {}
            if not inside.get("name"):
                yield f"sections.{marker.schema}"
            parts = {inner.schema: inside for inner in kind.schema.schema}
        for name, part in parts.items():
            for words in ("data", "data_description"):
                if not dig(part, words, name):
                    yield f"{words}.{name}"
                shown.append(dig(part, words, name) or "")
    given = result.get("description_placeholders") or {}
    yield from {
        f"{{{name}}} is not given" for text in shown for name in placeholders(text) - given.keys()
    }


def _unspoken_end(result: Any, texts: Any) -> Iterator[str]:
    if result["type"] is FlowResultType.ABORT:
        if result.get("translation_domain") is None and not dig(texts, "abort", result["reason"]):
            yield f"abort.{result['reason']}"
    elif result["type"] is FlowResultType.CREATE_ENTRY and (ending := result.get("description")):
        told = dig(texts, "create_entry", ending) or f"{{create_entry.{ending}}}"
        yield from placeholders(told) - (result["description_placeholders"] or {}).keys()


def suggested(result: Any) -> dict[str, Any]:
    """What a form proposes."""
    return {
        marker.schema: marker.description["suggested_value"]
        for marker in result["data_schema"].schema
        if marker.description and "suggested_value" in marker.description
    }
