"""Faults in what the events of one deal mean."""

from tests.mutants.fault import Fault

_FILE = "facts/journey.py"

FAULTS = (
    Fault(
        "ties-in-order-of-arrival",
        _FILE,
        "if at <= last:",
        "if at < last:",
        "Stages of one instant are taken as they arrived: won, then qualified is no win.",
    ),
    Fault(
        "attributes-by-arrival",
        _FILE,
        "    return sorted(history, key=lambda event: (event.at, event.id))\n",
        "    return history\n",
        "Of two values of one instant the one of the higher stage wins, not of the later id.",
    ),
    Fault(
        "first-attribute-wins",
        _FILE,
        "attributes.update(given)\n            if kind",
        "attributes = {**given, **attributes}\n            if kind",
        "A corrected owner or amount changes nothing.",
    ),
    Fault(
        "repeat-is-an-entry",
        _FILE,
        "            if kind == before:\n"
        "                if kind == OFFER:\n"
        "                    entered[OFFER].append(at)\n"
        "                continue\n",
        "",
        "A stage that is reported twice is entered twice: two rounds where there was one.",
    ),
    Fault(
        "repeat-shifts-the-closing",
        _FILE,
        "            if kind == before:\n"
        "                if kind == OFFER:\n"
        "                    entered[OFFER].append(at)\n"
        "                continue\n",
        "            if kind == before:\n"
        "                if kind == OFFER:\n"
        "                    entered[OFFER].append(at)\n"
        "                elif kind >= WON:\n"
        "                    since = at\n"
        "                continue\n",
        "A deal that is reported won again next week was won next week.",
    ),
    Fault(
        "second-offer-begins-the-stay-anew",
        _FILE,
        "                    entered[OFFER].append(at)\n",
        "                    entered[OFFER].append(at)\n                    since = at\n",
        "A deal looks young whenever one more offer is sent, and is never stuck.",
    ),
    Fault(
        "first-entry-is-a-move",
        _FILE,
        "            if before is not None:\n"
        "                moves.append(Move(at, before, kind))\n",
        "            if before is not None or kind:\n"
        "                before = before or 0\n"
        "                moves.append(Move(at, before, kind))\n",
        "A deal that begins with an offer moved there from lead.",
    ),
    Fault(
        "won-for-ever",
        _FILE,
        "self.stage, self.since = before, since",
        "self.stage, self.since = (WON if entered[WON] else before), since",
        "A deal that was won and reopened, or lost later, is still won.",
    ),
    Fault(
        "closing-is-the-first",
        _FILE,
        "self.outcome, self.closed_at = before, since",
        "self.outcome, self.closed_at = before, entered[before][0]",
        "A deal that was reopened and won again counts at its first win.",
    ),
    Fault(
        "skipped-stages-not-passed",
        _FILE,
        "        reached[rank] = earliest\n",
        "        reached[rank] = earliest if rank == LEAD or entries else None\n",
        "A deal that jumped to negotiation never reached qualified: conversions drop.",
    ),
    Fault(
        "reached-by-explicit-entry",
        _FILE,
        "        reached[rank] = earliest\n",
        "        reached[rank] = entries[0] if entries else earliest\n",
        "A deal that went back reached the earlier stage after the later one.",
    ),
    Fault(
        "reached-at-the-last-entry",
        _FILE,
        "            earliest = entries[0]\n",
        "            earliest = entries[-1]\n",
        "A deal that went back and forth moves to a later cohort.",
    ),
    Fault(
        "reopening-retracts-passed-stages",
        _FILE,
        "    earliest = entered[WON][0] if entered[WON] else None\n",
        "    earliest = closed_at if stage == WON else None\n",
        "What a win implied about skipped stages is gone when the deal is reopened.",
    ),
    Fault(
        "loss-reaches-nothing",
        _FILE,
        "        if earliest is None or lost < earliest:\n",
        "        if earliest is None:\n",
        "A deal that was lost, then revived, became a lead only when it was revived.",
    ),
    Fault(
        "loss-reaches-qualified",
        _FILE,
        "            reached[LEAD] = lost\n",
        "            reached[LEAD] = lost\n"
        "            reached[LEAD + 1] = reached[LEAD + 1] or lost\n",
        "Lost leads count as qualified.",
    ),
    Fault(
        "any-win-reaches-won",
        _FILE,
        "    if stage == WON:\n        reached[WON] = closed_at\n",
        "    if entered[WON]:\n        reached[WON] = entered[WON][0]\n",
        "A deal that was won, then lost, stays among the won of its cohort.",
    ),
    Fault(
        "lost-from-lost",
        _FILE,
        "next((move.before for move",
        "next((move.after for move",
        "Every deal is lost from the stage lost.",
    ),
    Fault(
        "lost-from-the-first-loss",
        _FILE,
        "for move in reversed(self.moves) if",
        "for move in self.moves if",
        "A deal that was lost twice is reported under the stage of the first loss.",
    ),
    Fault(
        "offered-by-passing",
        _FILE,
        "return bool(self.entered[OFFER])",
        "return self.reached[OFFER] is not None",
        "Deals that skipped the offer count in the acceptance of offers.",
    ),
    Fault(
        "negotiated-by-passing",
        _FILE,
        "return bool(self.entered[NEGOTIATION])",
        "return bool(self.entered[NEGOTIATION] or self.entered[WON])",
        "Deals won without a negotiation are successful negotiations.",
    ),
    Fault(
        "offer-with-the-last-amount",
        _FILE,
        "amount = amounts[index - 1][2] if index else None",
        "amount = amounts[-1][2] if amounts else None",
        "Every offer has the final amount: no discount is ever seen.",
    ),
    Fault(
        "offer-with-the-amount-before-it",
        _FILE,
        "index = bisect_right(amounts, (offer.at, offer.id), key=lambda given: given[:2])",
        "index = sum(given[:2] < (offer.at, offer.id) for given in amounts)",
        "An offer's own amount counts for the next one only.",
    ),
    Fault(
        "offer-keeps-a-cleared-amount",
        _FILE,
        '("amount" in event.attributes or "amount" in event.attributes.get("cleared", ()))',
        '"amount" in event.attributes',
        "An offer without an amount counts with one that was taken back.",
    ),
    Fault(
        "clearing-says-nothing",
        _FILE,
        '                for name in given["cleared"]:\n'
        "                    known.pop(name, None)\n",
        "                pass\n",
        "An owner who left keeps the deal for ever.",
    ),
    Fault(
        "reason-outlives-a-reopening",
        _FILE,
        "        if left is not None and",
        "        if left is None and",
        "A deal that was lost for its price, reopened and lost is lost for its price again.",
    ),
    Fault(
        "reason-of-the-reopening",
        _FILE,
        "event.id) > moved_out:",
        "event.id) >= moved_out:",
        "A CRM that repeats all fields carries the old reason over with the reopening.",
    ),
    Fault(
        "cleared-reason-stays",
        _FILE,
        '        if "lost_reason" in given.get("cleared", ()):',
        "        if not given and reason:",
        "A reason that was taken back after a second loss still counts.",
    ),
    Fault(
        "no-show-judged-by-a-later-stage",
        _FILE,
        " activities.append((at, kind, before))",
        " activities.append((at, kind, max(before or 0, 0)))",
        "Calls before the first stage count as calls on leads.",
    ),
    Fault(
        "duplicates-count-twice",
        _FILE,
        "    if _encode_id(event.id) in row:\n",
        "    if False:\n",
        "A producer that repeats a record doubles its offers and activities.",
    ),
    Fault(
        "conflicting-duplicate-counts",
        _FILE,
        "                raise ConflictError(known)\n",
        "                break\n",
        "A second event under a known id is applied instead of dead-lettered.",
    ),
)
