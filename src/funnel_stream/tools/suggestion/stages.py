"""Which stage of the funnel the texts of CRMs stand for, and how sure that is."""

import re
from collections.abc import Mapping
from typing import Final, NamedTuple

from funnel_stream.contract.event import STAGES
from funnel_stream.tools.suggestion.names import bare, is_foreign, named, words

OPEN: Final = "open"
"""What a deal is that has not been closed: a state, but no stage."""


class Guess(NamedTuple):
    """A stage (or ``open``), and whether nothing else can be meant."""

    stage: str
    sure: bool


def _words_of(texts: Mapping[str, str]) -> dict[tuple[str, ...], str]:
    return {
        words(phrase): stage for stage, phrases in texts.items() for phrase in phrases.split(",")
    }


_PHRASES: Final = _words_of(
    {
        "lead": (
            "lead, leads, new, new lead, neu, nuevo, nouveau, nuovo, nowy, novo, nieuw, новая, "
            "новый, mql, marketing qualified lead, marketing qualified, subscriber, inquiry, "
            "enquiry, lead in, incoming, incoming lead, raw lead, prospect, prospecting, "
            "prospecto, anfrage, erstkontakt, kontakt, new deal, new opportunity, created, lead "
            "created, unqualified lead, open not contacted, first contact, unassigned, not "
            "contacted"
        ),
        "qualified": (
            "qualified, qualification, qualified lead, sql, sales qualified lead, sales qualified, "
            "appointment scheduled, appointmentscheduled, qualified to buy, qualifiedtobuy, sales "
            "accepted lead, sal, qualifiziert, qualifizierung, calificado, calificacion, qualifie, "
            "qualification en cours, qualificato, qualifica, kwalifikacja, zakwalifikowany, "
            "qualificado, qualificacao, gekwalificeerd, квалификация, квалифицирован, working "
            "contacted, lead qualified"
        ),
        "potential": (
            "potential, needs analysis, need analysis, needs defined, needs assessment, discovery, "
            "discovery call, audit, value proposition, id decision makers, perception analysis, "
            "solution design, opportunity, bedarfsanalyse, bedarf, potenzial, potential analysis, "
            "analisis de necesidades, analyse des besoins, analiza potrzeb, demo scheduled, demo, "
            "presentation scheduled, presentationscheduled"
        ),
        "offer": (
            "offer, offer sent, offered, proposal, proposal sent, proposal made, proposal price "
            "quote, proposal quote, quote, quote sent, quoted, price quote, quotation, angebot, "
            "angebot erstellt, angebot versendet, angebot gesendet, angeboten, propuesta, "
            "propuesta enviada, presupuesto, oferta, oferta enviada, oferta wyslana, oferta "
            "zlozona, proposition, proposition envoyee, devis, devis envoye, proposta, proposta "
            "inviata, proposta enviada, preventivo, offerte, offerte verstuurd, коммерческое "
            "предложение, предложение, кп отправлено, счет"
        ),
        "negotiation": (
            "negotiation, negotiating, negotiations, negotiations started, in negotiation, "
            "negotiation review, contract sent, contractsent, contract, contracting, verhandlung, "
            "in verhandlung, verhandlungen, vertrag versendet, vertrag, negociacion, en "
            "negociacion, negociation, en negociation, negoziazione, trattativa, negocjacje, "
            "negociacao, onderhandeling, переговоры, договор, verbal commitment, commit"
        ),
        "won": (
            "won, closed won, closedwon, closed win, win, deal won, gewonnen, abgeschlossen "
            "gewonnen, geschlossen gewonnen, auftrag, auftrag erhalten, auftrag erteilt, ganado, "
            "ganada, cerrado ganado, cerrada ganada, gagne, gagnee, ferme gagne, vinto, vinta, "
            "chiuso vinto, wygrana, wygrany, wygrane, zamkniete wygrane, ganho, ganha, fechado "
            "ganho, gewonnen deal, успешно реализовано, сделка успешна, выиграна, выигран, "
            "customer, signed, contract signed, vundet, voitettu, vyhrano, vunnen"
        ),
        "lost": (
            "lost, closed lost, closedlost, deal lost, loss, lose, apology, verloren, "
            "abgeschlossen verloren, "
            "geschlossen verloren, abgelehnt, absage, perdido, perdida, cerrado perdido, cerrada "
            "perdida, perdu, perdue, ferme perdu, perso, persa, chiuso perso, przegrana, "
            "przegrany, przegrane, utracona, zamkniete przegrane, fechado perdido, perdeu, закрыто "
            "и не реализовано, проиграна, проигран, провал, сделка провалена, closed lost to "
            "competition, tabt, havittu, prohrano, forlorad, dropped"
        ),
        OPEN: (
            "open, offen, in progress, active, abierto, abierta, ouvert, aperto, otwarta, otwarty, "
            "aberto, в работе, открыта, pending, in bearbeitung, ongoing, running, working"
        ),
    }
)  # fmt: skip

