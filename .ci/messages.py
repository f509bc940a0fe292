"""Collect the words of the product into locale/**/*.po and compile them; needs no gettext on the machine.

With --check nothing is written: it fails on a string that is not collected, not translated or fuzzy, on a
translation whose placeholders differ, on a .mo file that does not match, and on words for people that no
translation can reach: bare in a template, in a script, or given to a message, a label or a refusal.
"""

import ast
import io
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import polib
from babel.messages.extract import extract
from django.utils.translation.template import templatize

ROOT = Path(__file__).resolve().parent.parent
APPS = ("accounts", "catalog", "customers", "erp_site", "orders")
KEYWORDS = {
    "_": None,
    "gettext": None,
    "gettext_lazy": None,
    "gettext_noop": None,
    "ngettext": (1, 2),
    "ngettext_lazy": (1, 2),
    "pgettext": ((1, "c"), 2),
    "pgettext_lazy": ((1, "c"), 2),
    "npgettext": ((1, "c"), 2, 3),
}
HEADER = {
    "Project-Id-Version": "ERP Pedidos",
    "Language": "pt_BR",
    "MIME-Version": "1.0",
    "Content-Type": "text/plain; charset=UTF-8",
    "Content-Transfer-Encoding": "8bit",
    "Plural-Forms": "nplurals=2; plural=(n > 1);",
}
PLACEHOLDER = re.compile(r"%\((\w+)\)[sd]|\{(\w*)\}")

#: Names and codes, the same in every language.
NAMES = re.compile(
    r"ERP Pedidos|Português|WhatsApp|\b(?:SKU|GTIN|CPF|CNPJ|CSV|XLSX)\b|openapi\.json|CAF-500"
)
WORD = re.compile(r"[A-Za-zÀ-ÿ]{2,}")
#: What of a template is no text for people, or is translated as a whole.
NO_TEXT = re.compile(
    r"{% (blocktranslate|comment)\b.*?{% end\1 %}|{%.*?%}|{{.*?}}|{#.*?#}"
    r"|<(script|style|code|kbd|pre)\b.*?</\2>",
    re.DOTALL,
)
ATTRIBUTE = re.compile(r'\b(?:aria-label|title|placeholder|alt)="([^"]*)"')
MARKUP = re.compile(r"<[^>]*>", re.DOTALL)
SCRIPT_COMMENT = re.compile(r"(?m)(?<!:)//.*$")
#: A sentence between quotes: words and their punctuation only, so no selector and no code.
SENTENCE = re.compile(r"""(["'`])([A-Za-zÀ-ÿ]+[,:]?(?: [A-Za-zÀ-ÿ]+[,:]?)+[.!?…]?)\1""")
#: Python calls whose text people read: messages.success(request, text) and refusals like Denied(text).
REFUSALS = {"Conflict", "Denied", "Invalid", "NotFound", "ValidationError"}
LABELS = {"label", "help_text", "verbose_name", "empty_label"}

#: Context, singular, plural: what one translated string is looked up by.
type Key = tuple[str | None, str, str]


def sources() -> Iterator[tuple[Path, bytes]]:
    """Every file with words for people, templates turned into the Python calls they amount to."""
    for app in APPS:
        for file in sorted((ROOT / app).rglob("*.py")):
            if not {"tests", "migrations"} & set(file.parts):
                yield file, file.read_bytes()
    for file in sorted((ROOT / "templates").rglob("*.*")):
        # On one line, for what stands between the calls is indented as no Python is.
        calls = templatize(file.read_text(), origin=str(file)).replace("\n", " ").strip()
        yield file, calls.encode()


def collected() -> dict[Key, str]:
    """Every string in the order of the sources, with the file that first says it."""
    found: dict[Key, str] = {}
    for file, source in sources():
        options = {"encoding": "utf-8"}
        for _line, message, _comments, context in extract(
            "python", io.BytesIO(source), keywords=KEYWORDS, options=options
        ):
            singular, plural = message if isinstance(message, tuple) else (message, "")
            if singular:
                found.setdefault((context, singular, plural), str(file.relative_to(ROOT)))
    return found


