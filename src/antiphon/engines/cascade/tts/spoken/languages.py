"""What a reader says for signs, in the languages that have it here.  Data.

In other languages numbers and signs stay as they are written: synthesisers read them.
"""

from __future__ import annotations

from msgspec import Struct
from msgspec.structs import replace


class Money(Struct, frozen=True):
    one: str
    """With its number: "one dollar"."""
    many: str
    cent: str = ""
    cents: str = ""


class Language(Struct, frozen=True, kw_only=True):
    tag: str
    numbers: str
    """The name that num2words has for it."""
    decimal: str
    thousands: str
    """The signs that may part thousands."""
    one: tuple[str, str]
    """Before a noun; before a feminine one."""
    feminine: str = "$^"
    """A pattern for units that are."""
    point: str
    digits_after_point: bool
    """ "three point one four", not "trois virgule quatorze"."""
    to: str
    """Between the ends of a range."""
    signs: dict[str, str]
    between: dict[str, str]
    """Signs that are said only between two things with spaces around."""
    dot: str
    at: str
    slash: str
    dash: str
    underscore: str
    money: dict[str, Money]
    with_cents: str
    """Between whole money and cents."""
    scales: dict[str, str]
    of_scale: str = ""
    """ "un million *de* dollars"."""
    units: dict[str, tuple[str, str]]
    version: str
    per: str
    """As in "$5/month"."""
    percent: str
    months: tuple[str, ...]
    day: str
    """How a day is said: "ordinal", "ordinal-first" (only the first), "inflected"."""
    first: str = ""
    day_first: bool = True
    """5/4 is in April."""
    hour: tuple[str, str]
    """At one, and at any other."""
    hour_minute: tuple[str, str]
    after_clock: tuple[str, ...] = ()
    """Words that the time already holds: "15:30 Uhr"."""
    code: str
    """In place of a block of code."""
    abbreviations: dict[str, str]
    roman_after: tuple[str, ...] = ()
    """Words that a roman number follows."""
    kings: tuple[str, ...] = ()
    fractions: dict[str, str] = {}
    ordinal_signs: str = ""
    """A pattern for what follows the digits of an ordinal."""

    @property
    def base(self) -> str:
        """The tag without its region."""
        return self.tag[:2]


def _units(**names: str) -> dict[str, tuple[str, str]]:
    """From "one|many"."""
    return {
        unit.replace("_", "/"): (name.split("|")[0], name.split("|")[-1])
        for unit, name in names.items()
    }


