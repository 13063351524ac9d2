"""Words after which a full stop does not end a sentence. Chosen by hand from English, German, French and Spanish usage."""

from __future__ import annotations


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Followed by the name or thing they belong to, so never the end.
TITLES = _words(
    "mr mrs ms mx dr drs prof profs rev fr sr sra srta hon pres gov sen rep gen col lt capt cmdr sgt cpl maj adm st "
    "ste mt ft mme mlle hr fam dipl ing vs viz cf e.g i.e eg ie z.b d.h u.a p.ej resp bzw approx ca incl excl misc ed "
    "eds trans dept univ assn govt est min max avg temp tel ext std seq pos neg abs pct pkg qty"
)
# Not the end in front of a number: "Fig. 3", "No. 5", "Jan. 12".
NUMBERED = _words(
    "no nos nr fig figs eq eqs sec secs ch chap vol vols art arts p pp para par tab ex app ver v ref refs bd s n núm "
    "num jan feb mar apr jun jul aug sep sept oct nov dec"
)
# The end when the next word is capitalised: "Acme Inc. The", "etc. We"; not before a small letter or a number.
MAYBE = _words("inc ltd co corp llc plc bros jr sr etc al ph.d m.d b.a m.a b.sc m.sc a.m p.m a.d b.c u.s u.k u.n e.u")
# Dotted or single capitals ("U.S.", "J.") end a sentence only before a word that mostly begins one.
STARTERS = _words(
    "the a an this that these those he she it they we you i in on at as by for from to with after before when while "
    "where if although though since because however but and or so then there here his her its their our my your what "
    "who why how no not one some many most all both each also thus hence moreover furthermore meanwhile finally "
    "instead yet still now today according"
)
# German ordinals stand before a month: "am 3. Oktober".
MONTHS = _words("januar jänner februar märz april mai juni juli august september oktober november dezember")