def key(entry: polib.POEntry) -> Key:
    return entry.msgctxt, entry.msgid, entry.msgid_plural


def update(catalog: polib.POFile) -> None:
    """Take up new strings, empty, and drop those that are no longer said."""
    known = {key(entry): entry for entry in catalog}
    catalog.clear()
    for context, singular, plural in collected():
        entry = known.get((context, singular, plural)) or polib.POEntry(
            msgctxt=context,
            msgid=singular,
            msgid_plural=plural,
            msgstr_plural={0: "", 1: ""} if plural else {},
        )
        entry.flags = ["python-format"] if "%(" in singular else []
        catalog.append(entry)
    catalog.metadata, catalog.metadata_is_fuzzy = HEADER, False


def placeholders(text: str) -> set[str]:
    return {match.group(0) for match in PLACEHOLDER.finditer(text)}


def mistakes(catalog: polib.POFile) -> Iterator[str]:
    """What is missing from a catalog, or wrong in it."""
    known = {key(entry): entry for entry in catalog}
    for wanted, file in collected().items():
        if wanted not in known:
            yield f"{file}: {wanted[1]!r} is not collected"
    for entry in known.values():
        translations = list(entry.msgstr_plural.values()) if entry.msgid_plural else [entry.msgstr]
        if entry.fuzzy or not all(translations):
            yield f"no translation of {entry.msgid!r}"
            continue
        for translation in translations:
            if placeholders(translation) != placeholders(entry.msgid_plural or entry.msgid):
                yield f"other placeholders in the translation of {entry.msgid!r}"


def untranslatable() -> Iterator[str]:
    """Words for people that are not asked to be translated, with their file."""
    for file in sorted((ROOT / "templates").rglob("*.*")):
        text = NO_TEXT.sub(" ", file.read_text())
        for said in (*ATTRIBUTE.findall(text), *MARKUP.sub("\n", text).splitlines()):
            if WORD.search(NAMES.sub("", said)):
                yield f"{file.relative_to(ROOT)}: {said.strip()!r} is bare text"
    for file in sorted((ROOT / "static").glob("*.js")):
        for _quote, said in SENTENCE.findall(SCRIPT_COMMENT.sub("", file.read_text())):
            yield f"{file.relative_to(ROOT)}: {said!r} is bare text: put it into an attribute of the page"
    for file, source in sources():
        if file.suffix == ".py":
            for node in ast.walk(ast.parse(source)):
                if isinstance(node, ast.Call):
                    for said in bare_arguments(node):
                        yield f"{file.relative_to(ROOT)}:{node.lineno}: {said!r} is bare text"


def bare_arguments(call: ast.Call) -> Iterator[str]:
    """Of a message, a refusal, or the label of a field: its text, where that is written as it is."""
    texts = [keyword.value for keyword in call.keywords if keyword.arg in LABELS]
    match call.func:
        case ast.Attribute(value=ast.Name(id="messages")):
            texts += call.args[1:2]
        case ast.Name(id=name) | ast.Attribute(attr=name) if name in REFUSALS:
            texts += call.args[:1]
    for text in texts:
        parts = text.values if isinstance(text, ast.JoinedStr) else [text]
        for part in parts:
            said = part.value if isinstance(part, ast.Constant) else None
            if isinstance(said, str) and WORD.search(NAMES.sub("", said)):
                yield said


def main() -> int:
    check = sys.argv[1:] == ["--check"]
    wrong = 0
    for file in sorted((ROOT / "locale").rglob("*.po")):
        catalog = polib.pofile(str(file), wrapwidth=100)
        compiled = file.with_suffix(".mo")
        if not check:
            update(catalog)
            catalog.save()
            compiled.write_bytes(catalog.to_binary())
        found = list(mistakes(catalog))
        if not compiled.exists() or compiled.read_bytes() != catalog.to_binary():
            found.append(f"{compiled.name} does not match {file.name}: run `make messages`")
        for mistake in found:
            print(f"{file.relative_to(ROOT)}: {mistake}")
        wrong += len(found)
    for mistake in untranslatable():
        print(mistake)
        wrong += 1
    return min(wrong, 1)


if __name__ == "__main__":
    sys.exit(main())