_EN = Language(
    tag="en",
    numbers="en",
    one=("one", "one"),
    decimal=".",
    thousands=",",
    point="point",
    digits_after_point=True,
    to="to",
    signs={
        "&": "and", "≈": "about", "±": "plus or minus", "×": "times", "÷": "divided by",
        "≤": "at most", "≥": "at least", "≠": "is not", "→": "to", "°": "degrees", "%": "percent",
        "²": "squared", "³": "cubed", "½": "one half", "¼": "one quarter", "¾": "three quarters",
        "√": "the square root of", "∞": "infinity", "§": "section", "№": "number", "π": "pi",
    },
    between={"+": "plus", "=": "equals", "*": "times", "<": "less than", ">": "more than",
             "->": "to", "=>": "to", "<=": "at most", ">=": "at least", "==": "equals",
             "!=": "is not", "/": "or", "-": "minus", "−": "minus"},
    dot="dot", at="at", slash="slash", dash="dash", underscore="underscore",
    money={
        "$": Money("one dollar", "dollars", "one cent", "cents"),
        "€": Money("one euro", "euros", "one cent", "cents"),
        "£": Money("one pound", "pounds", "one penny", "pence"),
        "¥": Money("one yen", "yen"),
        "₹": Money("one rupee", "rupees", "one paisa", "paise"),
        "USD": Money("one US dollar", "US dollars", "one cent", "cents"),
        "EUR": Money("one euro", "euros", "one cent", "cents"),
        "GBP": Money("one pound", "pounds", "one penny", "pence"),
        "CHF": Money("one Swiss franc", "Swiss francs"),
    },
    with_cents="and",
    scales={"thousand": "thousand", "million": "million", "billion": "billion",
            "trillion": "trillion", "k": "thousand", "K": "thousand", "M": "million",
            "mn": "million", "bn": "billion", "B": "billion"},
    units=_units(
        km="kilometer|kilometers", m="meter|meters", cm="centimeter|centimeters",
        mm="millimeter|millimeters", nm="nanometer|nanometers", mi="mile|miles", ft="foot|feet",
        yd="yard|yards", kg="kilogram|kilograms", g="gram|grams", mg="milligram|milligrams",
        lb="pound|pounds", lbs="pound|pounds", oz="ounce|ounces", l="liter|liters",
        L="liter|liters", ml="milliliter|milliliters", mL="milliliter|milliliters",
        km_h="kilometer per hour|kilometers per hour", mph="mile per hour|miles per hour",
        m_s="meter per second|meters per second", kB="kilobyte|kilobytes",
        KB="kilobyte|kilobytes", MB="megabyte|megabytes", GB="gigabyte|gigabytes",
        TB="terabyte|terabytes", Mbps="megabit per second|megabits per second", Hz="hertz",
        kHz="kilohertz", MHz="megahertz", GHz="gigahertz", W="watt|watts",
        kW="kilowatt|kilowatts", MW="megawatt|megawatts", kWh="kilowatt hour|kilowatt hours",
        ms="millisecond|milliseconds", s="second|seconds", sec="second|seconds",
        min="minute|minutes", mins="minute|minutes", h="hour|hours", hr="hour|hours",
        hrs="hour|hours", dB="decibel|decibels", px="pixel|pixels", kcal="kilocalorie|kilocalories",
    ) | {
        "°C": ("degree Celsius", "degrees Celsius"),
        "°F": ("degree Fahrenheit", "degrees Fahrenheit"),
        "m²": ("square meter", "square meters"), "km²": ("square kilometer", "square kilometers"),
        "m³": ("cubic meter", "cubic meters"),
    },
    version="version",
    per="per",
    percent="percent",
    months=("January", "February", "March", "April", "May", "June", "July", "August",
            "September", "October", "November", "December", "Jan", "Feb", "Mar", "Apr", "Jun",
            "Jul", "Aug", "Sep", "Sept", "Oct", "Nov", "Dec"),
    day="ordinal",
    day_first=False,
    hour=("one o'clock", "{h} o'clock"),
    hour_minute=("one {m}", "{h} {m}"),
    code="some code",
    abbreviations={"e.g.": "for example", "i.e.": "that is", "vs.": "versus", "vs": "versus",
                   "approx.": "approximately", "w/": "with", "w/o": "without",
                   "and/or": "and or", "a.k.a.": "also known as"},
    roman_after=("chapter", "part", "section", "volume", "war", "phase", "type", "class", "act",
                 "title", "article", "appendix", "figure", "level", "stage", "book", "grade"),
    kings=("henry", "louis", "elizabeth", "charles", "george", "edward", "james", "william",
           "richard", "paul", "benedict", "pius", "napoleon", "philip", "frederick", "nicholas",
           "catherine", "alexander", "leo", "ramesses", "xavier"),
    fractions={"1/2": "one half", "1/3": "one third", "2/3": "two thirds", "1/4": "one quarter",
               "3/4": "three quarters", "1/5": "one fifth", "1/8": "one eighth",
               "24/7": "twenty-four seven", "50/50": "fifty-fifty"},
    ordinal_signs="(?:st|nd|rd|th)",
)  # fmt: skip

