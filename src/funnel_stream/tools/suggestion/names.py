"""What columns of CRM exports are called, by what they are for."""

import re
import unicodedata
from collections.abc import Mapping
from functools import lru_cache
from typing import Final

_CAMEL: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_ASIDE: Final = re.compile(r"\([^()]*\)|\[[^\[\]]*\]")
_WORD: Final = re.compile(r"[^\W_]+")
_CURRENCIES: Final = frozenset(
    {"AED", "AUD", "BRL", "CAD", "CHF", "CNY", "CZK", "DKK", "EUR", "GBP", "HKD", "HUF", "ILS"}
    | {"INR", "JPY", "MXN", "NOK", "NZD", "PLN", "RON", "RUB", "SEK", "SGD", "UAH", "USD", "ZAR"}
)
"""Those that names of columns name; other codes are words, too, like ALL, TOP and TRY."""
_LONGEST: Final = 500
"""So much of a text is looked at."""


@lru_cache(maxsize=65_536)
def words(text: str) -> tuple[str, ...]:
    """The words of a name in lower case, without accents: ``StageName`` is stage, name."""
    plain = unicodedata.normalize("NFKD", _CAMEL.sub(" ", text[:_LONGEST]))
    plain = "".join(char for char in plain if not unicodedata.combining(char))
    return tuple(_WORD.findall(plain.casefold()))


def _phrases(text: str) -> tuple[tuple[str, ...], ...]:
    return tuple(words(phrase) for phrase in text.split(","))


_NOUNS: Final = frozenset(
    word
    for phrase in _phrases(
        "deal, deals, opportunity, opportunities, opp, lead, leads, mql, hs, v2, crm, record, "
        "oportunidad, oportunidade, opportunite, opportunita, szansa, сделка, сделки, "
        "verkaufschance, chance, negocio"
    )
    for word in phrase
)
"""What a table is of: words before a name that add nothing to it."""

