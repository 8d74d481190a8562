"""The library that draws the page's plots: Vega-Lite, bundled into one script by vl-convert.

Vega's expressions are interpreted, not compiled, since the page's content policy forbids that text becomes
a program.
"""

import base64
import hashlib


def get_library() -> str:
    """Return the script with Vega, Vega-Lite and Vega-Embed, which defines `vegaEmbed`."""
    # Imported here because it starts an engine of JavaScript.
    import vl_convert

    bundle = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;")
    return bundle.replace("</script", "<\\/script")


def get_digest(script: str) -> str:
    """Return the digest of a script by which the content policy recognizes it."""
    return "sha256-" + base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