_DOUBTFUL: Final = _words_of(
    {
        "lead": "open lead, on hold, nurturing, nurture, contacted, contact made, unqualified",
        "qualified": "preparation",
        "potential": (
            "presentation scheduled, presentationscheduled, demo, demo scheduled, opportunity, "
            "audit, meeting, id decision makers"
        ),
        "negotiation": (
            "decision maker bought in, decisionmakerboughtin, verbal commitment, commit, contract, "
            "executing, final invoice"
        ),
        "offer": "prepayment invoice",
        "won": "customer, signed, auftrag, delivered, invoiced, paid",
        "lost": (
            "disqualified, junk, junk lead, dropped, abandoned, cancelled, canceled, rejected, "
            "absage, abgelehnt, refused, storniert, deal lost to competition, analyze failure, bad "
            "fit, dead"
        ),
    }
)
"""Texts that may mean something else."""

_KEYWORDS: Final = (
    ("lost", r"lost|lose|verloren|perdid[oa]|perdue?|pers[oa]|przegran\w*|проигр\w*|провал\w*"),
    ("won", r"won|win|gewonnen|ganad[oa]|gagnee?|vint[oa]|wygran\w*|успешн\w*|выигр\w*"),
    ("negotiation", r"negotia\w*|verhandl\w*|negoci\w*|negozia\w*|negocj\w*|contract|переговор\w*"),
    ("offer", r"offer\w*|proposal\w*|quot\w*|angebot\w*|propuesta|ofert\w*|devis|предложен\w*"),
    ("qualified", r"qualif\w*|sql|appointment\w*|kwalif\w*|квалиф\w*"),
    ("potential", r"discovery|needs?|demo|presentation|analysis|bedarf\w*"),
    ("lead", r"lead|new|mql|prospect\w*|neu\w*|нов\w*|inquiry|anfrage"),
)
_NOT: Final = re.compile(r"\b(not|no|non|un\w*|dis\w*|nicht|kein\w*|nie|не)\b")


_CODED: Final = re.compile(r"C[0-9]+:(?=.)")
"""What Bitrix24 writes before the codes of stages in other pipelines than the first."""


def stage_of(text: str) -> Guess | None:
    """What a text of a stage column stands for; None where nothing tells."""
    text = _CODED.sub("", text, count=1) if _CODED.match(text) else text
    found = words(text.split("(")[0]) or words(text)
    if found in _DOUBTFUL:
        return Guess(_DOUBTFUL[found], False)
    if found in _PHRASES:
        return Guess(_PHRASES[found], True)
    plain = " ".join(found)
    if _NOT.search(plain):
        return None
    meant = [stage for stage, pattern in _KEYWORDS if re.search(rf"\b(?:{pattern})\b", plain)]
    return Guess(meant[0], False) if meant else None


_OF_DATES: Final = re.compile(
    r"\b(date|time|timestamp|datetime|datum|entered|became|becoming|when|moved|reached|in|into|to|at|"
    r"on|the|a|an|stage|is|of|as|fecha|data|de|du|le|am|дата|day|closed|hs|v2)\b"
)


def stage_of_date(name: str) -> Guess | None:
    """The stage that a date column names: ``Date entered "Contract Sent"``, ``won_time``."""
    whole = " ".join(words(name))
    if is_foreign(name) or re.search(r"\b(exit\w*|left|cumulative|latest|last)\b", whole):
        return None
    found = named(name)
    if len(found) == 1:
        found = words(re.sub(r"s?datum$", "", found[0])) or found
    entered = bool({"entered", "became"} & set(found))
    for candidate in dict.fromkeys((found, bare(found))):
        remaining = words(_OF_DATES.sub(" ", " ".join(candidate)))
        if not remaining or (remaining == candidate and not entered and len(remaining) > 1):
            continue
        for tried in (candidate, remaining, (*("closed",), *remaining)):
            stage = _PHRASES.get(tried)
            if stage in STAGES:
                return Guess(stage, tried not in _DOUBTFUL)
        if entered and (guess := stage_of(" ".join(remaining))) and guess.stage in STAGES:
            return guess
        doubtful = _DOUBTFUL.get(remaining)
        if doubtful is not None:
            return Guess(doubtful, False)
    return None