_ROLES: Final[Mapping[str, tuple[tuple[str, ...], ...]]] = {
    role: _phrases(names)
    for role, names in {
        "deal_id": (
            "deal id, opportunity id, opportunityid, deal record id, opp id, lead id, mql id, deal "
            "number, opportunity number, id сделки, oportunidad id, id oportunidad, id de la "
            "oportunidad, id opportunite, id opportunita, id oportunidade, id negocio, id szansy, "
            "verkaufschance id, vorgang id, vorgangsnummer, vorgangs nr, angebotsnummer, "
            "opportunity nr, deal nr, deal key, hs object id, dealid, leadid, dealnummer"
        ),
        "id": (
            "record id, id, object id, unique id, uuid, guid, external id, key, number, no, nr, "
            "nummer, numero, numer, num, identifiant, identificador, identificativo, "
            "identyfikator, ид, номер, kennung, lfd nr, laufende nummer, row id, case id"
        ),
        "title": (
            "deal name, opportunity name, title, name, subject, deal, opportunity, bezeichnung, "
            "titel, nombre, nom, nome, nazwa, название, email, e mail, dealname"
        ),
        "stage": (
            "deal stage, stage name, stage, to stage, new stage, sales stage, pipeline stage, "
            "status, deal status, lead status, phase, sales phase, verkaufsphase, vertriebsphase, "
            "stufe, stadium, etapa, etape, fase, fase de ventas, etap, etap sprzedazy, statut, "
            "estado, stato, stan, стадия, стадия сделки, этап, статус, lifecycle stage, deal "
            "state, state, outcome, result, won lost, ergebnis, resultat, stage id, dealstage, "
            "status id, sales stage name, current stage, deal stage name"
        ),
        "lead": (
            "create date, created date, created at, created on, created, created time, creation "
            "date, creation time, date created, time created, date of creation, datecreated, "
            "createdate, added, add time, added on, date added, opened, open date, opened on, "
            "start date, begin date, first contact date, first contact, first contacted, lead "
            "date, lead created, inquiry date, enquiry date, received, received on, engage date, "
            "engagement date, registration date, erstellt am, erstellt, erstelldatum, "
            "erstellungsdatum, angelegt am, angelegt, anlagedatum, eingang, eingangsdatum, "
            "anfragedatum, erstkontakt, fecha de creacion, creado, creado el, creado en, date de "
            "creation, cree le, date creation, data creazione, data di creazione, creato il, data "
            "utworzenia, utworzono, data dodania, data de criacao, criado em, aangemaakt, "
            "aangemaakt op, datum aangemaakt, дата создания, создан, создано, дата начала, skapad, "
            "oprettet, luotu, vytvoreno, date create, begin, begindate"
        ),
        "closed": (
            "close date, closed date, closed at, closed on, closing date, date closed, close time, "
            "closed time, closed, closedate, deal closed on, actual close date, actual closing "
            "date, end date, completed date, abschlussdatum, abgeschlossen am, geschlossen am, "
            "schlussdatum, abschluss, fecha de cierre, cerrado el, date de cloture, date cloture, "
            "cloture le, data di chiusura, data chiusura, chiuso il, data zamkniecia, zamknieto, "
            "data de fechamento, fechado em, afsluitdatum, gesloten op, sluitdatum, дата закрытия, "
            "дата завершения, закрыта, stangd, lukket, uzavreno"
        ),
        "moved": (
            "last stage change date, last stage change, stage change date, stage changed, stage "
            "changed at, stage entered, stage entered at, date entered current stage, stage "
            "modified time, stage change time, stage date, moved time, дата изменения стадии, "
            "datum der phase, phase seit, stufe seit"
        ),
        "history": (
            "stage changed at, stage change date, stage entered at, stage start, changed at, "
            "changed on, change date, moved at, moved on, timestamp, created date, date created, "
            "created at, created time, modified time, last modified, last modified date, last "
            "update, edit date, date, datum, fecha, data, дата, event time, event date, at, time, "
            "entered, entered at, entered on, zeitpunkt, geandert am"
        ),
        "amount": (
            "amount, deal amount, deal value, opportunity amount, value, total amount, deal size, "
            "contract value, close value, closed value, won value, total value, revenue, price, "
            "sum, total, amount usd, acv, tcv, arr, mrr, betrag, auftragswert, auftragssumme, "
            "umsatz, wert, volumen, auftragsvolumen, summe, netto, importe, monto, valor, montant, "
            "valeur, prix, importo, valore, kwota, wartosc, cena, bedrag, waarde, сумма, "
            "стоимость, belopp, belob, castka, expected amount, expected value, estimated value, "
            "estimated revenue, est revenue, deal size usd, opportunity"
        ),
        "cost": (
            "cost, costs, spend, spent, amount spent, ad spend, total cost, expense, expenses, "
            "kosten, ausgaben, werbekosten, mediakosten, coste, gasto, gastos, costo, costi, "
            "spesa, cout, couts, depense, depenses, koszt, koszty, wydatki, custo, uitgaven, "
            "расход, расходы, затраты, budget, cost amount, spend amount, ad cost, media cost, "
            "media spend, amount spent eur"
        ),
        "currency": (
            "currency, deal currency, currency code, currency iso code, currency of value, amount "
            "currency, wahrung, waehrung, moneda, divisa, devise, monnaie, valuta, waluta, moeda, "
            "валюта, mena, currency id"
        ),
        "person": (
            "full name, name, display name, user name, username, owner name, last name, surname, "
            "nachname, email, e mail, email address"
        ),
        "channel": (
            "channel, marketing channel, lead channel, original traffic source, original source "
            "type, original source, traffic source, latest traffic source, origin, utm medium, "
            "medium, kanal, vertriebskanal, marketingkanal, canal, canale, kanaal, канал, "
            "platform, network"
        ),
        "source": (
            "lead source, source, deal source, utm source, source id, source channel, campaign, "
            "campaign name, primary campaign source, utm campaign, original source drill down 1, "
            "original traffic source drill down 1, quelle, leadquelle, herkunft, kampagne, fuente, "
            "origen, campana, source du lead, origine, campagne, fonte, campagna, zrodlo, "
            "zrodlo leada, kampania, bron, origem, источник, кампания"
        ),
        "owner": (
            "owner, deal owner, opportunity owner, owner name, record owner, sales rep, sales "
            "representative, sales agent, sales person, salesperson, rep, agent, account "
            "executive, account manager, assigned to, assigned user, responsible, responsible "
            "person, sr id, owner id, deal owner id, verantwortlich, verantwortlicher, zustandig, "
            "zustandiger, besitzer, inhaber, bearbeiter, betreuer, vertriebler, propietario, "
            "responsable, proprietaire, proprietario, responsabile, wlasciciel, opiekun, "
            "handlowiec, vendedor, eigenaar, verkoper, ответственный, agare, ejer, manager id, "
            "sales manager, manager, hubspot owner id, sales owner, rep id, rep name, assigned by, "
            "assigned by id, owner code"
        ),
        "product": (
            "product, product name, products, product line, produkt, artikel, producto, produit, "
            "prodotto, produto, продукт, товар, service"
        ),
        "industry": (
            "industry, sector, branche, industrie, industria, secteur, settore, branza, setor, "
            "отрасль, сфера деятельности, bransch"
        ),
        "segment": (
            "segment, customer segment, business segment, market segment, kundensegment, segmento, "
            "region, territory, sales region, country, country region, land, pais, pays, paese, "
            "kraj, страна, vertriebsgebiet"
        ),
        "pipeline": (
            "pipeline, deal pipeline, sales pipeline, воронка, pipeline name, lejek, embudo"
        ),
        "lost_reason": (
            "lost reason, loss reason, closed lost reason, reason lost, reason for loss, deal lost "
            "reason, lost because, why lost, lostreason, reason for closing lost, verlustgrund, "
            "grund, grund fur verlust, ablehnungsgrund, absagegrund, reason, motivo de perdida, "
            "razon de perdida, raison de la perte, motif de perte, motivo perdita, motivo della "
            "perdita, powod utraty, powod przegranej, powod, motivo da perda, verliesreden, reden, "
            "причина отказа, причина проигрыша, closed lost reason description"
        ),
        "month": (
            "month, date, day, week, period, monat, datum, tag, woche, zeitraum, mes, fecha, dia, "
            "mois, jour, semaine, mese, data, giorno, miesiac, dzien, maand, месяц, дата, start, "
            "reporting starts, week of, week starting, month starting, cost date, spend date, "
            "period start, month start"
        ),
        "is_won": "is won, is closed won, closed won, won",
        "is_lost": "is closed lost, is lost, closed lost, lost",
        "is_closed": "is closed, is deal closed, closed",
    }.items()
}  # fmt: skip
"""The usual names of each role, the best first. Months and currencies in a name do not count."""

