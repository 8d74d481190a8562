"""Find values of tables of wells and reagents that may be errors: changed by a program, or contradictory.

Nothing here raises an error for them. The module uses only the standard library, since the tables are read
while planning.
"""

import re
from collections.abc import Collection, Iterable, Mapping
from decimal import Decimal
from pathlib import Path

from lib.errors import join_names
from lib.layouts import NAMED, PLACE_COLUMNS, SAMPLE_COLUMNS, WELL_COLUMNS, read_columns
from lib.look_alikes import write_in_latin
from lib.plates import find_name
from lib.units import UNITS, find_unit
from lib.values import AMOUNT, DECIMAL_COMMA, MissingValues, number_in_one_spelling, plain_text
from lib.wells import find_well_name

# A name that a spreadsheet made a date of: 2-Sep, Mar-01.
MONTHS = "Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec"
DATE = re.compile(rf"\d{{1,2}}-({MONTHS})|({MONTHS})-\d{{1,2}}")
# Several genes that are not separated by | or ;.
OF_GENES = ("gene", "genes", "target", "targets", "gene_symbol", "target_gene")
GENES = re.compile(r"[A-Z0-9-]*[A-Z][A-Z0-9-]*(\s*[,/]\s*[A-Z0-9-]*[A-Z][A-Z0-9-]*)+")
EXPONENT = re.compile(r"\d+[eE]\d+")
# Units that are not converted or unified, but that a person may leave out in some rows.
OTHER_UNIT = re.compile(
    r"([+-]?[0-9.,]+(?:[eE][+-]?[0-9]+)?)\s*([munp\u00b5]?mol(/[lL])?|h|hrs?|hours?|days?|min|minutes?)"
)
# Columns of numbers: doses, times.
AMOUNTS = re.compile(r"dose|dosage|conc|amount|molar|_per_|time|hour|day", re.IGNORECASE)
THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2}(,\d{3})+")


def report_missing_words(path: str | Path, missing: MissingValues) -> list[str]:
    """Report words for missing values in a table of wells or reagents: `NA in 12 rows of broad_sample`."""
    columns, rows = read_columns(path, missing.samples)
    # The column that says what is in a well is also read as broad_sample.
    is_copy = any(
        all(row[name] == row["broad_sample"] for row in rows)
        for name in columns
        if name != "broad_sample" and "broad_sample" in columns
    )
    return [
        f"{word} in {count} rows of {column}"
        for column in columns
        if column not in NAMED and not (is_copy and column == "broad_sample")
        for word, count in missing.words_found((row[column] for row in rows), column).items()
    ]


def find_suspects(path: str | Path, missing: MissingValues, groups: Collection[str] = ()) -> list[str]:
    """Report values of a table of wells or reagents that a program changed, or that look alike.

    `groups`: columns by which the config groups wells, see `find_suspect_values`.
    """
    columns, rows = read_columns(path, missing.samples)
    table = {column: [row[column] for row in rows] for column in columns}
    return find_suspect_values(table, missing, groups)


def find_suspect_values(
    table: Mapping[str, Iterable[str]], missing: MissingValues, groups: Collection[str] = ()
) -> list[str]:
    """Report values that a program has probably changed, or that look alike.

    A spreadsheet makes dates of some genes (SEPT2, MARCH1) and numbers of some clones (1E5). Names that
    differ in capitals only are different names.

    Parameters
    ----------
    table
        The values of each column, "" for missing ones; the columns' names are without `Metadata_`.
    missing
        What counts as missing.
    groups
        Columns by which the config groups wells, without `Metadata_`, besides those that say what is in a
        well.
    """
    found = []
    for column, written in table.items():
        if column in NAMED or "date" in column.casefold():
            continue
        values = list(dict.fromkeys(plain_text(value) for value in written if value))
        if dates := [value for value in values if DATE.fullmatch(value)]:
            found.append(
                f"{column} has {join_names(dates, 5)}: did a spreadsheet turn names (SEPT2, MARCH1) into "
                "dates?"
            )
        numbers = [value for value in values if EXPONENT.fullmatch(value)] if column in SAMPLE_COLUMNS else []
        changed = [value for value in numbers if value not in missing.clean(values, column)]
        if changed:
            found.append(
                f"{column} has {join_names(changed, 5)}, read as numbers; write a letter before a name"
            )
        several = [value for value in values if GENES.fullmatch(value)] if column in OF_GENES else []
        if several:
            found.append(f"{column} has {join_names(several, 3)}: several genes are separated by | or ;")
        of_wells = column in (*SAMPLE_COLUMNS, *missing.samples, *groups)
        commas = find_numbers_with_commas(values, of_wells or AMOUNTS.search(column) is not None)
        pairs = find_amounts_without_unit(values)
        with_unit = {value for pair in pairs for value in pair}
        commas = [value for value in commas if value not in with_unit]
        if commas and column not in OF_GENES and set(commas) & set(missing.clean(values, column)):
            found.append(
                f"{column} has {join_names(commas, 3)}, which are not read as numbers: write decimal points, "
                "and no separators of thousands"
            )
        if pairs:
            listed = "; ".join(" and ".join(pair) for pair in pairs[:3])
            found.append(
                f"{column} has {listed}: a number with a unit and one without are different "
                "values, which splits replicates. Write the unit in every row, or in none"
            )
        if column in (*SAMPLE_COLUMNS, *missing.samples, *OF_GENES):
            found += [f"{column}: {sentence}" for sentence in find_alike_names(values)]
    return found


