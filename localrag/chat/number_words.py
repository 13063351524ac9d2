"""Numbers in words and what they count."""

from __future__ import annotations

UNITS = """
kg kilogram kilograms kilo kilos kilogramm|g gram grams gramm|lb lbs pound pounds|ton tons tonne tonnes|mg milligram milligrams
µg μg mcg microgram micrograms
km kilometre kilometres kilometer kilometers|m metre metres meter meters metros mètres|cm centimetre centimetres
centimeter centimeters
mm millimetre millimetres millimeter millimeters|mile miles|foot feet ft|inch inches|yard yards
second seconds sec secs sekunden segundos|minute minutes min mins minuten minutos|hour hours hr hrs stunden horas|day
days tage días
week weeks wochen semanas|month months monate meses|year years jahre años|decade decades|century centuries
% percent per-cent prozent|€ euro euros eur|$ dollar dollars usd|£ pence gbp|franc francs|yen ¥|hz|khz|mhz|ghz|kb|mb|gb|tb
c celsius °c|f fahrenheit °f|litre litres liter liters l|ml millilitre millilitres|watt watts w|kw kilowatt
kilowatts|volt volts v
"""
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
