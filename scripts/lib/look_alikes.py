"""Characters that look like others, or cannot be seen.

This module uses only the standard library, since Snakemake's process imports it while planning.
"""

import unicodedata

# Characters without width: soft hyphens, joiners, byte-order marks, marks of the direction of text (which
# spreadsheets and mail programs add), and null characters.
INVISIBLE = (
    "\x00\u00ad\u200b\u200c\u200d\u200e\u200f\u2060\ufeff"
    "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
)
# Greek mu and the micro sign; hyphens, dashes and the minus sign.
LOOK_ALIKE = str.maketrans(
    {
        "\u03bc": "\u00b5",
        **dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2212", "-"),
        **dict.fromkeys(INVISIBLE, ""),
    }
)
# Greek and Cyrillic letters that look like Latin ones.
LETTERS = str.maketrans(
    "\u0391\u0392\u0395\u0396\u0397\u0399\u039a\u039c\u039d\u039f\u03a1\u03a4\u03a5\u03a7\u03bf"
    "\u0405\u0406\u0408\u0410\u0412\u0415\u041a\u041c\u041d\u041e\u0420\u0421\u0422\u0425"
    "\u0430\u0435\u043e\u0440\u0441\u0443\u0445\u0455\u0456\u0458",
    "ABEZHIKMNOPTYXoSIJABEKMHOPCTXaeopcyxsij",
)


def write_in_latin(text):
    """Return a text with the Latin letters and digits that its characters look like."""
    if text.isascii():
        return text
    return unicodedata.normalize("NFKC", text).translate(LOOK_ALIKE).translate(LETTERS)
