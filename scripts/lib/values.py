"""Values as people write them: words for missing values, and numbers.

Every table that comes from outside (plate maps, annotation, published profiles, the sample sheet) goes
through `MissingValues.clean`, column by column, so that all later steps compare values that are written
in one way. The module uses only the standard library, since tables are also read while planning.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from functools import cache
from typing import Any

from lib.look_alikes import LOOK_ALIKE

# What programs and people write for missing values, in any case and with blanks around it: statistics
# programs, spreadsheets (also German, French and Spanish ones), databases, and then people. `untreated` and
# the like, and JUMP's two identifiers, are wells without a perturbation. Usual names of treatments and
# controls (mock, vehicle, DMSO, control) are not among them.
WORDS_FOR_NOTHING = (
    "NA",
    "N/A",
    "#N/A",
    "#NA",
    "<NA>",
    "n.a.",
    "nan",
    "-nan",
    "NaT",
    "None",
    "null",
    "-",
    "--",
    "\u2013",
    "\u2014",
    "#VALUE!",
    "#REF!",
    "#DIV/0!",
    "#NUM!",
    "#NAME?",
    "#NULL!",
    "#NV",
    "#WERT!",
    "#BEZUG!",
    "#ZAHL!",
    "#VALEUR!",
    "#NOMBRE!",
    "#N/D",
    "#¡VALOR!",
    "(null)",
    "nil",
    "\\N",
    "undefined",
    ".",
    "?",
    "nd",
    "n.d.",
    "n/d",
    "TBD",
    "TBA",
    "to be determined",
    "not available",
    "not applicable",
    "not determined",
    "not done",
    "not tested",
    "no data",
    "empty",
    "blank",
    "unused",
    "not used",
    "missing",
    "unknown",
    "untreated",
    "non-treated",
    "not treated",
    "no treatment",
    "no compound",
    "JCP2022_999999",
    "JCP2022_900001",
    "JCP2022_UNKNOWN",
)
# Words whose author meant an empty well: they need not be reported.
MEANT = ("empty", "blank", "jcp2022_999999", "jcp2022_900001", "jcp2022_unknown")
SEVERAL = "|"  # separates the genes of a compound
NUMBER = re.compile(r"[+-]?(?:0|[1-9][0-9]*)?(?:\.[0-9]*)?(?:[eE][+-]?[0-9]+)?")
WHOLE = re.compile(r"[+-]?(?:0|[1-9][0-9]*)(?:\.0*)?")
BEGINS_AS_NUMBER = re.compile(r"[+-]?\.?[0-9]")
DECIMAL_COMMA = re.compile(r"[+-]?[0-9]+,[0-9]+")
MOST_DIGITS = 15  # digits that a float holds: a longer number is an identifier
# How Excel keeps a program from reading a text as a number: ="0012".
TEXT_FORMULA = re.compile(r'="(.*)"', re.DOTALL)
# Lists as Python, NumPy and JSON write them: ['EGFR', 'ERBB2'], with words for missing values.
QUOTED = r"'[^']*'|\"[^\"]*\""
WRITTEN_LIST = re.compile(rf"\[\s*((?:{QUOTED}|nan|None|null)[\s,]*)*\]")
# Amounts: a number with a unit, with or without a blank between them.
AMOUNT = re.compile(r"([+-]?[0-9.,]+(?:[eE][+-]?[0-9]+)?)\s*(%|[munp\u00b5]?M|[munp\u00b5]?g/m?[lL])")


def plain_text(text: str) -> str:
    """Return a text in which what looks alike is written alike.

    Accents are composed (NFC), every run of blanks, also of no-break ones and line ends, is one blank, and
    characters are replaced as in `LOOK_ALIKE`. Excel's `="0012"` is 0012.
    """
    if text.startswith('="') and (formula := TEXT_FORMULA.fullmatch(text)):
        text = formula[1]
    if text.isascii() and "  " not in text and text.isprintable():
        return text.strip()
    return " ".join(unicodedata.normalize("NFC", text).translate(LOOK_ALIKE).split())


def separate(text: str) -> list[str]:
    """Return the genes, targets or mechanisms of a value, which `|` or `;` separates."""
    return [part.strip() for part in re.split("[|;]", text) if part.strip()]


def is_nothing(text: str) -> bool:
    """Return whether a value is empty or one of the words for missing values."""
    return MissingValues().is_nothing(text)


@dataclass(frozen=True)
class MissingValues:
    """What counts as missing in an experiment's tables.

    `words` are the config's own words, beside `WORDS_FOR_NOTHING`. `names` are words that are names in a
    column (a gene named NAN), by column; the column is written without `Metadata_`.
    """

    words: tuple[str, ...] = ()
    names: Mapping[str, Sequence[str]] = field(default_factory=dict)
    # A control's value, which is compared unchanged: column and value (or several, separated by `|`).
    control: tuple[str, str] | None = None
    # Columns that may name the content of a well, besides `broad_sample`: all but the last have priority over
    # it; the last is used in a table that has none of them.
    samples: tuple[str, ...] = ("", "")

    @staticmethod
    def of_config(config: Mapping[str, Any]) -> "MissingValues":
        """Create it from a complete config, or from these blocks: missing_values, controls, plate_maps."""
        asked, controls = config["missing_values"], config["controls"]
        samples = config.get("plate_maps", {"sample": [], "group": None})
        names = {column.removeprefix("Metadata_"): tuple(values) for column, values in asked["names"].items()}
        return MissingValues(
            tuple(asked["words"]),
            names,
            (controls["column"], controls["negcon"]),
            (*(samples["sample"] or [""]), samples["group"] or ""),
        )

    def is_nothing(self, text: str) -> bool:
        """Return whether a value is empty or a word for a missing value."""
        folded = plain_text(text).casefold()
        return not folded or folded in fold_words(self.words)

    def clean(self, values: Sequence[str], column: str = "") -> list[str]:
        """Return a column's values: "" if missing, as `plain_text`, each number in one spelling.

        A word for missing values that the config lists as a name in this column is written `NAN (name)`, so
        that no program that reads the tables later takes it for missing.
        """
        column = column.removeprefix("Metadata_")
        extra = set(self.names.get(column, ()))
        kept: set[str] = set()
        if self.control and self.control[0] == column:
            kept = {plain_text(name).casefold() for name in self.control[1].split(SEVERAL)}
        known = {value: self._clean_value(plain_text(value), extra, kept) for value in dict.fromkeys(values)}
        parts = {part: "" for value in known.values() for part in value.split(SEVERAL)}
        spelled = dict(zip(parts, unify_spelling(list(parts)), strict=True))
        written = {
            value: SEVERAL.join(spelled[part] for part in clean.split(SEVERAL))
            for value, clean in known.items()
        }
        return [written[value] for value in values]

    def _clean_value(self, text: str, extra: set[str], kept: set[str]) -> str:
        if text.casefold() in kept:
            return text
        if text.startswith("[") and WRITTEN_LIST.fullmatch(text):
            text = SEVERAL.join(part[1:-1] for part in re.findall(QUOTED, text))
        parts = [part.strip() for part in text.split(SEVERAL)]
        if text in extra or extra.intersection(parts):
            parts = [f"{part} (name)" if part in extra and self.is_nothing(part) else part for part in parts]
        found = [part for part in parts if not self.is_nothing(part)]
        return SEVERAL.join(found)

    def words_found(self, values: Iterable[str], column: str = "") -> Counter[str]:
        """Count the words for missing values (not empty, not `MEANT`) that `clean` removes from a column."""
        values = [value.strip() for value in values]
        cleaned = self.clean(values, column)
        return Counter(
            value
            for value, left in zip(values, cleaned, strict=True)
            if value and not left and value.casefold() not in MEANT
        )


@cache
def fold_words(words: tuple[str, ...]) -> frozenset[str]:
    """Return all words for missing values, including those of the config, in lower case."""
    return frozenset(plain_text(word).casefold() for word in (*WORDS_FOR_NOTHING, *words))


def unify_spelling(values: Sequence[str]) -> list[str]:
    """Return the values of a column, each number in one spelling: 1 for 1.0 and 1e0, 0.1 for .10.

    A number has no zero before its digits and at most 15 digits: `0012` and `007` are identifiers and stay
    as they are. `15.0` is always 15, since programs write integers like this. Exponents, decimal fractions
    and decimal commas are read as numbers only if all values of the column that begin like a number are
    numbers: beside a clone 2F7, 1E5 is a clone, too. Amounts (`10.0uM`) get one spelling (`10 uM`) if all
    values that begin like a number are amounts or numbers.
    """
    begin = [value for value in values if BEGINS_AS_NUMBER.match(value)]
    if not begin:
        return list(values)
    # 1,234 may be a thousand or two genes: a comma is a decimal comma if one value begins with `0,`.
    commas = [value for value in begin if "," in value]
    with_comma = (
        any(re.match(r"[+-]?0,", value) for value in commas)
        and all(DECIMAL_COMMA.fullmatch(value) for value in commas)
        and not any("." in value for value in begin)
    )

    def point(value: str) -> str:
        return value.replace(",", ".") if with_comma and DECIMAL_COMMA.fullmatch(value) else value

    numbers = all(number_in_one_spelling(point(value)) is not None for value in begin)
    amounts = not numbers and all(
        amount_in_one_spelling(value) or number_in_one_spelling(value) for value in begin
    )
    found = []
    for value in values:
        spelled = None
        if numbers or WHOLE.fullmatch(value):
            spelled = number_in_one_spelling(point(value))
        elif amounts:
            spelled = amount_in_one_spelling(value)
        found.append(value if spelled is None else spelled)
    return found


def number_in_one_spelling(text: str) -> str | None:
    """Return `text` as a number in its shortest spelling (see `unify_spelling`), None for other text."""
    if not NUMBER.fullmatch(text) or not re.search(r"[0-9]", text.lower().partition("e")[0]):
        return None
    try:
        number = Decimal(text)
    except InvalidOperation:
        return None
    if not number:
        return "0"
    digits = len(number.normalize().as_tuple().digits)
    if abs(number.adjusted()) > 300 or (digits > MOST_DIGITS and number == number.to_integral_value()):
        return text.removesuffix(".0") if WHOLE.fullmatch(text) else None
    if number == number.to_integral_value() and number.adjusted() < MOST_DIGITS:
        return str(int(number))
    return format(float(number), f".{MOST_DIGITS}g")


def amount_in_one_spelling(text: str) -> str | None:
    """Return a number with a unit, such as 0.50uM or 0,5 \u00b5M, as `0.5 uM`; None for any other text.

    A comma is a decimal comma unless three digits follow it.
    """
    match = AMOUNT.fullmatch(text)
    if not match or re.search(r",[0-9]{3}(?![0-9])", match[1]) or match[1].count(",") > 1:
        return None
    number = number_in_one_spelling(match[1].replace(",", "."))
    return f"{number} {match[2].replace(chr(0xB5), 'u')}" if number else None


def is_same_value(a: str, b: str) -> bool:
    """Return whether two values are equal, or are one number in two spellings."""
    a, b = plain_text(a), plain_text(b)
    return a == b or (number_in_one_spelling(a) or a) == (number_in_one_spelling(b) or b)


def is_same_name(a: str, b: str) -> bool:
    """Return whether two values are the same but for capitals: Negcon and negcon, dmso and DMSO."""
    return is_same_value(a.casefold(), b.casefold())
