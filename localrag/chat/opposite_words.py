"""Words that say the opposite of others, or that something is no longer so."""

from __future__ import annotations

OPPOSITES = """
increase rise grow climb gain higher bigger larger greater | decrease fall drop decline shrink reduce lower smaller
more | less fewer
better improve | worse worsen deteriorate
best | worst
most | least
before earlier sooner prior | after later afterwards following
begin start launch | end stop finish cease
open opened | close closed shut
buy purchase acquire | sell
lend | borrow
teach | learn
give | receive
win won | lose lost
win victory profit | loss defeat
allow permit admit approve accept legal legalise | forbid prohibit ban reject refuse deny disallow illegal
support favour favor praise endorse confirm prove | oppose contradict criticise criticize condemn refute disprove
love like enjoy | hate dislike despise
agree | disagree
enable activate | disable deactivate
include | exclude
succeed success | failure
early | late
fast quick rapid quickly rapidly faster quicker | slow slowly slower
warm hot hotter warmer heat | cold cool colder cooler
hard harder | soft softer
strong stronger strength strengthen | weak weaker weakness weaken
large big huge | small tiny little
long longer tall taller | short shorter
high | low
old older elder | new young younger
rich wealthy | poor
heavy heavier | light lighter
wide broad wider | narrow narrower
deep deeper | shallow shallower
thick thicker | thin thinner
wet | dry
full fill | empty
safe | dangerous hazardous
cheap cheaper inexpensive | expensive dear costly
easy simple easier simpler | difficult complicated
public | private
inside indoor indoors | outside outdoor outdoors
above | below beneath
ahead | behind
upstream | downstream
forward | backward backwards
ascending | descending
inner | outer
visible | hidden invisible
known | unknown
online | offline
manual manually | automatic automatically
domestic | foreign
senior | junior
professional | amateur
natural | artificial
urban | rural
ancient | modern
major | minor
vertical vertically | horizontal horizontally
clockwise | anticlockwise counterclockwise
push | pull
float | sink
upload | download
encrypt | decrypt
install | uninstall
sunrise dawn | sunset dusk
mild | severe
acute | chronic
benign | malignant
formal | informal
past | future
previous | next
keep | forfeit
over | under
first | last
maximum | minimum
top upper | bottom
left leftmost | right rightmost
import | export
arrive arrival | depart departure
enter | exit
join | leave quit
appear | disappear vanish
remember | forget
attack | defend
true correct | false incorrect wrong
day daytime | night nighttime
positive | negative
add insert | remove delete subtract
expand extend | contract
hire | dismiss fire
men man male boy | women woman female girl
father | mother
son | daughter
brother | sister
husband | wife
attract | repel
internal | external
minority | majority
wax | wane
lock | unlock
connect attach | disconnect detach
encourage promote | discourage hinder prevent
create build construct | destroy demolish
optional voluntary | mandatory compulsory required obligatory
same identical equal | different
even | uneven
common frequent | rare
permanent | temporary
near close-by | far distant
present | absent
guilty | innocent
alive live | dead die
asleep | awake
raise | lower
clean | dirty
credit | debit
liquid | solid
transparent | opaque
smooth | rough
sharp | blunt
vor vorher früher | nach nachher später
steigen stieg zunehmen | sinken sank fallen abnehmen
öffnen geöffnet offen | schließen geschlossen
groß größer | klein kleiner
erlaubt | verboten
kaufen kaufte | verkaufen verkaufte
gewinnen gewann | verlieren verlor
mehr | weniger
antes | después
aumentar aumentó subir subió | disminuir disminuyó bajar bajó
abrir abre abierto | cerrar cierra cerrado
permitido | prohibido
más | menos
comprar compró | vender vendió
ganar ganó | perder perdió
grande | pequeño
avant | après
augmenter augmenté | diminuer diminué baisser baissé
ouvrir ouvert | fermer fermé
acheter acheté | vendre vendu
"""
OPPOSITE_SIGNS = (
    ("增", "减"),
    ("升", "降"),
    ("高", "低"),
    ("多", "少"),
    ("前", "后"),
    ("买", "卖"),
    ("开", "关"),
    ("大", "小"),
    ("증가", "감소"),
    ("상승", "하락"),
    ("전에", "후에"),
    ("이전", "이후"),
    ("높", "낮"),
    ("많", "적"),
)
STILL, NO_LONGER = ("仍然", "仍", "还在", "아직"), ("不再", "더 이상")

PARTICLES = tuple(
    pair
    for one, other in (
        ("on", "off"),
        ("on", "out"),
        ("in", "out"),
        ("up", "down"),
        ("with", "without"),
        ("to", "from"),
        ("for", "against"),
    )
    for pair in ((one, other), (other, one))
)
"""Small words that turn what a verb says: "goes on", "goes out"."""

ENDED = frozenset("dropped ended stopped ceased discontinued abolished removed withdrawn cancelled".split())
DENIALS = ENDED | frozenset(
    "forbidden forbids prohibited prohibits banned bans free vanished disappeared gone lost expired lapsed rejected"
    " excluded waived impossible unlike verboten gratis".split()
)
"""Words that say no without a negation."""