_FOREIGN: Final = frozenset(
    word
    for phrase in _phrases(
        "expected, estimated, planned, forecast, forecasted, projected, weighted, probability, "
        "next, previous, prior, old, from, exited, modified, updated, update, activity, contacted, "
        "erwartet, erwartetes, erwarteter, geplant, geplantes, voraussichtlich, voraussichtliches, "
        "gewichtet, gewichteter, esperado, esperada, prevista, previsto, prevue, prevu, attendue, "
        "estimee, planowana, planowane, oczekiwana, verwachte, ожидаемая, предполагаемая"
    )
    for word in phrase
)
"""Words that make of a name something that did not happen, or not then."""


def named(name: str) -> tuple[str, ...]:
    """The words that tell what a column is for: without what is in brackets, without its
    currency, without the nouns of the table before it."""
    found = words(_ASIDE.sub(" ", name)) or words(name)
    while len(found) > 1 and found[-1].upper() in _CURRENCIES:
        found = found[:-1]
        if len(found) > 1 and found[-1] == "in":
            found = found[:-1]
    return found


def bare(found: tuple[str, ...]) -> tuple[str, ...]:
    """The words after the nouns that say what the table is of; the last word stays."""
    while len(found) > 1 and found[0] in _NOUNS:
        found = found[1:]
    return found


def rank(name: str, role: str) -> int | None:
    """How good a name is for a role: 0 is best, None not at all."""
    found = named(name)
    usual = _ROLES[role]
    if found in usual:
        return usual.index(found)
    if bare(found) in usual and role != "deal_id":
        return len(usual) + usual.index(bare(found))
    return None


def is_foreign(name: str) -> bool:
    """Whether the name speaks of what is to come, was before or is of another matter."""
    return not _FOREIGN.isdisjoint(named(name))


_AMOUNTS: Final = frozenset(
    _phrases(
        "amount, value, revenue, betrag, wert, umsatz, summe, importe, monto, valor, montant, "
        "valeur, importo, valore, kwota, wartosc, bedrag, waarde, сумма, стоимость"
    )
)
_OTHER_AMOUNTS: Final = frozenset(
    words(
        "invoice invoiced paid payment tax vat discount margin cost spend refund lifetime score "
        "target quota rechnung steuer rabatt"
    )
)


def may_be_amount(name: str) -> bool:
    """Whether a name ends like that of an amount, and nothing says of what else it is one."""
    found = named(name)
    return found[-1:] in _AMOUNTS and not is_foreign(name) and _OTHER_AMOUNTS.isdisjoint(found)


def currency_in(name: str) -> str | None:
    """The usual currency that a name ends with: ``Amount (EUR)``, ``amount_usd``."""
    for token in (*words(name)[-1:], *(["eur"] if "€" in name else [])):
        if token.upper() in _CURRENCIES:
            return token.upper()
    return None


def looks_dated(name: str) -> bool:
    """Whether the name is one of a date, so that its numbers may be dates."""
    if any(rank(name, role) is not None for role in ("lead", "closed", "moved", "history")):
        return True
    return not _DATE_WORDS.isdisjoint(words(name))


_DATE_WORDS: Final = frozenset(
    word
    for phrase in _phrases(
        "date, time, timestamp, at, on, entered, became, datum, zeit, fecha, data, дата, am, "
        "since, when, day, month, monat"
    )
    for word in phrase
)