_DE = Language(
    tag="de",
    numbers="de",
    one=("ein", "eine"),
    feminine="e$",
    decimal=",",
    thousands=".\u00a0\u202f",
    point="Komma",
    digits_after_point=True,
    to="bis",
    signs={
        "&": "und", "≈": "ungefähr", "±": "plus minus", "×": "mal", "÷": "geteilt durch",
        "≤": "höchstens", "≥": "mindestens", "≠": "ungleich", "→": "nach", "°": "Grad",
        "%": "Prozent", "²": "Quadrat", "³": "hoch drei", "½": "ein halb", "¼": "ein Viertel",
        "¾": "drei Viertel", "∞": "unendlich", "§": "Paragraf", "π": "Pi",
    },
    between={"+": "plus", "=": "gleich", "*": "mal", "<": "kleiner als", ">": "größer als",
             "->": "nach", "-": "minus", "−": "minus", "/": "oder"},
    dot="Punkt", at="at", slash="Schrägstrich", dash="Bindestrich", underscore="Unterstrich",
    money={
        "€": Money("ein Euro", "Euro", "ein Cent", "Cent"),
        "$": Money("ein Dollar", "Dollar", "ein Cent", "Cent"),
        "£": Money("ein Pfund", "Pfund", "ein Penny", "Pence"),
        "EUR": Money("ein Euro", "Euro", "ein Cent", "Cent"),
        "USD": Money("ein US-Dollar", "US-Dollar", "ein Cent", "Cent"),
        "CHF": Money("ein Franken", "Franken", "ein Rappen", "Rappen"),
    },
    with_cents="",
    scales={"Tausend": "tausend", "Million": "Million", "Millionen": "Millionen",
            "Mio.": "Millionen", "Milliarden": "Milliarden", "Mrd.": "Milliarden"},
    units=_units(
        km="Kilometer", m="Meter", cm="Zentimeter", mm="Millimeter", kg="Kilogramm", g="Gramm",
        mg="Milligramm", l="Liter", ml="Milliliter", km_h="Kilometer pro Stunde",
        kB="Kilobyte", MB="Megabyte", GB="Gigabyte", TB="Terabyte", Hz="Hertz", kHz="Kilohertz",
        MHz="Megahertz", GHz="Gigahertz", W="Watt", kW="Kilowatt",
        kWh="Kilowattstunde|Kilowattstunden",
        ms="Millisekunde|Millisekunden", s="Sekunde|Sekunden", min="Minute|Minuten",
        h="Stunde|Stunden", dB="Dezibel",
    ) | {"°C": ("Grad Celsius", "Grad Celsius"), "m²": ("Quadratmeter", "Quadratmeter"),
         "km²": ("Quadratkilometer", "Quadratkilometer")},
    version="Version",
    per="pro",
    percent="Prozent",
    months=("Januar", "Februar", "März", "April", "Mai", "Juni", "Juli", "August", "September",
            "Oktober", "November", "Dezember"),
    day="inflected",
    hour=("ein Uhr", "{h} Uhr"),
    hour_minute=("ein Uhr {m}", "{h} Uhr {m}"),
    after_clock=("Uhr",),
    code="etwas Code",
    abbreviations={"z. B.": "zum Beispiel", "z.B.": "zum Beispiel", "d. h.": "das heißt",
                   "d.h.": "das heißt", "u. a.": "unter anderem", "u.a.": "unter anderem",
                   "bzw.": "beziehungsweise", "ca.": "circa", "Nr.": "Nummer",
                   "ggf.": "gegebenenfalls", "evtl.": "eventuell"},
    roman_after=("kapitel", "teil", "band", "akt", "weltkrieg"),
    fractions={"1/2": "ein halb", "1/3": "ein Drittel", "2/3": "zwei Drittel",
               "1/4": "ein Viertel", "3/4": "drei Viertel"},
)  # fmt: skip

