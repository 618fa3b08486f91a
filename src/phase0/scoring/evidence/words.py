"""The small word lists that the checks share: function words of English, and those that tell other languages apart."""

from __future__ import annotations

from phase0.text import terms

FUNCTION_WORDS = terms(
    """
    a about above after again all also am an and any are aren as at be because been before being below between both
    but by can could couldn did didn do does doesn doing don down during each few for from further had hadn has hasn
    have haven having he her here hers herself him himself his how i if in into is isn it its itself just ll may me
    might more most must my myself no nor not now of off on once only or other our ours ourselves out over own re s
    same shall she should shouldn so some such t than that the their theirs them themselves then there these they
    this those through to too under until up upon us ve very was wasn we were weren what when where which while who
    whom whose why will with within without won would wouldn yet you your yours yourself yourselves
    """
)

# Words that only serve in one of these languages, or mostly there: their share names the language of a text.
_BY_LANGUAGE = {
    "en": "the and of to is that it with for are this was you your be by from or have not which their can an i "
    "what how why when where who does do no me",
    "es": "el los las del una con para por está como más pero sus su este esta muy también sobre qué hay porque cuando "
    "tiene fue hasta después otra otro vez sí así desde donde hacer cada lo",
    "fr": "le les et des une est pour dans qui sur avec pas plus vous nous ce cette sont être aux du au il elle je",
    "de": "der die das und ist nicht ein eine mit für auf den von zu sich dem sie ich auch wird sind oder als wie",
    "pt": "os um uma não para por mais são do da dos das ao também você seu sua muito em na isso",
    "it": "il gli di che per non una con sono del della dei nel alla anche più come questo questa si lo",
    "nl": "het een en van dat niet met voor zijn op aan ook maar bij naar deze wordt door ik je uit heeft",
}


def _owners() -> dict[str, str]:
    """Each distinctive word with its language; a word that two languages share tells nothing and is left out."""
    owners: dict[str, str] = {}
    shared = set()
    for language, words in _BY_LANGUAGE.items():
        for word in words.split():
            if owners.setdefault(word, language) != language:
                shared.add(word)
    return {word: language for word, language in owners.items() if word not in shared}


LANGUAGE_OF = _owners()

SERVING = FUNCTION_WORDS.union(
    *(terms(words) for words in _BY_LANGUAGE.values()), terms("de la en se a e o y que un al si")
)
"""Words that hold sentences together, in any of these languages."""


def content_stems(vocabulary: frozenset[str]) -> frozenset[str]:
    """Crude stems of the words that carry meaning: six characters, or no plural s. `educate` meets `education`."""
    return frozenset(
        [word[:6] if word[-1] != "s" or len(word) > 6 else word[:-1] for word in vocabulary - FUNCTION_WORDS]
    )


HOLLOW = terms(
    """
    ability able achieve achieving additionally ahead always amazing approach approaches appropriate area areas
    aspect aspects aspire attention aware beneficial benefit benefits best better broad broader care careful
    carefully case cases certain clear clearly come comprehensive consider consideration considerations considered
    considering context course critical crucial deal deep deeper depend depends detail details different difficult
    diverse easy effective effectively effort efforts engage ensure ensuring especially essential essentially every
    everyone everything excellent exciting experience explore factor factors fact find focus follow forward
    fundamental future gain general generally give given goal goals good great greater greatly help helpful
    helps hope holistic idea ideas impact important importance importantly include including individual individuals
    information insight insights interesting issue issues journey keep key know knowledge large lead leads learn
    learning let level life like look looking lot make makes making manner many matter matters mean meaningful means
    mind multiple necessary need needs new note nuanced number numerous one opportunities opportunity order others
    overall part particular path people person perspective perspectives place point points positive possibilities
    possible potential powerful practice process progress provide provides put quality question questions rather
    reach realize really relevant remain remember requires result results right role sense set significant
    significantly simple simply situation situations something specific start step steps strategies strategy strong
    success successful sure take taking task thank thing things think thorough time together tool tools topic topics
    true truly try turn ultimately understand understanding unique use used useful using valuable value variety
    various vast view vital want way ways well whole wide willing work working world worth
    """
)
"""Content words that fit any topic, and so say nothing about one."""
