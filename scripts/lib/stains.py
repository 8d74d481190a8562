"""Which stain a channel shows, by the dye in its name."""

import re

# Names that dyes of nuclei have everywhere, and that the dyes of Cell Painting have beside one of them.
NUCLEI = re.compile(r"hoechst|dapi|draq|\bdna\b|^dna|nucle", re.IGNORECASE)
PAINTING = {
    "Mito": re.compile(r"mito|alexa.?(fluor)?.?64[0-9]|cy5|deep.?red", re.IGNORECASE),
    "RNA": re.compile(r"rna|syto|488.?(long|650|em)|em.?650", re.IGNORECASE),
    "AGP": re.compile(r"agp|alexa.?(fluor)?.?5[56]\d|phalloidin|wga|actin|cy3|texas|tritc", re.IGNORECASE),
    "ER": re.compile(r"^er\b|con.?a\b|concanavalin|alexa.?(fluor)?.?488|fitc", re.IGNORECASE),
}
NO_STAIN = re.compile(r"bright|phase|transmi|\bdic\b|\bbf\b|\bdpc\b", re.IGNORECASE)
