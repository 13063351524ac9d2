"""Numbers in words and what they count."""

from __future__ import annotations

UNITS = """
kg kilogram kilograms kilo kilos kilogramm|g gram grams gramm|lb lbs pound pounds|ton tons tonne tonnes
mg milligram milligrams|µg μg mcg microgram micrograms|km kilometre kilometres kilometer kilometers
m metre metres meter meters metros mètres|cm centimetre centimetres centimeter centimeters
mm millimetre millimetres millimeter millimeters|mile miles|foot feet ft|inch inches|yard yards
second seconds sec secs sekunden segundos|minute minutes min mins minuten minutos|hour hours hr hrs stunden horas
day days tage días|week weeks wochen semanas|month months monate meses|year years jahre años|decade decades
century centuries|% percent per-cent prozent|€ euro euros eur|$ dollar dollars usd|£ pence gbp|franc francs|yen ¥
hz|khz|mhz|ghz|kb|mb|gb|tb|c celsius °c|f fahrenheit °f|litre litres liter liters l|ml millilitre millilitres
watt watts w|kw kilowatt kilowatts|volt volts v
"""
"""Each row, from a line's beginning or a "|" to the next, is one unit."""
NUMBER_WORDS = {
    word: value
    for value, words in enumerate(
        "zero;one first einmal;two second twice zwei dos deux;three third drei tres trois;four fourth vier cuatro"
        " quatre;five fifth"
        " fünf cinco cinq;six sixth sechs seis;seven seventh sieben siete sept;eight eighth acht ocho huit;nine ninth"
        " neun nueve"
        " neuf;ten tenth zehn diez dix;eleven eleventh elf once onze;twelve twelfth zwölf doce douze;thirteen"
        " thirteenth;fourteen"
        " fourteenth;fifteen fifteenth;sixteen sixteenth;seventeen seventeenth;eighteen eighteenth;nineteen nineteenth".split(
            ";"
        )
    )
    for word in words.split()
} | {
    word: value * 10
    for value, words in enumerate(
        "twenty twentieth zwanzig veinte vingt;thirty thirtieth;forty fortieth;fifty fiftieth;sixty sixtieth;seventy"
        " seventieth;"
        "eighty eightieth;ninety ninetieth".split(";"),
        start=2,
    )
    for word in words.split()
}
SCALES = {
    "dozen": 12,
    "hundred": 100,
    "thousand": 1_000,
    "million": 1_000_000,
    "billion": 1_000_000_000,
    "millionen": 1_000_000,
    "millones": 1_000_000,
    "millions": 1_000_000,
    "tausend": 1_000,
    "mil": 1_000,
}
ORDINALS = frozenset(word for word in NUMBER_WORDS if word.endswith("th")) | {"first", "second", "third"}
_KINDS: dict[str, dict[str, float]] = {
    "length": {"mm": 0.001, "cm": 0.01, "m": 1, "km": 1_000},
    "imperial length": {"inch": 1, "foot": 12, "yard": 36, "mile": 63_360},
    "mass": {"µg": 1e-9, "mg": 1e-6, "g": 0.001, "kg": 1, "ton": 1_000},
    "volume": {"ml": 0.001, "litre": 1},
    "time": {"second": 1, "minute": 60, "hour": 3_600, "day": 86_400, "week": 604_800},
    "calendar": {"month": 1, "year": 12, "decade": 120, "century": 1_200},
    "power": {"watt": 1, "kw": 1_000},
    "frequency": {"hz": 1, "khz": 1e3, "mhz": 1e6, "ghz": 1e9},
    "data": {"kb": 1, "mb": 1e3, "gb": 1e6, "tb": 1e9},
}
FACTORS = {"#" + unit: (kind, factor) for kind, units in _KINDS.items() for unit, factor in units.items()}
"""What a unit measures, and how much of it."""
PERCENT = {
    "half": "50",
    "one half": "50",
    "one third": "33.3",
    "two third": "66.7",
    "one quarter": "25",
    "three quarter": "75",
    "one fifth": "20",
    "two fifth": "40",
    "three fifth": "60",
    "four fifth": "80",
    "one tenth": "10",
}
NUMBERED = frozenset("version release section chapter clause article paragraph figure table part step rule appendix".split())
APPROXIMATE = frozenset("about around approximately roughly nearly almost some circa over under ungefähr etwa fast".split())
EXACT = frozenset("exactly precisely genau exakt exactamente exactement".split())
PARTS = frozenset("first second other latter early late last top bottom better".split())
EXTENTS = {"long": "long", "wide": "wide", "broad": "wide", "high": "high", "tall": "high", "deep": "deep", "thick": "thick"}
