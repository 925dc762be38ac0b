-- From events to facts: what every deal adds to which cell, and when.
--
-- Result: facts(deal, cell, label, currency, at_us, timing, weight). A cell is a text; `label` is the
-- open label beside it (a problem, an outcome, a reason) or ''. Durations are microseconds, money
-- minor units, scores millionths. `timing`: 'event' counts at its time, 'matured' in the first pane
-- that starts at or after it, 'now' as long as it holds.

-- ------------------------------------------------------------------------- journeys of deals

-- A deal that is over (closed, or never in a stage) and silent for more than 400 d: what comes
-- later is a new one. An open deal never ends so, hence the last stage of all earlier events tells.
CREATE TABLE lives AS
WITH ordered AS (
    SELECT *, coalesce(at_us - lag(at_us) OVER time > getvariable('retention_us')
        AND coalesce(last_value(rank IGNORE NULLS) OVER (time ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 6) >= 5, false) AS begins
    FROM events WINDOW time AS (PARTITION BY deal_id ORDER BY at_us, coalesce(rank, 7), event_id)
)
SELECT *, sum(begins::INT) OVER (PARTITION BY deal_id ORDER BY at_us, coalesce(rank, 7), event_id) AS life FROM ordered;

-- How the lives before ended. A new one that only says so again is no deal: such an event has no
-- stage (its attributes count) until the deal has been in another stage.
CREATE TABLE journal AS
WITH endings AS (
    SELECT deal_id, life, last(rank ORDER BY at_us, rank, event_id) FILTER (rank IS NOT NULL) AS final FROM lives GROUP BY ALL
), known AS (
    SELECT deal_id, life, last_value(final IGNORE NULLS) OVER (
        PARTITION BY deal_id ORDER BY life ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS former FROM endings
)
SELECT * REPLACE (CASE WHEN rank IS DISTINCT FROM former OR count(*) FILTER (rank <> former) OVER passed > 0 THEN rank END AS rank),
    coalesce(rank = former AND count(*) FILTER (rank <> former) OVER passed = 0, false) AS said_again,
    dense_rank() OVER (ORDER BY deal_id, life)::INT AS deal
FROM lives JOIN known USING (deal_id, life)
WINDOW passed AS (PARTITION BY deal_id, life ORDER BY at_us, coalesce(rank, 7), event_id ROWS UNBOUNDED PRECEDING);

CREATE TABLE moves AS
SELECT deal, at_us, rank, event_id, lag(rank) OVER ordered AS previous,
    previous IS DISTINCT FROM rank AS is_entry
FROM journal WHERE rank IS NOT NULL WINDOW ordered AS (PARTITION BY deal ORDER BY at_us, rank, event_id);

-- The last that was given; what an event clears it does not know, unless the event gives it too.
CREATE MACRO latest(x, name) AS last(x ORDER BY at_us, event_id) FILTER (x IS NOT NULL OR list_contains(cleared, name));
-- Where the first one holds: the first since it was last cleared (an event clears first, then gives).
CREATE MACRO kept(x, name) AS CASE WHEN name IN (SELECT attribute FROM first_touched)
    THEN first(x ORDER BY at_us, event_id) FILTER (x IS NOT NULL AND {'at': at_us, 'id': event_id} >= coalesce(cleared_last[name], {'at': -1, 'id': ''}))
    ELSE latest(x, name) END;
CREATE MACRO label_of(s) AS left(s, 120);

-- The last move out of won or lost: what was given as a reason until then was that of another loss.
CREATE TABLE departures AS
SELECT deal, max({'at': at_us, 'rank': rank, 'id': event_id}) AS moved FROM moves
WHERE is_entry AND (previous >= 5 OR (previous IS NULL AND deal IN (SELECT deal FROM journal WHERE said_again))) GROUP BY deal;

-- When each attribute was cleared last.
CREATE TABLE clearings AS
SELECT deal, map_from_entries(list({'name': name, 'moment': moment})) AS cleared_last FROM (
    SELECT deal, name, max({'at': at_us, 'id': event_id}) AS moment FROM journal, unnest(cleared) u(name) GROUP BY ALL
) GROUP BY deal;

CREATE TABLE attributes AS
WITH reasoned AS (
    SELECT journal.*, cleared_last, CASE WHEN coalesce({'at': at_us, 'rank': coalesce(rank, 7), 'id': event_id} > moved, true)
        THEN lost_reason END AS reason_now
    FROM journal LEFT JOIN departures USING (deal) LEFT JOIN clearings USING (deal)
)
SELECT deal, coalesce(label_of(latest(pipeline, 'pipeline')), 'default') AS pipeline,
    kept(channel, 'channel') AS channel, kept(source, 'source') AS source,
    kept(contact_trigger, 'contact_trigger') AS contact_trigger, kept(product, 'product') AS product,
    kept(industry, 'industry') AS industry, kept(segment, 'segment') AS segment,
    kept(owner, 'owner') AS owner, kept(closing_document, 'closing_document') AS closing_document,
    coalesce(label_of(last(reason_now ORDER BY at_us, event_id)
        FILTER (reason_now IS NOT NULL OR (lost_reason IS NULL AND list_contains(cleared, 'lost_reason')))), '__none__') AS reason,
    latest(problems, 'problems') AS problems, latest(desired_outcomes, 'desired_outcomes') AS desired_outcomes,
    latest(amount, 'amount') AS amount, latest(cost, 'cost') AS cost, latest(score, 'score') AS score,
    latest(first_touch_at, 'first_touch_at') AS first_touch_at, latest(offer_requested_at, 'offer_requested_at') AS offer_requested_at
FROM reasoned GROUP BY deal;

-- Every offer with the last amount at or before it, if it was not cleared since.
CREATE TABLE offers AS
SELECT *, row_number() OVER (PARTITION BY deal ORDER BY at_us, event_id) AS nth
FROM (
    SELECT o.deal, o.at_us, o.event_id, last(a.amount ORDER BY a.at_us, a.event_id) AS amount
    FROM moves o LEFT JOIN (FROM journal WHERE amount IS NOT NULL OR list_contains(cleared, 'amount')) a
        ON a.deal = o.deal AND (a.at_us < o.at_us OR (a.at_us = o.at_us AND a.event_id <= o.event_id))
    WHERE o.rank = 3 GROUP BY ALL
);

-- A repeated stage is no entry, so the closing is the last *entry*, when that is won or lost.
CREATE TABLE stays AS
SELECT deal, last(rank ORDER BY at_us, rank, event_id) AS rank,
    last(at_us ORDER BY at_us, rank, event_id) FILTER (is_entry) AS since,
    min(at_us) FILTER (rank = 3) AS first_offer, min(at_us) FILTER (rank = 4) AS first_negotiation,
    count(*) FILTER (rank = 4 AND is_entry) AS negotiations,
    coalesce(last(rank ORDER BY at_us, rank, event_id) FILTER (rank <> 6), 0) AS last_before_lost
FROM moves GROUP BY deal;

CREATE TABLE closings AS
SELECT * RENAME (since AS closed_at), if(rank = 5, 'won', 'lost') AS outcome, first_offer IS NOT NULL AS offered
FROM stays WHERE rank >= 5;

CREATE TABLE reached AS
SELECT deal, s.rank, stage, min(at_us) AS at_us
FROM moves m JOIN stages s ON s.rank < 5 AND (m.rank BETWEEN s.rank AND 5 OR s.rank = 0) GROUP BY ALL
UNION ALL
SELECT deal, 5, 'won', closed_at FROM closings WHERE outcome = 'won';

-- Activities on deals that were open in a stage then, and whether a stage above followed in time.
CREATE TABLE tried AS
WITH activities AS (
    SELECT j.deal, j.event_id, j.at_us, j.activity, last(m.rank ORDER BY m.at_us, m.rank, m.event_id) AS rank
    FROM journal j JOIN moves m ON m.deal = j.deal AND m.at_us <= j.at_us
    WHERE j.activity IS NOT NULL AND j.held = 'held' GROUP BY ALL
)
SELECT *, EXISTS (FROM moves m WHERE m.deal = a.deal AND m.is_entry AND m.rank > a.rank AND m.rank <= 5
    AND m.at_us > a.at_us AND m.at_us <= a.at_us + getvariable('activity_horizon_us')) AS followed
FROM activities a WHERE rank <= 4;

-- --------------------------------------------------------------------- money, in one currency

CREATE TABLE rate_spans AS
SELECT currency, epoch_us(day::TIMESTAMP) AS from_us,
    coalesce(lead(epoch_us(day::TIMESTAMP)) OVER (PARTITION BY currency ORDER BY day), 9223372036854775807) AS until_us,
    top * coalesce(b.unit, 100) AS top, bottom * coalesce(c.unit, 100) AS bottom
FROM rates LEFT JOIN odd_units c ON c.code = currency LEFT JOIN odd_units b ON b.code = getvariable('base_currency');

-- NULL where there is no rate, or the amount becomes too large: then it stays what it is.
CREATE MACRO exchanged(minor, top, bottom) AS
    CASE WHEN half_even(minor * top, bottom) < 1000000000000000000 THEN half_even(minor * top, bottom) END;

-- What is priced when; the open value of a deal at the instant itself.
CREATE TABLE priced AS
WITH sold AS (
    SELECT c.deal, closed_at, a.amount, a.cost, o.amount AS original
    FROM closings c JOIN attributes a USING (deal) LEFT JOIN offers o ON o.deal = c.deal AND o.nth = 1
    WHERE outcome = 'won' AND a.amount IS NOT NULL
)
SELECT deal, 'value ' || outcome AS cell, '' AS label, amount, closed_at AS at_us, 'event' AS timing
FROM closings JOIN attributes USING (deal)
UNION ALL
SELECT deal, 'lost value ' || stage || ' ' || offered, reason, amount, closed_at, 'event'
FROM closings c JOIN attributes USING (deal) JOIN stages s ON s.rank = last_before_lost WHERE outcome = 'lost'
UNION ALL
SELECT deal, 'offer value', '', amount, at_us, 'event' FROM offers
UNION ALL
SELECT deal, unnest(['original', 'final']), '', unnest([original, amount]), closed_at, 'event'
FROM sold WHERE original.currency = amount.currency AND original.minor > 0
UNION ALL
SELECT deal, unnest(['cost', 'revenue']), '', unnest([cost, amount]), closed_at, 'event'
FROM sold WHERE cost.currency = amount.currency
UNION ALL
SELECT deal, 'open value ' || stage, '', amount, getvariable('as_of_us'), 'now'
FROM stays JOIN stages USING (rank) JOIN attributes USING (deal) WHERE rank <= 4;

CREATE TABLE money AS
SELECT deal, cell, label, at_us, timing, coalesce(exchanged(amount.minor, top, bottom), amount.minor) AS minor,
    if(exchanged(amount.minor, top, bottom) IS NULL, amount.currency, getvariable('base_currency')) AS currency
FROM priced LEFT JOIN rate_spans r ON r.currency = amount.currency AND at_us >= from_us AND at_us < until_us
WHERE amount IS NOT NULL;

-- ------------------------------------------------------- facts: what a deal adds, and when

-- How long it took, at the time when that was known; negative times are no samples.
CREATE TABLE durations AS
WITH found AS (
    SELECT deal, 'time ' || outcome AS cell, closed_at AS at_us, closed_at - at_us AS duration
    FROM closings JOIN reached USING (deal) WHERE reached.rank = 0
    UNION ALL
    SELECT deal, 'acquisition', at_us, at_us - first_touch_at FROM reached JOIN attributes USING (deal) WHERE rank = 0
    UNION ALL
    SELECT s.deal, 'preparation', first_offer, first_offer - if(offer_requested_at <= first_offer, offer_requested_at, max(m.at_us))
    FROM stays s JOIN attributes a USING (deal)
        LEFT JOIN moves m ON m.deal = s.deal AND m.rank = 2 AND m.is_entry AND m.at_us <= first_offer
    WHERE first_offer IS NOT NULL GROUP BY s.deal, first_offer, offer_requested_at
    UNION ALL
    SELECT deal, 'negotiation', closed_at, closed_at - first_negotiation FROM closings
    UNION ALL
    SELECT b.deal, 'stay ' || b.stage, coalesce(n.at_us, closed_at), coalesce(n.at_us, closed_at) - b.at_us
    FROM reached b LEFT JOIN reached n ON n.deal = b.deal AND n.rank = b.rank + 1
        LEFT JOIN closings c ON c.deal = b.deal AND outcome = 'lost'
            AND b.rank = (SELECT max(h.rank) FROM reached h WHERE h.deal = b.deal)
    WHERE b.rank <= 4 AND EXISTS (FROM moves m WHERE m.deal = b.deal AND m.is_entry AND m.rank = b.rank AND m.at_us = b.at_us)
)
FROM found WHERE duration >= 0;

-- How many, at what time.
CREATE TABLE happenings AS
SELECT deal, 'reached ' || stage AS cell, '' AS label, at_us FROM reached
UNION ALL
SELECT b.deal, 'cohort ' || b.stage || ' ' || t.stage, '', b.at_us
FROM reached b JOIN reached t ON t.deal = b.deal AND b.rank < t.rank
UNION ALL
SELECT deal, unnest(['closed', 'closed ' || outcome]), '', closed_at FROM closings
UNION ALL
SELECT deal, unnest(['offered closed', 'offered ' || outcome]), '', closed_at FROM closings WHERE offered
UNION ALL
SELECT deal, unnest(['negotiated', 'negotiated ' || outcome]), '', closed_at FROM closings WHERE first_negotiation IS NOT NULL
UNION ALL
SELECT deal, 'won with amount', '', closed_at FROM closings JOIN attributes USING (deal) WHERE outcome = 'won' AND amount IS NOT NULL
UNION ALL
SELECT deal, 'lost ' || stage || ' ' || offered, reason, closed_at
FROM closings c JOIN attributes USING (deal) JOIN stages s ON s.rank = last_before_lost WHERE outcome = 'lost'
UNION ALL
SELECT deal, 'offer', '', at_us FROM offers
UNION ALL
SELECT deal, 'first offer', '', first_offer FROM stays WHERE first_offer IS NOT NULL
UNION ALL
SELECT deal, 'first offer won', '', first_offer FROM closings WHERE offered AND outcome = 'won'
UNION ALL
SELECT deal, 'move ' || f.stage || ' ' || t.stage, '', at_us
FROM moves m JOIN stages f ON f.rank = m.previous JOIN stages t ON t.rank = m.rank WHERE is_entry
UNION ALL
SELECT DISTINCT deal, 'problem', label_of(p), at_us FROM reached JOIN attributes USING (deal), unnest(problems) u(p) WHERE rank = 2
UNION ALL
SELECT DISTINCT deal, 'outcome', label_of(o), at_us FROM reached JOIN attributes USING (deal), unnest(desired_outcomes) u(o) WHERE rank = 2
UNION ALL
SELECT deal, 'activity ' || activity || ' ' || held, '', at_us FROM journal WHERE activity IS NOT NULL
UNION ALL
SELECT deal, 'tried ' || activity, '', at_us FROM tried
UNION ALL
SELECT deal, 'followed ' || activity, '', at_us FROM tried WHERE followed;

CREATE TABLE facts AS
SELECT deal, cell, label, '' AS currency, at_us, 'event' AS timing, 1::HUGEINT AS weight FROM happenings
UNION ALL
SELECT deal, cell, '', '', at_us, 'event', duration FROM durations
UNION ALL
SELECT deal, cell, label, currency, at_us, timing, minor FROM money
UNION ALL
SELECT c.deal, 'rounds', '', '', closed_at, 'event', coalesce(nullif(count(j.deal), 0), negotiations)
FROM closings c LEFT JOIN (FROM journal WHERE activity = 'negotiation_round' AND held = 'held') j
    ON j.deal = c.deal AND j.at_us <= closed_at
WHERE first_negotiation IS NOT NULL GROUP BY c.deal, closed_at, negotiations
UNION ALL
-- 18 decimals of the discount.
SELECT o.deal, 'discount', '', '', o.at_us, 'event', (o.amount.minor - f.amount.minor) * 1000000000000000000 // o.amount.minor
FROM priced o JOIN priced f ON f.deal = o.deal AND f.cell = 'final' WHERE o.cell = 'original'
UNION ALL
SELECT r.deal, 'score ' || (q.deal IS NOT NULL), '', '', r.at_us, 'event', score
FROM reached r JOIN attributes a ON a.deal = r.deal LEFT JOIN reached q ON q.deal = r.deal AND q.rank = 1
WHERE r.rank = 0 AND score IS NOT NULL
UNION ALL
SELECT b.deal, 'settled ' || b.stage || ' ' || horizon, '', '', b.at_us + length, 'matured', 1
FROM reached b JOIN attributes a USING (deal) JOIN horizons h ON h.pipeline = settings_of(a.pipeline)
WHERE b.rank < 5
UNION ALL
SELECT b.deal, 'matured ' || b.stage || ' ' || t.stage || ' ' || horizon, '', '', b.at_us + length, 'matured', 1
FROM reached b JOIN attributes a ON a.deal = b.deal JOIN horizons h ON h.pipeline = settings_of(a.pipeline)
    JOIN reached t ON t.deal = b.deal AND b.rank < t.rank AND t.at_us - b.at_us <= length
UNION ALL
SELECT deal, 'open ' || stage, '', '', since, 'now', 1 FROM stays JOIN stages USING (rank) WHERE rank <= 4
UNION ALL
SELECT deal, 'age ' || stage, '', '', since, 'now', getvariable('as_of_us') - since FROM stays JOIN stages USING (rank) WHERE rank <= 4
UNION ALL
-- Judged by whole minutes: from the minute after the limit on.
SELECT deal, 'stuck ' || stage, '', '', since, 'now', 1
FROM stays JOIN stages USING (rank) JOIN attributes a USING (deal) JOIN stuck_limits l USING (stage)
WHERE rank <= 4 AND l.pipeline = settings_of(a.pipeline)
    AND getvariable('as_of_us') // 60000000 > (since + length) // 60000000;