_FR = Language(
    tag="fr",
    numbers="fr",
    one=("un", "une"),
    feminine="(?:heure|minute|seconde)$",
    decimal=",",
    thousands=" \u00a0\u202f",
    point="virgule",
    digits_after_point=False,
    to="à",
    signs={
        "&": "et", "≈": "environ", "±": "plus ou moins", "×": "fois", "÷": "divisé par",
        "≤": "au plus", "≥": "au moins", "→": "vers", "°": "degrés", "%": "pour cent",
        "²": "au carré", "³": "au cube", "½": "un demi", "¼": "un quart", "¾": "trois quarts",
        "§": "paragraphe", "π": "pi",
    },
    between={"+": "plus", "=": "égale", "*": "fois", "<": "inférieur à",
             ">": "supérieur à", "->": "vers", "-": "moins", "−": "moins", "/": "ou"},
    dot="point", at="arobase", slash="slash", dash="tiret", underscore="tiret bas",
    money={
        "€": Money("un euro", "euros", "un centime", "centimes"),
        "$": Money("un dollar", "dollars", "un cent", "cents"),
        "£": Money("une livre", "livres", "un penny", "pence"),
        "EUR": Money("un euro", "euros", "un centime", "centimes"),
        "USD": Money("un dollar américain", "dollars américains", "un cent", "cents"),
        "CHF": Money("un franc suisse", "francs suisses"),
    },
    with_cents="et",
    scales={"mille": "mille", "million": "million", "millions": "millions",
            "milliard": "milliard", "milliards": "milliards", "k": "mille", "M": "millions"},
    of_scale="de",
    units=_units(
        km="kilomètre|kilomètres", m="mètre|mètres", cm="centimètre|centimètres",
        mm="millimètre|millimètres", kg="kilogramme|kilogrammes", g="gramme|grammes",
        mg="milligramme|milligrammes", l="litre|litres", L="litre|litres",
        ml="millilitre|millilitres", km_h="kilomètre heure|kilomètres heure",
        Mo="mégaoctet|mégaoctets", Go="gigaoctet|gigaoctets", Hz="hertz", kHz="kilohertz",
        MHz="mégahertz", GHz="gigahertz", W="watt|watts", kW="kilowatt|kilowatts",
        ms="milliseconde|millisecondes", s="seconde|secondes", min="minute|minutes",
        h="heure|heures",
    ) | {"°C": ("degré Celsius", "degrés Celsius"), "m²": ("mètre carré", "mètres carrés"),
         "km²": ("kilomètre carré", "kilomètres carrés")},
    version="version",
    per="par",
    percent="pour cent",
    months=("janvier", "février", "mars", "avril", "mai", "juin", "juillet", "août",
            "septembre", "octobre", "novembre", "décembre"),
    day="first",
    first="premier",
    hour=("une heure", "{h} heures"),
    hour_minute=("une heure {m}", "{h} heures {m}"),
    code="du code",
    abbreviations={"p. ex.": "par exemple", "p.ex.": "par exemple", "c.-à-d.": "c'est-à-dire",
                   "etc.": "et cetera", "env.": "environ", "n°": "numéro"},
    roman_after=("chapitre", "partie", "tome", "acte"),
    fractions={"1/2": "un demi", "1/3": "un tiers", "2/3": "deux tiers", "1/4": "un quart",
               "3/4": "trois quarts"},
    ordinal_signs="(?:ers?|ères?|e|es|ème|èmes)",
)  # fmt: skip

