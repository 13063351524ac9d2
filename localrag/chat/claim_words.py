"""Words that turn what a sentence claims: negations, opposites, quantities, members of a class, units."""

from __future__ import annotations

FUNCTION_WORDS = {
    "en": "a an and are as at be been being but by can could did do does done for from had has have having he her hers him his"
    " how i if in into is it its itself may me might must my of on onto or our ours she should so such than that the their"
    " theirs them themselves then there these they this those to too up us was we were what when where which while who whom"
    " whose will with would you your yours also about after before both each every all any some not no nor never none only"
    " just very rather during over under between within through because since until though although however whereas when"
    " more most less least much many out off am let's s t re ve ll d don didn doesn isn wasn aren weren cannot can't either"
    " neither without upon per via thus therefore hence anyone everyone anything everything",
    "de": "der die das den dem des ein eine einen einem einer eines und oder aber ist sind war waren wird werden"
    " wurde wurden hat"
    " haben hatte in im am an auf aus bei mit nach von vom vor zu zum zur für über unter er sie es ihn ihm ihr wir ich sich als"
    " auch wie dass nicht kein keine keinen nur noch durch um so bis darf dürfen kann können alle einige",
    "es": "el la los las un una unos unas y o pero es son fue fueron era ser está están ha han de del a al en con por para sin"
    " sobre se su sus lo le les que como no nunca más menos muy todos todas algunos algunas desde hasta antes después",
    "fr": "le la les un une des et ou mais est sont fut était être a ont de du au aux en dans avec par pour sans sur"
    " se sa son ses"
    " il elle ils elles que qui comme ne pas jamais plus moins très tous toutes quelques depuis avant après ce cette l d n s",
}
PREPOSITIONS = frozenset(
    "than from to by into onto unlike instead with of in on at for against before after under over".split()
)
ROLE_WORDS = frozenset("than from to by into unlike instead before after against den 's".split())
PASSIVE = frozenset("was were is are been being be fue fueron es son ser wurde wurden wird werden fut est été".split())
PRONOUNS = frozenset(
    "it its he his she her they their this these that such er sie es ihr seine este esta su il elle ils son sa".split()
)
SUBJECTS = frozenset("it he she they er sie es il elle ils elles".split())
ARTICLES = frozenset(
    "the a an his her its their my our your this that der die das den dem ein eine einen el la los las un una le une les"
    " des".split()
)
AUXILIARIES = frozenset("is are was were be been has have had can could may might must will would should do does did".split())
AGENT_WORDS = frozenset("by von durch por par".split())
CLAUSE_WORDS = frozenset(
    "and but while whereas although though because since unless if which who when or aber und während weil y pero mientras"
    " porque et mais tandis".split()
)

NEGATIONS = {
    "en": "not no never none nobody nothing neither nor without cannot lack lacks lacked lacking unable fail fails failed"
    " exempt exempted avoid avoids avoided avoiding refrain",
    "de": "nicht nie niemals kein keine keinen keinem keiner ohne niemand nichts weder",
    "es": "no nunca jamás sin ningún ninguna ninguno nadie nada tampoco",
    "fr": "pas jamais sans aucun aucune rien personne",
}
NEGATIVE_SIGNS = {
    "ko": ("않", "못", "없", "아니", "안 ", "말아"),
    "zh": ("不", "没", "沒", "無", "无", "未", "非"),
    "ja": ("ない", "ません"),
}
NEGATIVE_PREFIXES = ("un", "in", "im", "ir", "il", "non", "dis")

SAME = """
about around approximately roughly nearly almost virtually practically
start begin launch found establish
leave depart
arrive reach
keep retain store hold
need require
use utilise utilize employ
buy purchase acquire
large big huge
show display demonstrate
help assist
free gratis
write author compose
film movie
car automobile
doctor physician
employee worker staff employ
fix repair
whole entire
choose select pick
make produce manufacture
happen occur
stay remain
change modify alter
get obtain
answer reply respond
quick fast rapid
charge ask
small little
cost price
firm company business enterprise
year annual yearly
day daily
week weekly
month monthly
name call
live reside
also additionally
speak talk
end finish
"""
IRREGULAR = """
rise rose risen; fall fell fallen; grow grew grown; shrink shrank shrunk; begin began begun; buy bought; sell sold; lose lost
lend lent; teach taught; learn learnt; give gave given; win won; forbid forbade forbidden; leave left; keep kept; find found
make made; take took taken; go went gone; come came; see saw seen; know knew known; think thought; say said; tell told
write wrote written; speak spoke spoken; drive drove driven; build built; send sent; spend spent; hold held; lead led
meet met; pay paid; run ran; sit sat; stand stood; understand understood; bring brought; catch caught; draw drew drawn
eat ate eaten; fly flew flown; forget forgot forgotten; hide hid hidden; choose chose chosen; break broke broken
steal stole stolen
become became; show shown; sing sang sung; swim swam swum; throw threw thrown; wear wore worn; feel felt; feed fed; fight fought
sleep slept; lie lay; freeze froze frozen; strike struck; seek sought; shoot shot; sink sank sunk; overtake overtook overtaken
rewrite rewrote rewritten; withdraw withdrew withdrawn; arise arose arisen; bear bore born; beat beaten; blow blew blown
"""

QUANTITIES = {
    "all": "all every each always entire entirely whole everyone everything everywhere both alle jeder jede immer"
    " todos todas siempre"
    " cada tous toutes toujours chaque",
    "most": "most mostly majority usually generally often mainly meist meistens mayoría normalmente plupart souvent",
    "some": "some sometimes several occasionally many partly einige manche manchmal algunos algunas veces quelques"
    " parfois certains",
    "few": "few rarely seldom hardly barely wenige selten pocos raramente peu rarement",
    "none": "no none never neither nobody nothing kein keine nie niemals nunca ningún ninguno ninguna jamais aucun aucune",
    "only": "only solely exclusively nur sólo solamente seulement",
    "least": "least minimum mindestens",
    "up to": "maximum höchstens",
}

CLASSES = (
    "january february march april may june july august september october november december",
    "januar februar märz april mai juni juli august september oktober november dezember",
    "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre",
    "janvier février mars avril mai juin juillet août septembre octobre novembre décembre",
    "monday tuesday wednesday thursday friday saturday sunday",
    "montag dienstag mittwoch donnerstag freitag samstag sonntag",
    "lunes martes miércoles jueves viernes sábado domingo",
    "lundi mardi mercredi jeudi vendredi samedi dimanche",
    "spring summer autumn winter",
    "frühling sommer herbst winter",
    "primavera verano otoño invierno",
    "red green blue yellow black white brown grey orange purple pink",
    "rot grün blau gelb schwarz weiß braun grau",
    "rojo verde azul amarillo negro blanco marrón gris",
    "north south east west",
    "northern southern eastern western",
    "morning noon afternoon evening midnight night",
    "second minute hour day week month year decade century",
    "copper iron tin zinc lead nickel gold silver steel aluminium bronze brass",
    "wood stone glass paper plastic leather wool cotton",
    "vinegar oil water milk wine beer",
    "breakfast lunch dinner supper",
    "dog cat horse cow pig sheep goat",
    "father mother son daughter uncle aunt nephew niece cousin brother sister husband wife",
    "oak pine birch beech maple",
    "nurse doctor teacher lawyer engineer architect painter singer",
    "daily weekly monthly yearly hourly",
    "doubled tripled quadrupled halved",
)
