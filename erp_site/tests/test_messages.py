"""The check of translations finds what it is there to find."""

import importlib.util
from pathlib import Path
from types import ModuleType

import polib
import pytest
from django.conf import settings


@pytest.fixture
def checker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """.ci/messages.py over an empty product."""
    path = Path(settings.BASE_DIR) / ".ci" / "messages.py"
    spec = importlib.util.spec_from_file_location("messages_check", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "ROOT", tmp_path)
    for folder in ("templates", "static", "accounts"):
        (tmp_path / folder).mkdir()
    return module


def mistakes(checker: ModuleType, **known: str) -> list[str]:
    catalog = polib.POFile()
    catalog.extend(polib.POEntry(msgid=key, msgstr=text) for key, text in known.items())
    return [*checker.mistakes(catalog), *checker.untranslatable()]


@pytest.mark.parametrize(
    ("file", "source"),
    [
        ("templates/x.html", '{% load i18n %}<p>{% translate "Hello" %}</p>'),
        ("templates/x.txt", "{% load i18n %}{% blocktranslate %}Hello{% endblocktranslate %}"),
        ("accounts/x.py", 'from django.utils.translation import gettext as _\n_("Hello")\n'),
        ("accounts/x.py", 'ngettext("Hello", "Hellos", 2)\n'),
    ],
)
def test_a_string_without_translation_is_named_with_its_file(
    checker: ModuleType, tmp_path: Path, file: str, source: str
) -> None:
    (tmp_path / file).write_text(source)
    assert mistakes(checker) == [f"{file}: 'Hello' is not collected"]
    if "ngettext" not in source:
        assert mistakes(checker, Hello="") == ["no translation of 'Hello'"]
        assert mistakes(checker, Hello="Olá") == []


@pytest.mark.parametrize(
    ("file", "source"),
    [
        ("templates/x.html", "<p>Hello there</p>"),
        ("templates/x.html", '<button aria-label="Hello">{% icon "x" %}</button>'),
        ("templates/x.html", "<p>{% if x %}Hello{% endif %}</p>"),
        ("static/x.js", 'show({ message: "Nothing was changed." });'),
        ("static/x.js", "element.textContent = `Saved, go on`;"),
        ("accounts/x.py", 'messages.success(request, "Saved")\n'),
        ("accounts/x.py", 'messages.success(request, f"{name} is saved")\n'),
        ("accounts/x.py", 'raise Denied("Not for you")\n'),
        ("accounts/x.py", 'forms.CharField(label="Name")\n'),
    ],
)
def test_words_that_no_translation_can_reach_are_named(
    checker: ModuleType, tmp_path: Path, file: str, source: str
) -> None:
    (tmp_path / file).write_text(source)
    (mistake,) = mistakes(checker)
    assert mistake.startswith(file)
    assert "is bare text" in mistake


@pytest.mark.parametrize(
    ("file", "source"),
    [
        ("templates/x.html", '<h1 class="big">ERP Pedidos · {{ name }}</h1><kbd>Ctrl</kbd>'),
        ("static/x.js", 'const $ = (".entrance form"); // Words for those who read the code.'),
        ("accounts/x.py", 'forms.CharField(label="SKU")\nlog.info("user created")\n'),
    ],
)
def test_names_and_code_are_no_words(
    checker: ModuleType, tmp_path: Path, file: str, source: str
) -> None:
    (tmp_path / file).write_text(source)
    assert mistakes(checker) == []