_ES = Language(
    tag="es",
    numbers="es",
    one=("un", "una"),
    feminine="a$",
    decimal=",",
    thousands=".\u00a0\u202f",
    point="coma",
    digits_after_point=False,
    to="a",
    signs={
        "&": "y", "≈": "aproximadamente", "±": "más o menos", "×": "por", "÷": "entre",
        "≤": "como máximo", "≥": "como mínimo", "→": "a", "°": "grados", "%": "por ciento",
        "²": "al cuadrado", "³": "al cubo", "½": "un medio", "¼": "un cuarto",
        "¾": "tres cuartos", "π": "pi",
    },
    between={"+": "más", "=": "es igual a", "*": "por", "<": "menor que",
             ">": "mayor que", "->": "a", "-": "menos", "−": "menos", "/": "o"},
    dot="punto", at="arroba", slash="barra", dash="guion", underscore="guion bajo",
    money={
        "€": Money("un euro", "euros", "un céntimo", "céntimos"),
        "$": Money("un dólar", "dólares", "un centavo", "centavos"),
        "£": Money("una libra", "libras", "un penique", "peniques"),
        "EUR": Money("un euro", "euros", "un céntimo", "céntimos"),
        "USD": Money("un dólar", "dólares", "un centavo", "centavos"),
    },
    with_cents="con",
    scales={"mil": "mil", "millón": "millón", "millones": "millones", "M": "millones"},
    of_scale="de",
    units=_units(
        km="kilómetro|kilómetros", m="metro|metros", cm="centímetro|centímetros",
        mm="milímetro|milímetros", kg="kilogramo|kilogramos", g="gramo|gramos",
        mg="miligramo|miligramos", l="litro|litros", ml="mililitro|mililitros",
        km_h="kilómetro por hora|kilómetros por hora", MB="megabyte|megabytes",
        GB="gigabyte|gigabytes", Hz="hercio|hercios", kHz="kilohercio|kilohercios",
        W="vatio|vatios", kW="kilovatio|kilovatios", s="segundo|segundos",
        min="minuto|minutos", h="hora|horas",
    ) | {"°C": ("grado Celsius", "grados Celsius"), "m²": ("metro cuadrado", "metros cuadrados")},
    version="versión",
    per="por",
    percent="por ciento",
    months=("enero", "febrero", "marzo", "abril", "mayo", "junio", "julio", "agosto",
            "septiembre", "octubre", "noviembre", "diciembre"),
    day="first",
    first="uno",
    hour=("una en punto", "{h} en punto"),
    hour_minute=("una {m}", "{h} {m}"),
    code="algo de código",
    abbreviations={"p. ej.": "por ejemplo", "p.ej.": "por ejemplo", "aprox.": "aproximadamente",
                   "núm.": "número"},
    roman_after=("capítulo", "parte", "tomo", "acto"),
    fractions={"1/2": "un medio", "1/3": "un tercio", "2/3": "dos tercios", "1/4": "un cuarto",
               "3/4": "tres cuartos"},
    ordinal_signs="[ºª°]",
)  # fmt: skip

_IT = Language(
    tag="it",
    numbers="it",
    one=("un", "una"),
    feminine="a$",
    decimal=",",
    thousands=".\u00a0\u202f",
    point="virgola",
    digits_after_point=False,
    to="a",
    signs={
        "&": "e", "≈": "circa", "±": "più o meno", "×": "per", "÷": "diviso", "≤": "al massimo",
        "≥": "almeno", "→": "a", "°": "gradi", "%": "per cento", "²": "al quadrato",
        "³": "al cubo", "½": "un mezzo", "¼": "un quarto", "¾": "tre quarti", "π": "pi greco",
    },
    between={"+": "più", "=": "uguale", "*": "per", "<": "minore di", ">": "maggiore di",
             "->": "a", "-": "meno", "−": "meno", "/": "o"},
    dot="punto", at="chiocciola", slash="barra", dash="trattino", underscore="trattino basso",
    money={
        "€": Money("un euro", "euro", "un centesimo", "centesimi"),
        "$": Money("un dollaro", "dollari", "un centesimo", "centesimi"),
        "£": Money("una sterlina", "sterline", "un penny", "penny"),
        "EUR": Money("un euro", "euro", "un centesimo", "centesimi"),
        "USD": Money("un dollaro", "dollari", "un centesimo", "centesimi"),
    },
    with_cents="e",
    scales={"mila": "mila", "milione": "milione", "milioni": "milioni", "miliardi": "miliardi"},
    of_scale="di",
    units=_units(
        km="chilometro|chilometri", m="metro|metri", cm="centimetro|centimetri",
        mm="millimetro|millimetri", kg="chilogrammo|chilogrammi", g="grammo|grammi",
        l="litro|litri", ml="millilitro|millilitri",
        km_h="chilometro all'ora|chilometri all'ora", MB="megabyte", GB="gigabyte", Hz="hertz",
        W="watt", kW="chilowatt", s="secondo|secondi", min="minuto|minuti", h="ora|ore",
    ) | {"°C": ("grado Celsius", "gradi Celsius"), "m²": ("metro quadrato", "metri quadrati")},
    version="versione",
    per="al",
    percent="per cento",
    months=("gennaio", "febbraio", "marzo", "aprile", "maggio", "giugno", "luglio", "agosto",
            "settembre", "ottobre", "novembre", "dicembre"),
    day="first",
    first="primo",
    hour=("una in punto", "{h} in punto"),
    hour_minute=("una e {m}", "{h} e {m}"),
    code="del codice",
    abbreviations={"p. es.": "per esempio", "p.es.": "per esempio", "ecc.": "eccetera"},
    roman_after=("capitolo", "parte", "volume", "atto"),
    fractions={"1/2": "un mezzo", "1/3": "un terzo", "2/3": "due terzi", "1/4": "un quarto",
               "3/4": "tre quarti"},
    ordinal_signs="[ºª°]",
)  # fmt: skip