def find_numbers_with_commas(values: Collection[str], are_numbers: bool) -> list[str]:
    """Return numbers with commas (1,5) in a column of numbers; in any other they may be pairs: 1,2.

    `are_numbers`: whether the column is known to have numbers, even if all of its values have commas.
    """
    commas = [value for value in values if DECIMAL_COMMA.fullmatch(value)]
    return commas if are_numbers or any(map(number_in_one_spelling, values)) else []


def find_amounts_without_unit(values: Iterable[str]) -> list[tuple[str, str]]:
    """Return the amounts of which the number also occurs without a unit: (`0.1 uM`, `0.1`).

    A dose of 0 is the same in all units, so that people leave out its unit.
    """
    values = list(values)
    without_unit: dict[str, str] = {}
    for value in values:
        if re.fullmatch(r"[+-]?[0-9.,]+(?:[eE][+-]?[0-9]+)?", value):
            without_unit.setdefault(get_number(value), value)
    amounts = [(value, AMOUNT.fullmatch(value) or OTHER_UNIT.fullmatch(value)) for value in values]
    return [
        (value, without_unit[get_number(match[1])])
        for value, match in amounts
        if match and get_number(match[1]) in without_unit and get_number(match[1]) != "0"
    ]


def describe_equal_amounts(column: str, values: Iterable[str]) -> list[str]:
    """Return the sentence on equal amounts in different units in a column by which wells are grouped."""
    same = find_equal_amounts(values)
    return (
        [
            f"{column} has {'; '.join(same[:3])}: the same amount in two units is two values, which splits "
            "replicates. Write one unit in all rows"
        ]
        if same
        else []
    )


def find_equal_amounts(values: Iterable[str]) -> list[str]:
    """Return the amounts that are equal in different units: `1 uM and 1000 nM`."""
    same: dict[tuple[Decimal, str], dict[str, str]] = {}
    for value in values:
        if not (match := AMOUNT.fullmatch(value)):
            continue
        try:
            number = Decimal(get_number(match[1]))
        except ArithmeticError:
            continue
        unit = match[2].replace("\u00b5", "u")
        of_what, power = UNITS.get(find_unit(unit) or unit, (unit, 0))
        if number:
            same.setdefault((number.scaleb(power).normalize(), of_what), {}).setdefault(unit, value)
    return [" and ".join(by_unit.values()) for by_unit in same.values() if len(by_unit) > 1]


def get_number(text: str) -> str:
    """Return a number in one spelling, with a decimal point; text that is not a number as it is."""
    point = text if THOUSANDS.fullmatch(text) else text.replace(",", ".")
    return number_in_one_spelling(point) or text


def find_contradictions(
    path: str | Path, plates: Iterable[str], missing: MissingValues, others: Iterable[str] = ()
) -> list[str]:
    """Report what a plate map says in two ways: wells in two columns, or a plate that is not its own.

    A column `Plate` may also name the plate of a library. It contradicts the sample sheet only if it names
    another plate of the sheet.

    Parameters
    ----------
    path
        The plate map's file.
    plates
        The plates that it is used for.
    missing
        What counts as missing.
    others
        The plates of the sample sheet.
    """
    columns, rows = read_columns(path, missing.samples)
    places: list[tuple[str, ...]] = [(name,) for name in WELL_COLUMNS if name in columns]
    places += [names for names in PLACE_COLUMNS if set(names) <= set(columns)]
    found = []
    for other in places[1:]:
        pairs = [
            [find_well_name(*(row[name] for name in names)) for names in (places[0], other)] for row in rows
        ]
        differ = [at for at, (one, two) in enumerate(pairs) if one and two and one != two]
        if differ:
            one, two = pairs[differ[0]]
            found.append(
                f"the wells are read from {' and '.join(places[0])}; rows with another well in "
                f"{' and '.join(other)}: {len(differ)} of {len(rows)} ({two} instead of {one} in row "
                f"{differ[0] + 2})"
            )
    named = {row.get("Plate", "") for row in rows} - {""}
    strangers = [plate for plate in plates if not find_name(plate, named)]
    if len(named) == 1 and strangers and find_name(*named, others):
        found.append(f"its column Plate names {named.pop()}, and it is used for {join_names(strangers, 5)}")
    return found


def find_alike_names(values: Iterable[str]) -> list[str]:
    """Return sentences on the values that differ only in capitalization, or in letters that look alike."""
    groups: dict[str, list[str]] = {}
    for value in dict.fromkeys(values):
        groups.setdefault(write_in_latin(value).casefold(), []).append(value)
    return [
        f"{' and '.join(group)} differ only in capitalization"
        + ("" if all(map(str.isascii, group)) else ", or in letters that look alike")
        for group in groups.values()
        if len(group) > 1
    ]
