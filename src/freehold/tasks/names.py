"""Names of persons and places in texts, by Presidio with a spaCy model: `pip install 'freehold[presidio]'`.

What has a form of its own is `personal`'s to find, with or without this; Presidio is asked only for what takes a model
of language. A model errs in both directions: what it finds is an estimate, and what it does not find may be there.
Nothing is downloaded here and nothing leaves the machine.
"""

from __future__ import annotations

from collections.abc import Iterable
from importlib.util import find_spec
from typing import Any, Final

from freehold.errors import MissingPrerequisite

KINDS: Final = {"PERSON": "person", "LOCATION": "place", "NRP": "nationality_religion_politics"}
"""What is asked for, in Presidio's words and in ours."""

_SURE = 0.5


class Names:
    """Finds names with one spaCy model, in that model's language.

    Args:
        model: the name of an installed spaCy model, such as `en_core_web_sm`, or the folder of one.

    Raises:
        MissingPrerequisite: Presidio is not installed, or there is no such model; the hint installs it.
    """

    def __init__(self, model: str) -> None:
        if find_spec("presidio_analyzer") is None:
            raise MissingPrerequisite("Presidio is not installed", hint="pip install 'freehold[presidio]'")
        import spacy  # pyright: ignore[reportMissingImports]
        from presidio_analyzer import AnalyzerEngine, RecognizerRegistry  # pyright: ignore[reportMissingImports]
        from presidio_analyzer.nlp_engine import SpacyNlpEngine  # pyright: ignore[reportMissingImports]
        from presidio_analyzer.predefined_recognizers import SpacyRecognizer  # pyright: ignore[reportMissingImports]

        try:
            self.language: str = spacy.load(model).meta["lang"]
        except OSError:
            raise MissingPrerequisite(
                f"there is no spaCy model {model}", hint=f"python -m spacy download {model}"
            ) from None
        engine = SpacyNlpEngine(models=[{"lang_code": self.language, "model_name": model}])
        recogniser = SpacyRecognizer(supported_language=self.language, supported_entities=list(KINDS))
        registry = RecognizerRegistry(recognizers=[recogniser], supported_languages=[self.language])
        self._analyzer: Any = AnalyzerEngine(nlp_engine=engine, registry=registry, supported_languages=[self.language])

    def find(self, texts: Iterable[str]) -> set[str]:
        """The kinds found, of `KINDS`."""
        found: set[str] = set()
        for text in texts:
            results = self._analyzer.analyze(text, language=self.language, entities=list(KINDS), score_threshold=_SURE)
            found.update(KINDS[result.entity_type] for result in results)
        return found
