"""Whom to cite: which works every method, score, classifier, study and data set rests on, and their BibTeX entries.

The entries are in `citations.bib` beside this file: papers under their numbers on arXiv, everything else under a name.
What a run used is for the caller to say.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path

ENTRIES = Path(__file__).with_name("citations.bib")
ARXIV = re.compile(r"^arXiv:(\d{4}\.\d{4,5})$")
ENTRY = re.compile(r"^@\w+\{([^,]+),$.*?^\}$", re.MULTILINE | re.DOTALL)
SPECIAL = str.maketrans({mark: rf"\{mark}" for mark in "&%$#_{}"} | {"\\": r"\textbackslash{}"})

METHODS: Mapping[str, tuple[str, ...]] = {
    "cathode": ("2109.00546", "1906.04032"),
    "combined": ("2307.11157",),
    "curtains_f4f": ("2305.04646", "2309.06472", "1906.04032"),
    "curtains_f4f_efficient": ("2305.04646", "2309.06472", "1906.04032"),
    "cwola_hunting": ("1805.02664",),
    "drapes": ("2312.10130", "2206.00364"),
    "drapes_side_bands": ("2312.10130", "2206.00364"),
    "drapes_signal_region": ("2312.10130", "2206.00364"),
    "flows_for_flows": ("2212.11285", "2309.06472", "1906.04032"),
    "idealised": ("2109.00546",),
    "over_idealised": ("2109.00546",),
    "rad_ot": ("2407.19818",),
    "salad": ("2001.05001",),
    "supervised": ("2109.00546",),
    "mass_scaling": (),
}
"""Template methods."""
SCORES: Mapping[str, tuple[str, ...]] = {
    "cwola": ("1708.02949",),
    "combined": ("2307.11157",),
    "supervised": ("2109.00546",),
    "anode": ("2001.04990",),
    "r_anode": ("2312.11629",),
    "lacathode": ("2210.14924",),
    "tnt": ("2002.12376",),
    "autoencoder": ("1808.08992",),
    "gan_ae": ("2305.15179",),
    "external": (),
}
"""What ranks events."""
CLASSIFIERS: Mapping[str, tuple[str, ...]] = {
    "trees": ("2309.13111",),
    "mlp": ("2312.10130",),
    "chosen": ("2511.14832",),
}
"""Families of classifiers."""
STUDIES: Mapping[str, tuple[str, ...]] = {
    "significance": ("Pyhf", "1007.1727"),
    "limits": ("Pyhf", "1007.1727"),
    "bump": ("1007.1727",),
    "overdispersion": ("2512.13787",),
    "permutation": ("2512.13787",),
    "global": ("1005.1891",),
    "closure": ("2211.10295",),
    "morph": ("2309.06472", "2211.02487", "1906.04032"),
}
"""Kinds of results, by the names of their artifacts."""
DATASETS: Mapping[str, tuple[str, ...]] = {
    "lhco_like_sim": ("2101.08320", "2203.11601", "1111.6097"),
    "lhco_rnd_features": ("OlympicsRnD", "2101.08320"),
    "lhco_rnd_raw": ("OlympicsRnD", "2101.08320"),
    "lhco_rnd_3prong_features": ("OlympicsRnD", "2101.08320"),
    "lhco_rnd_3prong_raw": ("OlympicsRnD", "2101.08320"),
    "lhco_black_box_1": ("OlympicsBlackBoxes", "2101.08320"),
    "lhco_black_box_2": ("OlympicsBlackBoxes", "2101.08320"),
    "lhco_black_box_3": ("OlympicsBlackBoxes", "2101.08320"),
    "lhco_black_box_background": ("OlympicsBlackBoxes", "2101.08320"),
    "lhco_extra_qcd": ("ExtraQCD", "2101.08320"),
    "lhco_herwig": ("ExtendedLhco", "2101.08320"),
    "lhco_parametric_2prong": ("Parametric", "2101.08320"),
    "lhco_parametric_3prong": ("Parametric", "2101.08320"),
    "lhco_parametric_extended": ("ExtendedLhco", "2101.08320"),
}
"""Data sets, by the names of their manifests (`anomaly data list`)."""


def of_reference(reference: str) -> tuple[str, ...]:
    """Return the works that a plug-in's `reference` names, as `arXiv:2305.04646`; none where it names no paper."""
    return tuple(ARXIV.findall(reference))


@cache
def entries() -> Mapping[str, str]:
    """Return every BibTeX entry by its key."""
    return {found[1]: found[0] for found in ENTRY.finditer(ENTRIES.read_text(encoding="utf-8"))}


def entry(key: str) -> str:
    """Return the BibTeX entry of a work; for a paper that is not known here, one with its number on arXiv alone."""
    unknown = f"@misc{{{key},\n  title = {{arXiv:{key}}},\n  eprint = {{{key}}},\n  archivePrefix = {{arXiv}},\n}}"
    return entries().get(key, unknown)


def software(version: str) -> str:
    """Return the entry of this program.

    Args:
        version: of it, with its exact build where that is known.
    """
    fields = {
        "author": "{The anomaly developers}",
        "title": "{anomaly: resonant anomaly detection from the command line}",
        "version": version.translate(SPECIAL),
        "license": "MIT",
    }
    return "@software{anomaly,\n" + "".join(f"  {name} = {{{text}}},\n" for name, text in fields.items()) + "}"


def bibtex(keys: Iterable[str], version: str) -> str:
    """Return a bibliography: this program first, then every work once, in the order of its first mention.

    Args:
        keys: of works.
        version: of this program.
    """
    return "\n\n".join([software(version), *(entry(key) for key in dict.fromkeys(keys))]) + "\n"