_PT = Language(
    tag="pt",
    numbers="pt",
    one=("um", "uma"),
    feminine="a$",
    decimal=",",
    thousands=".\u00a0\u202f",
    point="vírgula",
    digits_after_point=False,
    to="a",
    signs={
        "&": "e", "≈": "cerca de", "±": "mais ou menos", "×": "vezes", "÷": "dividido por",
        "≤": "no máximo", "≥": "no mínimo", "→": "para", "°": "graus", "%": "por cento",
        "²": "ao quadrado", "³": "ao cubo", "½": "um meio", "¼": "um quarto",
        "¾": "três quartos", "π": "pi",
    },
    between={"+": "mais", "=": "é igual a", "*": "vezes", "<": "menor que",
             ">": "maior que", "->": "para", "-": "menos", "−": "menos", "/": "ou"},
    dot="ponto", at="arroba", slash="barra", dash="hífen", underscore="sublinhado",
    money={
        "€": Money("um euro", "euros", "um cêntimo", "cêntimos"),
        "$": Money("um dólar", "dólares", "um centavo", "centavos"),
        "R$": Money("um real", "reais", "um centavo", "centavos"),
        "£": Money("uma libra", "libras", "um pêni", "pence"),
        "EUR": Money("um euro", "euros", "um cêntimo", "cêntimos"),
        "USD": Money("um dólar", "dólares", "um centavo", "centavos"),
    },
    with_cents="e",
    scales={"mil": "mil", "milhão": "milhão", "milhões": "milhões", "bilhões": "bilhões"},
    of_scale="de",
    units=_units(
        km="quilômetro|quilômetros", m="metro|metros", cm="centímetro|centímetros",
        mm="milímetro|milímetros", kg="quilograma|quilogramas", g="grama|gramas",
        l="litro|litros", ml="mililitro|mililitros",
        km_h="quilômetro por hora|quilômetros por hora", MB="megabyte|megabytes",
        GB="gigabyte|gigabytes", Hz="hertz", W="watt|watts", kW="quilowatt|quilowatts",
        s="segundo|segundos", min="minuto|minutos", h="hora|horas",
    ) | {"°C": ("grau Celsius", "graus Celsius"), "m²": ("metro quadrado", "metros quadrados")},
    version="versão",
    per="por",
    percent="por cento",
    months=("janeiro", "fevereiro", "março", "abril", "maio", "junho", "julho", "agosto",
            "setembro", "outubro", "novembro", "dezembro"),
    day="first",
    first="primeiro",
    hour=("uma hora", "{h} horas"),
    hour_minute=("uma e {m}", "{h} e {m}"),
    code="um pouco de código",
    abbreviations={"p. ex.": "por exemplo", "p.ex.": "por exemplo", "aprox.": "aproximadamente",
                   "n.º": "número"},
    roman_after=("capítulo", "parte", "tomo", "ato"),
    fractions={"1/2": "um meio", "1/3": "um terço", "2/3": "dois terços", "1/4": "um quarto",
               "3/4": "três quartos"},
    ordinal_signs="[ºª°]",
)  # fmt: skip

LANGUAGES = {language.tag: language for language in (_EN, _DE, _FR, _ES, _IT, _PT)} | {
    "en-gb": replace(_EN, tag="en-gb", day_first=True),
    "pt-br": replace(_PT, tag="pt-br", numbers="pt_BR"),
}
"""By tags in lower case."""


def language_data(tag: str | None) -> Language | None:
    """Of a tag such as "pt-BR"; no tag is English."""
    tag = (tag or "en").lower().replace("_", "-")
    return LANGUAGES.get(tag) or LANGUAGES.get(tag.split("-")[0])
